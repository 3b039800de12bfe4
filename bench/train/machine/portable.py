"""Arithmetic that gives the same bytes on any x86-64 processor, as far as the libraries can: on a CPU, one thread."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from typing import Any

import torch

from bench.errors import PortableError
from bench.processor import PORTABLE, is_portable, started_with


@contextlib.contextmanager
def portable_arithmetic(device: torch.device) -> Iterator[None]:
    """Compute inside the block with torch's own kernels and MKL's, which the environment has limited (`PORTABLE`).

    Neither oneDNN, whose blocks and so the order of its sums follow the sizes of caches, nor NNPACK, which is there on
    some processors alone. Raises PortableError where the limits came too late for this process, or on a GPU.
    """
    if device.type != "cpu":
        raise PortableError(f"train.portable: computes on a CPU, not on {device}; use --device cpu")
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise PortableError(f"train.portable: is between processors of x86-64; this one is {platform.machine()}")
    if not (is_portable(os.environ) and is_portable(started_with())) or torch.backends.cpu.get_cpu_capability() not in (
        "DEFAULT",
        "NO AVX",
    ):
        said = " ".join(f"{name}={value}" for name, value in PORTABLE.items())
        raise PortableError(
            "train.portable: this process uses more of the processor than every other has; train with spikebench run "
            f"or bench.run_suite, or start Python with {said}"
        )
    if torch.get_num_threads() != 1:
        raise PortableError(
            f"train.portable: computes with one thread, not {torch.get_num_threads()}; call torch.set_num_threads(1)"
        )
    onednn: Any = torch.backends.mkldnn
    before = onednn.enabled
    onednn.enabled = False
    try:
        with torch.backends.nnpack.flags(enabled=False):
            yield
    finally:
        onednn.enabled = before
