"""The device that a process computes on: what it is called, and how much of its memory was held."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any

import torch

from bench.train.machine.portable import portable_arithmetic


def use_device(device: torch.device) -> None:
    """Make a GPU the current one: streams, events and graphs that are not told where to be go there."""
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)


@contextlib.contextmanager
def algorithms(deterministic: bool | None, device: torch.device, *, portable: bool = False) -> Iterator[str]:
    """Ask torch for deterministic algorithms inside the block, or for any; yields which, for the record.

    None: deterministic on a CPU, where they cost next to nothing, and any on a GPU. Must come before the first matrix
    product on a GPU: cuBLAS reads its workspace setting once. Settings of the process are put back at the end.
    portable: those that give the same on any x86-64 processor. Raises PortableError where this process has others.
    """
    wanted = device.type == "cpu" if deterministic is None else deterministic
    if wanted and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as torch's notes on reproducibility ask
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(wanted)
    memory.fill_uninitialized_memory = False  # it finds bugs, for a pass over every new tensor
    if wanted:
        torch.backends.cudnn.benchmark = False
    try:
        with portable_arithmetic(device) if portable else contextlib.nullcontext():
            yield "portable" if portable else "deterministic" if wanted else "any"
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
        memory.fill_uninitialized_memory = fill


def describe_device(device: torch.device) -> str:
    """Return the device's kind and, on CUDA, its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu, 1 thread"


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most memory held: allocated on the GPU, or resident in the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, says that the GPU's or the machine's memory is used up."""
    said = str(error).lower()
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY):
        return True
    causes = (error.__cause__, getattr(error, "inner_exception", None))  # the second is torch.compile's
    return any(isinstance(cause, BaseException) and is_out_of_memory(cause) for cause in causes)


# The words of the kernel, of torch's allocator, of a launch, and of libraries that allocate for themselves.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "defaultcpuallocator: not enough memory",
    "cuda error: out of memory",
    "cuda driver error: out of memory",
    "triton error [cuda]: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cudnn_status_internal_error_host_allocation_failed",
    "cudnn_status_internal_error_device_allocation_failed",
)
