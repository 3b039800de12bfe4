"""What counting costs: time and peak memory of a counting pass over a plain evaluation pass, ours and the peers'.

`python benchmarks/counting.py` prints a table. One CPU thread, whose processor time is taken, so that other work on the
machine counts for little; the passes take turns (A B C D, A B C D ...), and a time factor is the median over the turns
of pass / plain within a turn. Memory is what a pass adds to the resident memory of a fresh process that holds network
and data (Linux; n/a elsewhere). NeuroBench and SpikingJelly take part where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.measure.counting.counter import Counter
from bench.measure.evaluate import evaluate
from bench.models.build import build_model
from bench.neurons import LIF

TIMESTEPS = 4
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

Batches = list[tuple[Tensor, Tensor]]


class Attention(nn.Module):
    """Attention of spikes over tokens [T, N, L, D], without a softmax: (q k^T) v / 8, then a spike and a projection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.qkv, self.project, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
        self.spike, self.again = LIF(), LIF()

    def forward(self, x: Tensor) -> Tensor:
        """Return what each token takes from the others, [T, N, L, D]."""
        q, k, v = self.spike(self.qkv(x)).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(-2, -3)
        taken = (q @ k.transpose(-1, -2) @ v).transpose(-2, -3).flatten(-2) / 8
        return self.project(self.again(taken))


class Transformer(nn.Module):
    """A spiking transformer in the manner of Spikformer: patches of 4 x 4 pixels, attention and MLP with sums."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patches, self.spike = nn.Conv2d(3, width, 4, 4), LIF()
        self.attentions = nn.ModuleList(Attention(width, heads) for _ in range(depth))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), LIF(), nn.Linear(4 * width, width), LIF()) for _ in range(depth)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [T, N, 10] of images [T, N, 3, H, W]."""
        tokens = self.spike(self.patches(x.flatten(0, 1)).flatten(2).transpose(1, 2).unflatten(0, x.shape[:2]))
        for attention, mlp in zip(self.attentions, self.mlps, strict=True):
            tokens = tokens + attention(tokens)
            tokens = tokens + mlp(tokens)
        return self.head(tokens.mean(2))


@dataclass(frozen=True)
class Work:
    """A network with random weights and the batches that it is evaluated on."""

    title: str
    model: str  # of this package, or "transformer"
    params: dict[str, int]
    image: tuple[int, int, int]  # channels, height, width
    batch_size: int
    batches: int

    def build(self) -> tuple[nn.Module, Batches]:
        """Return network and batches, an image being repeated over T in place as direct encoding does."""
        model = self._network().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.bias, 0.3)  # random weights alone leave deep layers silent
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.batches, self.batch_size, *self.image, generator=generator)
        labels = torch.zeros(self.batch_size, dtype=torch.int64)
        return model, [(part.unsqueeze(0).expand(TIMESTEPS, *part.shape), labels) for part in images]

    def _network(self) -> nn.Module:
        if self.model == "transformer":
            torch.manual_seed(0)
            network = Transformer(**self.params)
            for module in network.modules():
                if isinstance(module, nn.Linear):
                    nn.init.constant_(module.bias, 0.3)
            return network
        channels, *size = self.image
        return build_model(
            self.model,
            neuron="lif",
            in_channels=channels,
            classes=10,
            image_size=(size[0], size[1]),
            weight_seed=0,
            **self.params,
        )


WORKS = (
    Work("convnet, width 32, 3 stages, 1x28x28", "convnet", {"width": 32, "stages": 3}, (1, 28, 28), 50, 8),
    Work("resnet18, 3x32x32", "resnet18", {}, (3, 32, 32), 4, 8),
    Work(
        "spiking transformer, width 192, depth 4, 64 tokens",
        "transformer",
        {"width": 192, "depth": 4, "heads": 3},
        (3, 32, 32),
        25,
        8,
    ),
)


def plain(model: nn.Module, batches: Batches) -> None:
    """Evaluate, count nothing."""
    evaluate(model, batches)


def counted(model: nn.Module, batches: Batches) -> None:
    """Evaluate and count every operation."""
    with Counter(model, input_kind="analog") as counter:
        evaluate(model, batches)
    counter.counts()


def spikingjelly(model: nn.Module, batches: Batches) -> None:
    """Evaluate under SpikingJelly's synop counter."""
    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

    counter = SynOpCounter()
    with DispatchCounterMode([counter]):
        evaluate(model, batches)
    counter.get_total()


def neurobench(model: nn.Module, batches: Batches) -> None:
    """Infer as NeuroBench's benchmark loop does, with its synaptic operations as the only metric."""
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel

    wrapped, metric = TorchModel(model), SynapticOperations()
    wrapped.register_hooks()
    with torch.no_grad():
        for x, labels in batches:
            metric(wrapped, wrapped(x), (labels, labels))  # of the data it looks at the number of samples only
            wrapped.reset_hooks()
    wrapped.cleanup_hooks()


PASSES: dict[str, Callable[[nn.Module, Batches], None]] = {
    "plain": plain,
    "this project": counted,
    "SpikingJelly": spikingjelly,
    "NeuroBench": neurobench,
}


def installed() -> list[str]:
    """Return the passes that can run here."""
    return [name for name in PASSES if name[0].islower() or importlib.util.find_spec(name.lower())]


def times_s(work: Work, passes: list[str], repeats: int) -> dict[str, list[float]]:
    """Run every pass once to warm up, then `repeats` times in turns; return processor seconds."""
    model, batches = work.build()
    found: dict[str, list[float]] = {name: [] for name in passes}
    for turn in range(repeats + 1):
        for name in passes:
            began = time.process_time()
            PASSES[name](model, batches)
            if turn:
                found[name].append(time.process_time() - began)
    return found


def added_memory_bytes(work: Work, name: str) -> float | None:
    """Return how far one pass raises resident memory over network and data: median of three fresh processes."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        found = [pool.apply(_memory, (work, name)) for _ in range(3)]
    return None if None in found else statistics.median(bytes_ for bytes_ in found if bytes_ is not None)


def _memory(work: Work, name: str) -> float | None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model, batches = work.build()
    PASSES[name](model, [(x[:, :1], labels[:1]) for x, labels in batches[:1]])  # imports and kernels, not the work
    if not CLEAR.exists():
        return None
    CLEAR.write_text("5", "ascii")  # the peak starts anew from what is resident now
    before = _resident("VmRSS")
    PASSES[name](model, batches)
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    (line,) = (line for line in STATUS.read_text("utf-8").splitlines() if line.startswith(field))
    return float(line.split()[1]) * 1024


def table(repeats: int) -> list[str]:
    """Measure everything; return the lines of a markdown table."""
    lines = [
        f"| network, T = {TIMESTEPS}, LIF | pass | time, s | time factor | added memory, MB | memory factor |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for work in WORKS:
        passes = installed()
        times = times_s(work, passes, repeats)
        memory = {name: added_memory_bytes(work, name) for name in passes}
        for name in passes:
            factor = statistics.median(a / b for a, b in zip(times[name], times["plain"], strict=True))
            used, base = memory[name], memory["plain"]
            megabytes, share = ("n/a", "n/a") if not (used and base) else (f"{used / 1e6:.0f}", f"{used / base:.2f}")
            size = f"{work.title}, {work.batches} x {work.batch_size} samples"
            seconds = statistics.median(times[name])
            lines.append(f"| {size} | {name} | {seconds:.3f} | {factor:.3f} | {megabytes} | {share} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7, help="turns that are timed (at least 5 to mean something)")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the peers' own
    print("\n".join(table(parser.parse_args().repeats)))


if __name__ == "__main__":
    main()
