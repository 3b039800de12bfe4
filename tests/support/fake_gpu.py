"""Fake tensors on cuda:0: without numbers, but with torch's own check that devices do not meet, in C++ as well.

What is drawn on the CPU is real, so that Python may branch on it; a branch on what is on the GPU raises.
"""

import contextlib

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda:0")
Undecided = DataDependentOutputException  # Python has asked for a number that a fake tensor lacks


class FakeGpu(TorchFunctionMode):
    """Inside it what is made on, or moved to, cuda:0 is fake."""

    def __init__(self):
        super().__init__()
        self.fakes = FakeTensorMode(allow_non_fake_inputs=True)

    def tensor(self, *shape, dtype=torch.float32):
        with self.fakes:
            return torch.empty(shape, dtype=dtype, device=GPU)

    def __torch_function__(self, func, kinds, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, first = getattr(func, "__name__", ""), args[0] if args else None
        if isinstance(first, Tensor) and name == "pin_memory":
            return first
        kwargs |= {"pin_memory": False} if kwargs.get("pin_memory") else {}
        named = GPU in (device_named(value) for value in (*args, *kwargs.values()))
        if named and isinstance(first, Tensor) and not isinstance(first, FakeTensor):
            args = (self.fakes.from_tensor(first), *args[1:])
        if not named and not any(isinstance(x, FakeTensor) for x in tree_leaves((args, kwargs))):
            return func(*args, **kwargs)
        with self.fakes:
            return func(*args, **kwargs)


def device_named(value):
    """The device that an argument names, None for any other argument."""
    with contextlib.suppress(RuntimeError):
        return torch.device(value) if isinstance(value, str | torch.device) else None
