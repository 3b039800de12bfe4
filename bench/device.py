"""The device that a process computes on: what it is called, and how much of its memory was held."""

from __future__ import annotations

import resource
import sys

import torch


def use_device(device: torch.device) -> None:
    """Make a GPU the current one: streams, events and graphs that are not told where to be go there."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


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
    """Whether an error says that the GPU's or the machine's memory is used up."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
