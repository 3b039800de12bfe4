"""What a record says of the processor and the libraries that a run computed with."""

from __future__ import annotations

import functools
import re
from typing import Any

import torch

from bench.processor import instruction_set, limits, multiplies_bf16, processor_name

_LIBRARIES = {"onednn": r"MKL-DNN v([\d.]+)", "mkl": r"Math Kernel Library Version ([\d.]+)"}


def describe_processor(*, bf16: bool) -> dict[str, Any]:
    """Return what may move a number between machines, for the record.

    bf16: the run computes in bf16 on this processor, so that how it does is said too.
    """
    found: dict[str, Any] = {
        "processor": processor_name(),
        "instructions": instruction_set(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        **_libraries(),
    }
    if bf16:
        found["bf16"] = "native" if multiplies_bf16() else "in fp32"
    limited = limits()
    return found | ({"limits": limited} if limited else {})


@functools.cache
def _libraries() -> dict[str, str]:
    """Return the versions of oneDNN and MKL that torch was built with."""
    built = torch.__config__.show()
    found = {name: re.search(pattern, built) for name, pattern in _LIBRARIES.items()}
    return {name: version[1] for name, version in found.items() if version}
