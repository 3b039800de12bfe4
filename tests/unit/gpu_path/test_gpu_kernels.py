"""The fused kernels of every spiking neuron, compiled for an H100 where there is none: how many, over which types.

A neuron is one pass over its input where it is one kernel whose pointers, but for parameters, are of the input's type.
"""

import pytest
import torch
from support import ROOT

import bench.neurons.base
from bench.neurons.base import CompileError
from bench.plugins.registry import create, plugins

try:
    from support.triton_kernels import kernels_of
except (ImportError, AttributeError) as moved:
    pytest.skip(f"no Triton here, or torch's internals have moved: {moved}", allow_module_level=True)

TIMESTEPS = 3
# What each kernel reads -> what it writes, forward and backward: an output is written timestep by timestep, a neuron's
# parameters and their gradients are fp32. All else is in the precision of the layer, in and out.
STATES_ALONE = {
    "fp32": (["fp32 -> 3 fp32"], ["2 fp32 -> 3 fp32"]),
    "bf16": (["bf16 -> 3 bf16"], ["2 bf16 -> 3 bf16"]),
}
ONE_PARAMETER = {
    "fp32": (["2 fp32 -> 3 fp32"], ["4 fp32 -> 4 fp32"]),
    "bf16": (["fp32, bf16 -> 3 bf16"], ["2 fp32, 2 bf16 -> fp32, 3 bf16"]),
}
KERNELS = {
    "alif": STATES_ALONE,
    "clif": STATES_ALONE,
    "clif-detached": STATES_ALONE,
    "if": STATES_ALONE,
    "klif": ONE_PARAMETER,
    "lif": STATES_ALONE,
    "lif-clif-paths": STATES_ALONE,
    "plif": ONE_PARAMETER,
    "glif": {
        "fp32": (["9 fp32 -> 3 fp32"], ["12 fp32 -> 11 fp32"]),
        "bf16": (
            ["2 fp32, bf16, 6 fp32 -> 3 bf16"],
            ["4 fp32, bf16, 6 fp32, bf16 -> 2 fp32, 3 bf16, 6 fp32"],
        ),
    },
    "psn": {
        "fp32": (["3 fp32 -> 3 fp32"], ["5 fp32 -> 10 fp32", "3 fp32 -> fp32"]),
        "bf16": (
            ["fp32, bf16, fp32 -> 3 bf16"],
            ["fp32, bf16, fp32, bf16, fp32 -> fp32, 3 bf16, 6 fp32", "3 fp32 -> fp32"],
        ),
    },
}
QUICK = ("lif", "clif")
FUSED = [name for name, info in plugins("neuron").items() if info.flags.get("spiking", True)]
PINNED = f"torch=={torch.__version__.partition('+')[0]}" in (ROOT / "constraints.txt").read_text("utf-8").split()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in FUSED])
def test_a_fused_neuron_compiles_for_an_h100(name, precision, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.neurons.base, "multiplies_bf16", lambda: True)  # as a GPU does, whatever this processor
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    neuron = create("neuron", name, {"_channels": 8})
    x = torch.randn(TIMESTEPS, 4, 8, 16, 16, dtype=dtype, generator=torch.Generator().manual_seed(0))
    try:
        found = kernels_of(neuron, x)
    except CompileError as error:
        cause = getattr(error.__cause__, "inner_exception", error)
        if isinstance(cause, ImportError | AttributeError):
            pytest.skip(f"torch's internals have moved: {cause}")
        raise
    found = {way: [kernel.compiled(tmp_path) for kernel in kernels] for way, kernels in found.items()}
    for _, ptx in (*found["forward"], *found["backward"]):
        assert ".target sm_90" in ptx
    types = tuple([pointers for pointers, _ in found[way]] for way in ("forward", "backward"))
    if PINNED:  # another version of torch may cut the graphs elsewhere
        assert types == KERNELS[name][precision]
