"""The field's own counters on this project's networks: NeuroBench's and SpikingJelly's answer to one forward pass.

Both are optional (extra `crosscheck`); a test that asks for one that is not installed is skipped and says so.
"""

import contextlib
import io
import warnings
from dataclasses import dataclass
from importlib import metadata

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, TensorDataset

from bench.measure.counting.geometry import SYNAPTIC
from bench.neurons.base import Neuron
from support.conforming import by_sanafe
from support.conforming import by_spikingjelly as estimators

VERSIONS = {"neurobench": "2.3.0", "spikingjelly": estimators.VERSION, "sanafe": by_sanafe.VERSION}
EXTRAS = {"sanafe": "crosscheck-gpl"}


@contextlib.contextmanager
def peer(module):
    """Import from a peer in this block, or skip the test that asks for it; rules are stated for one version each."""
    try:
        found = metadata.version(module)
    except metadata.PackageNotFoundError:
        found = "none"
    if found != VERSIONS[module]:
        extra = EXTRAS.get(module, "crosscheck")
        pytest.skip(f"{module} {VERSIONS[module]} is needed (extra '{extra}'); installed: {found}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a peer warns about at import is its own affair
        yield


@dataclass(frozen=True)
class NeuroBench:
    """Synaptic operations per sample by NeuroBench, summed over timesteps."""

    effective_acs: float
    effective_macs: float
    dense: float


def by_neurobench(model, x, time_axis=0):
    """Run NeuroBench's own benchmark on one batch x [T, N, ...], or [N, ...] where time_axis is None."""
    with peer("neurobench"):
        from neurobench.benchmarks import Benchmark
        from neurobench.metrics.workload import SynapticOperations
        from neurobench.models import TorchModel

    def to_sequence(data):
        return data[0].movedim(1, 0).contiguous(), data[1]

    # Its data loaders put samples first.
    samples_first = x if time_axis is None else x.movedim(0, 1)
    labelled = TensorDataset(samples_first, torch.zeros(len(samples_first)))
    benchmark = Benchmark(
        TorchModel(model),
        DataLoader(labelled, batch_size=len(labelled)),
        [] if time_axis is None else [to_sequence],
        [],
        [[], [SynapticOperations]],
    )
    said = io.StringIO()
    with torch.no_grad(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        found = benchmark.run()
    # It prints an error and goes on with 0.
    assert "Error" not in said.getvalue(), said.getvalue()
    synops = found["SynapticOperations"]
    return NeuroBench(synops["Effective_ACs"], synops["Effective_MACs"], synops["Dense"])


@dataclass(frozen=True)
class SpikingJelly:
    """Operations of one forward pass by SpikingJelly, per synaptic layer, summed over samples and timesteps."""

    synops: dict[str, int]
    macs: dict[str, int]


def by_spikingjelly(model, x):
    """Run SpikingJelly's SynOpCounter and MACCounter on one batch x, the synaptic layers alone."""
    with peer("spikingjelly"):
        from spikingjelly.activation_based.op_counter import DispatchCounterMode, MACCounter, SynOpCounter

    synops, macs = SynOpCounter(), MACCounter(extra_ignore_modules=[_BatchNorm, Neuron])
    model.eval()
    with torch.no_grad(), DispatchCounterMode([synops, macs]):
        model(x)
    layers = {name: f"{type(model).__name__}.{name}" for name, m in model.named_modules() if isinstance(m, SYNAPTIC)}

    def per_layer(counter):
        records = counter.get_counts()
        found = {name: sum(records.get(scope, {}).values()) for name, scope in layers.items()}
        assert sum(found.values()) == counter.get_total()
        return found

    return SpikingJelly(per_layer(synops), per_layer(macs))


def per_sample(counts, total, kinds):
    """Sum `total(layer)` over the layers whose input is of one of `kinds`, then divide by the samples."""
    return sum(total(layer) for layer in counts.layers if layer.input_kind in kinds.split()) / counts.samples
