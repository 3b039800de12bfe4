"""The processor that a run computes on: its instruction set, what the libraries use of it, and their versions."""

from __future__ import annotations

import functools
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import torch

LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
CPUINFO = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's
_ONEDNN_WITH_BF16 = re.compile(r"ALL|DEFAULT|AVX512_CORE_(BF16|FP16|AMX\w*)|AVX10\w*", re.IGNORECASE)


def describe_processor(*, bf16: bool) -> dict[str, str | dict[str, str]]:
    """Return what may move a number between machines, for the record.

    bf16: the run computes in bf16 on this processor, so that how it does is said too.
    """
    found: dict[str, str | dict[str, str]] = {
        "processor": _model(),
        "instructions": instruction_set(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        **_libraries(),
    }
    if bf16:
        found["bf16"] = "native" if multiplies_bf16() else "in fp32"
    limits = {name: os.environ[name] for name in LIMITS if os.environ.get(name)}
    return found | ({"limits": limits} if limits else {})


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


def _cpuinfo() -> dict[str, str]:
    """Return the first value of each line of Linux's description; nothing where there is none."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    pairs = (line.partition(":") for line in reversed(lines))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _model() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _flags() -> set[str]:
    info = _cpuinfo()
    return set((info.get("flags") or info.get("Features") or "").split())


@functools.cache
def _libraries() -> dict[str, str]:
    """Return the versions of oneDNN and MKL that torch was built with."""

    def versions() -> Iterator[tuple[str, str]]:
        built = torch.__config__.show()
        for name, pattern in (("onednn", r"MKL-DNN v([\d.]+)"), ("mkl", r"Math Kernel Library Version ([\d.]+)")):
            found = re.search(pattern, built)
            if found:
                yield name, found[1]

    return dict(versions())
