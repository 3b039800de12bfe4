"""What a neuron layer costs by itself, forward and backward: ours fused and plain, SpikingJelly's where installed.

`python benchmarks/neurons.py` prints a table; `--device cuda` measures on a GPU. One CPU thread. The layers take turns
(A B C, A B C ...), ratios are taken within a turn. Held: what a layer keeps for its backward pass, as multiples of its
input. Copy rate: the bytes that a layer cannot do without (input read and spikes written, backward input and gradient
read and gradient written) over the time, as a share of what the device copies.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time

import torch
from tabulate import tabulate
from torch import Tensor, nn

from bench.plugins.registry import find
from bench.speed.peers import peer_factory
from bench.speed.roofline import measure_rates, synchronise
from bench.suite.fields import PluginSpec

NEURONS = ("lif", "plif", "clif")


def layers(device: torch.device) -> dict[tuple[str, str], nn.Module]:
    """Return the layers to measure by (neuron, whose)."""
    made: dict[tuple[str, str], nn.Module] = {}
    for name in NEURONS:
        info = find("neuron", name)
        for how in ("fused", "plain"):
            neuron = info.load()()
            neuron.use_fused(how == "fused")
            made[name, f"spikebench, {how}"] = neuron.to(device).train()
        if importlib.util.find_spec("spikingjelly") is not None:
            theirs = peer_factory("spikingjelly", PluginSpec(name=name), info.resolve({}))
            made[name, "spikingjelly"] = theirs().to(device).train()
    return made


def held(layer: nn.Module, x: Tensor) -> float:
    """Return the bytes of the distinct tensors that a training pass keeps, as multiples of the input's own."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x)
    return sum(kept.values()) / x.nbytes


def pass_s(layer: nn.Module, x: Tensor, gradient: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    x.grad = None
    synchronise(x.device)
    start = time.perf_counter()
    layer(x).backward(gradient)
    synchronise(x.device)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="6,32,64,32,32", help="T,N,C,H,W (default: %(default)s)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device, dtype = torch.device(given.device), getattr(torch, given.dtype)
    shape = [int(extent) for extent in given.shape.split(",")]
    generator = torch.Generator().manual_seed(0)
    x, gradient = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(2))
    x.requires_grad_()
    subjects = layers(device)
    kept = {key: held(layer, x) for key, layer in subjects.items()}  # compiles too
    times: dict[tuple[str, str], list[float]] = {key: [] for key in subjects}
    for turn in range(given.repeats + 1):
        for key, layer in subjects.items():
            seconds = pass_s(layer, x, gradient)
            if turn:  # the first warms up
                times[key].append(seconds)
    copy_rate = measure_rates(device, dtype).bytes_per_s
    rows = []
    for key, taken in times.items():
        row = [*key, f"{1e3 * statistics.median(taken):.1f} ({1e3 * min(taken):.1f} to {1e3 * max(taken):.1f})"]
        row += [f"{kept[key]:.2f}", f"{100 * 5 * x.nbytes / statistics.median(taken) / copy_rate:.0f}"]
        rows.append([*row, *(_ratio(taken, times.get((name, "spikingjelly"))) for name in ("lif", key[0]))])
    header = ["neuron", "whose", "ms", "held", "copy rate, %", "x SpikingJelly's LIF", "x SpikingJelly's own"]
    print(f"{given.shape}, {given.dtype}, {given.device}, {given.repeats} turns; {copy_rate / 1e9:.1f} GB/s copied\n")
    print(tabulate(rows, header, tablefmt="pipe"))


def _ratio(taken: list[float], theirs: list[float] | None) -> str:
    if theirs is None:
        return "n/a"
    return f"{statistics.median(own / other for own, other in zip(taken, theirs, strict=True)):.3f}"


if __name__ == "__main__":
    main()
