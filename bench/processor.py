"""The processor of this machine: its instruction set, and what limits the libraries' use of it. Without torch."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

_LIBRARIES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
_PRECISIONS = (  # of products that were asked for in float32
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
LIMITS = (*_LIBRARIES, *_PRECISIONS, "GLIBC_TUNABLES")
# The arithmetic that every x86-64 processor has, and of each library the kernels that promise or show equal results: in
# torch's own kernels, in oneDNN's, in MKL's ("conditional numerical reproducibility") and in the C library's functions.
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
}
CPUINFO, STARTED = Path("/proc/cpuinfo"), Path("/proc/self/environ")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's
_ONEDNN_WITH_BF16 = re.compile(r"ALL|DEFAULT|AVX512_CORE_(BF16|FP16|AMX\w*)|AVX10\w*", re.IGNORECASE)


def processor_name() -> str:
    """Return the model's name as the system gives it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def instruction_set() -> str:
    """Return the widest vector instructions of the processor, whatever the libraries were told to use of them."""
    flags = _flags()
    wide = [("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"), ("sse4_1", "SSE4.1")]
    name = next((name for flag, name in wide if flag in flags), platform.machine())
    return f"{name} with bf16" if flags & _BF16_FLAGS else name


def multiplies_bf16() -> bool:
    """Whether products of bf16 numbers are one instruction here, and oneDNN may use it."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "ALL"
    return bool(_flags() & _BF16_FLAGS) and _ONEDNN_WITH_BF16.fullmatch(limit) is not None


def limits(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what an environment, by default this process's, tells the libraries to use no more of, by variable."""
    return {name: environment[name] for name in LIMITS if environment.get(name)}


def portable_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a process computes the same on any x86-64 processor, as far as libraries can."""
    kept = {name: value for name, value in environment.items() if name not in LIMITS}
    return {**kept, **PORTABLE}


def is_portable(environment: Mapping[str, str]) -> bool:
    """Whether an environment has these limits and no others."""
    return limits(environment) == PORTABLE


def started_with() -> dict[str, str]:
    """Return the environment that this process was started with: the C library has read it then, and never again."""
    if not STARTED.is_file():
        return dict(os.environ)
    pairs = (entry.partition("=") for entry in STARTED.read_bytes().decode("utf-8", "replace").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def code_tag() -> str:
    """Return 12 hex digits that differ where code compiled for this processor, under its limits, may not run."""
    said = [platform.machine(), *sorted(_flags()), *sorted(f"{name}={value}" for name, value in limits().items())]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def _cpuinfo() -> dict[str, str]:
    return _described(CPUINFO)


@functools.cache  # asked at every step, and milliseconds where there are many cores
def _described(path: Path) -> dict[str, str]:
    """Return the first value of each line of Linux's description; nothing where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition(":") for line in reversed(lines))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _flags() -> set[str]:
    info = _cpuinfo()
    return set((info.get("flags") or info.get("Features") or "").split())
