"""A pretended GPU: tensors that say they are on cuda:0 and compute on the CPU, where mixing the two raises.

The program runs whole on it, with real numbers: what is left out are streams, graphs, compilers and the GPU's own
arithmetic. C++ sees tensors of the CPU, as autograd's engine knows no other here; Python sees `cuda:0`.
"""

import contextlib
import types
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")
NAME = "NVIDIA Pretended"
COPIES = {"copy_", "_to_copy"}  # between devices
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}  # indices may be on the CPU


class OnGpu(Tensor):
    """A tensor on the pretended GPU; `held` is the one on the CPU that computes for it."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held, requires_grad=False):
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=CPU,
            requires_grad=requires_grad,
        )
        made.held = held
        return made

    @property
    def device(self):
        return GPU

    @property
    def is_cuda(self):
        return True

    def __repr__(self, **_):
        return f"OnGpu({self.held})"

    def __deepcopy__(self, memo):
        made = OnGpu(self.held.clone(), self.requires_grad)
        memo[id(self)] = made = torch.nn.Parameter(made, self.requires_grad) if is_parameter(self) else made
        return made

    @classmethod
    def __torch_dispatch__(cls, func, kinds, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        refuse_two_devices(name, args, kwargs)
        given = tree_map(on_the_cpu, (args, kwargs))
        out = func(*given[0], **(given[1] | ({"device": CPU} if kwargs.get("device") is not None else {})))
        if name == "copy_" and not isinstance(args[0], OnGpu):
            return args[0]
        return return_and_correct_aliasing(func, args, kwargs, tree_map(on_the_gpu, out))


def is_parameter(x):
    return isinstance(x, torch.nn.Parameter)


def on_the_gpu(x):
    return OnGpu(x) if isinstance(x, Tensor) and not isinstance(x, OnGpu) else x


def on_the_cpu(x):
    return x.held if isinstance(x, OnGpu) else x


def refuse_two_devices(name, args, kwargs):
    """Raise what torch raises where tensors of the CPU meet the GPU's; a single number may come from the CPU."""
    if isinstance(kwargs.get("generator"), torch.Generator):
        raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' (aten.{name})")
    strangers = [x for x in tree_leaves((args, kwargs)) if type(x) is Tensor and x.dim() > 0]
    if strangers and name not in COPIES and not (name in INDEXING and isinstance(args[0], OnGpu)):
        shape = tuple(strangers[0].shape)
        raise RuntimeError(f"Expected all tensors to be on the same device: aten.{name} met {shape} of the CPU")


class ToGpu(torch.autograd.Function):
    """The copy of a tensor on the GPU, in autograd's sight."""

    @staticmethod
    def forward(ctx, x):
        return OnGpu(x.detach().clone())

    @staticmethod
    def backward(ctx, gradient):
        return gradient.held


class Pretended(TorchFunctionMode):
    """Inside it `device="cuda:0"`, `.to("cuda:0")`, `.cpu()` and pinned memory mean the pretended GPU."""

    def __torch_function__(self, func, kinds, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, first = getattr(func, "__name__", ""), args[0] if args else None
        if isinstance(first, Tensor) and name == "pin_memory":
            return first
        if isinstance(first, OnGpu) and name == "numpy":
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")
        if isinstance(first, OnGpu) and name == "tolist":
            return first.held.tolist()
        if isinstance(first, OnGpu) and name == "one_hot":  # makes a tensor in C++, where the GPU is not known
            return OnGpu(func(*map(on_the_cpu, args), **kwargs))
        if isinstance(first, Tensor) and name in ("to", "cuda", "cpu"):
            return moved(name, first, args[1:], kwargs)
        kwargs |= {"pin_memory": False} if kwargs.get("pin_memory") else {}
        if kwargs.get("device") is None or torch.device(kwargs["device"]).type != "cuda":
            return func(*args, **kwargs)
        if kwargs.get("generator") is not None:
            raise RuntimeError(f"{name}: Expected a 'cuda' device type for generator but found 'cpu'")
        made = func(*tree_map(on_the_cpu, args), **(kwargs | {"device": CPU}))
        return OnGpu(made.detach(), made.requires_grad)


def moved(name, x, rest, kwargs):
    """What `x.to(...)`, `x.cuda()` and `x.cpu()` return."""
    device, kept = {"cuda": GPU, "cpu": CPU}.get(name), []
    for value in (*rest, kwargs.pop("device", None)):
        if isinstance(value, Tensor):
            device, kept = value.device, [*kept, value.dtype]
        elif isinstance(value, str | torch.device):
            device = torch.device(value)
        elif isinstance(value, torch.dtype):
            kept.append(value)
    kwargs.pop("non_blocking", None)
    if device == CPU and isinstance(x, OnGpu):
        x = x.held.clone()
    elif device is not None and device.type == "cuda" and not isinstance(x, OnGpu):
        x = ToGpu.apply(x) if x.requires_grad and not x.is_leaf else OnGpu(x.detach().clone())
    with torch._C.DisableTorchFunction():
        return Tensor.to(x, *kept, **kwargs) if kept or kwargs else x


class Event:
    """An event that has always happened."""

    def record(self, *_):
        pass

    def query(self):
        return True


class Autocast(torch.autocast):
    """Autocast of the CPU whatever is asked for: C++ sees tensors of the CPU."""

    def __init__(self, device_type, *rest, **options):
        super().__init__("cpu", *rest, **options)


@contextlib.contextmanager
def pretended_gpu():
    """Inside the block there is a `cuda:0`."""
    about = types.SimpleNamespace(uuid="0", name=NAME)
    given = {
        "set_device": lambda device: None,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "mem_get_info": lambda *_: (1 << 36, 1 << 36),
        "max_memory_allocated": lambda *_: 1,
        "get_device_name": lambda *_: NAME,
        "get_device_properties": lambda *_: about,
        "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda state, *_: None,
        "Event": Event,
    }
    converting = torch.__future__.get_overwrite_module_params_on_conversion()
    with contextlib.ExitStack() as stack:
        for name, value in given.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        stack.enter_context(mock.patch.object(torch, "autocast", Autocast))
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # `parameter.data = ...` loses the kind
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, converting)
        stack.enter_context(known_to_torchvision())
        stack.enter_context(Pretended())
        yield


@contextlib.contextmanager
def known_to_torchvision():
    """Its transforms choose their kernels by the exact type of an image."""
    from torchvision.transforms.v2.functional._utils import _KERNEL_REGISTRY

    tables = [table for table in _KERNEL_REGISTRY.values() if Tensor in table]
    for table in tables:
        table[OnGpu] = table[Tensor]
    try:
        yield
    finally:
        for table in tables:
            del table[OnGpu]
