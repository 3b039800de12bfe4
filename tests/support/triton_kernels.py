"""The Triton kernels of a fused neuron, made and compiled for an H100 (sm_90) where there is none.

The fused path runs here on the CPU, whole. On the way each graph that it comes to, forward and backward, is also given
to torch's compiler as a graph of `cuda:0`, and what that writes is kept and not launched. Leans on internals of torch
and Triton, all named here.
"""

import contextlib
import copy
import itertools
import re
import types
from dataclasses import dataclass
from unittest import mock

import torch
import triton
from functorch.compile import make_boxed_func
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._guards import detect_fake_mode
from torch._inductor import config
from torch._inductor.async_compile import AsyncCompile
from torch._inductor.compile_fx import compile_fx_inner
from torch._inductor.decomposition import select_decomp_table
from torch.fx.passes.fake_tensor_prop import FakeTensorProp
from torch.utils._triton import has_triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from bench.neurons.base import fused_sequence

GPU, TARGET = torch.device("cuda:0"), GPUTarget("cuda", 90, 32)
H100 = types.SimpleNamespace(
    name="NVIDIA H100",
    major=9,
    minor=0,
    multi_processor_count=132,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048,
    max_threads_per_block=1024,
    warp_size=32,
    total_memory=80 << 30,
    L2_cache_size=50 << 20,
    shared_memory_per_block=49152,
    shared_memory_per_block_optin=232448,
    shared_memory_per_multiprocessor=233472,
    gcnArchName="",
    uuid="0",
    pci_bus_id=0,
)
TILE = 512  # elements that a program works on at a time
DECORATOR = re.compile(r"@triton_heuristics\.(\w+)\(")


@dataclass(frozen=True)
class Kernel:
    """A kernel as torch wrote it."""

    source: str

    @property
    def long_axis(self):
        """The axis that a tile extends along."""
        return "R0_BLOCK" if "reduction" in DECORATOR.search(self.source).group(1) else "XBLOCK"

    def compiled(self, folder):
        """Compile to machine code in `folder`; return what it reads and writes, as "bf16 -> 6 fp32", and its PTX."""
        seen = {}

        def keep(*_, **options):
            seen.update(options)
            return lambda function: seen.setdefault("function", function)

        text = DECORATOR.sub("@_keep(", self.source.replace("triton_helpers.set_driver_to_gpu()", ""))
        path = folder / "kernel.py"  # Triton reads the source of a function from its file
        path.write_text(text)
        exec(compile(text, str(path), "exec"), {"_keep": keep, "__name__": "kernel", "__file__": str(path)})
        meta, function = seen["triton_meta"], seen["function"]
        signature, constants = dict(meta["signature"]), dict(meta.get("constants", {}))
        for name in function.arg_names:
            if signature.get(name, "constexpr") == "constexpr":
                signature[name] = "constexpr"
                constants.setdefault(name, TILE if name == self.long_axis else 1)
        constants = {(function.arg_names.index(name),): value for name, value in constants.items()}
        source = ASTSource(function, signature, constants, dict(meta["configs"][0]))
        made = triton.compile(source, target=TARGET, options={"num_warps": 4, "enable_fp_fusion": True})
        assert made.asm["cubin"]
        return " -> ".join(_kinds(signature, way) for way in ("in", "out")), made.asm["ptx"]


def _kinds(signature, way):
    """The types of the pointers that are read ("in") or written ("out"), as "bf16, 6 fp32"."""
    kinds = [kind[1:] for name, kind in signature.items() if kind.startswith("*") and way in name.split("_ptr")[0]]
    runs = [(kind, len(list(group))) for kind, group in itertools.groupby(kinds)]
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in runs)


def kernels_of(neuron, x):
    """Run a training pass of a fused neuron; return its kernels, by "forward" and "backward"."""
    found, settings = {"forward": [], "backward": []}, {}
    compilers = {key: _compiler(found[key], settings, backward=key == "backward") for key in found}
    backend = aot_autograd(
        fw_compiler=compilers["forward"],
        bw_compiler=compilers["backward"],
        partition_fn=min_cut_rematerialization_partition,
        decompositions=select_decomp_table(),
    )
    compile_it = torch.compile

    def compile_for_both(function, *, options, **how):
        settings.update(options)
        return compile_it(function, backend=backend, **how)

    fused_sequence.cache_clear()
    try:
        with mock.patch.object(torch, "compile", compile_for_both):
            neuron.train().use_fused(True)
            neuron(x.requires_grad_()).sum().backward()
    finally:
        fused_sequence.cache_clear()
    return found


def _compiler(found, settings, backward):
    def compiler(graph, inputs):
        twin = copy.deepcopy(graph)
        for node in twin.graph.nodes:
            if node.kwargs.get("device") is not None:
                node.kwargs = {**node.kwargs, "device": GPU}
        twin.recompile()
        fakes = detect_fake_mode(inputs)
        with fakes, _as_on_an_h100(found), config.patch(settings):
            moved = [_moved(x) for x in inputs]
            FakeTensorProp(twin, fakes).propagate_dont_convert_inputs(*moved)
            compile_fx_inner(twin, moved, is_backward=backward)
        return make_boxed_func(graph.forward)

    return compiler


def _moved(x):
    """The fake tensor on the GPU; a number as it is."""
    if not isinstance(x, Tensor):
        return x
    return torch.empty_strided(x.size(), x.stride(), dtype=x.dtype, device=GPU)


class _Driver:
    utils = types.SimpleNamespace(
        get_device_properties=lambda _: {
            "max_shared_mem": 232448,
            "multiprocessor_count": 132,
            "warpSize": 32,
            "max_num_regs": 65536,
        }
    )

    def get_current_target(self):
        return TARGET

    def get_active_torch_device(self):
        return GPU

    def get_current_device(self):
        return 0

    def get_current_stream(self, device=0):
        return 0


@contextlib.contextmanager
def _as_on_an_h100(found):
    """Inside it torch's compiler sees an H100, and kernels are collected in `found` in place of being launched."""
    given = {
        "is_available": lambda: True,
        "current_device": lambda: 0,
        "device_count": lambda: 1,
        "get_device_properties": lambda *_: H100,
        "_get_device_properties": lambda *_: H100,
        "get_device_capability": lambda *_: (9, 0),
        "_lazy_init": lambda: None,
        "_exchange_device": lambda _: 0,
        "_maybe_exchange_device": lambda _: 0,
        "get_rng_state": lambda *_: torch.zeros(16, dtype=torch.uint8),
        "set_rng_state": lambda *_: None,
        "set_device": lambda _: None,
        "synchronize": lambda *_: None,
    }

    def kept(self, name, source, device_str="cuda", **_):
        found.append(Kernel(source))
        return types.SimpleNamespace(run=lambda *_, **__: None)

    driver = type(triton.runtime.driver)
    has_triton.cache_clear()  # it remembers for the process whether there is a GPU for Triton
    with contextlib.ExitStack() as stack:
        stack.callback(has_triton.cache_clear)
        for name, value in given.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value, create=True))
        stack.enter_context(mock.patch.object(driver, "active", property(lambda self: _Driver())))
        stack.enter_context(mock.patch.object(AsyncCompile, "triton", kept))
        stack.enter_context(config.patch(compile_threads=1, fx_graph_cache=False, fallback_random=True))
        yield
