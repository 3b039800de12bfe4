"""One synaptic layer and one kind of input at a time: where the counts of the peers agree, and each peer's own rule."""

import pytest
import torch
from support.crosscheck_peers import NeuroBench, by_neurobench, by_spikingjelly
from torch import nn

from bench.measure.counting.count import count_operations

LAYERS = {
    "1x1 stride 2": (lambda: nn.Conv2d(8, 6, 1, stride=2), (8, 9, 7)),
    "3x3": (lambda: nn.Conv2d(8, 6, 3, padding=1, bias=False), (8, 9, 7)),
    "3x3 stride 2 depthwise": (lambda: nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=8), (8, 9, 7)),
    "5x3 dilated, unequal": (
        lambda: nn.Conv2d(8, 6, (5, 3), stride=(1, 2), padding=(3, 0), dilation=(2, 1)),
        (8, 9, 7),
    ),
    "same": (lambda: nn.Conv2d(8, 6, (5, 3), padding="same"), (8, 9, 7)),
    "1-d": (lambda: nn.Conv1d(4, 6, 5, stride=3, padding=2), (4, 17)),
    "3-d": (lambda: nn.Conv3d(2, 4, 3, stride=(1, 2, 1), padding=1), (2, 5, 6, 4)),
    "linear": (lambda: nn.Linear(50, 11), (50,)),
}
SAMPLES = 5


def draw(kind, shape):
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(SAMPLES, *shape, generator=generator)
    on = (torch.rand(SAMPLES, *shape, generator=generator) < 0.3).float()
    values = {
        "binary": torch.ones_like(x),
        "ternary": torch.where(x < 0.5, -1.0, 1.0),
        "graded": (x * 4).ceil() / 4,
        "analog": x + 0.01,
    }
    return on * values[kind]


def count(layer, x):
    (found,) = count_operations(nn.Sequential(layer), [x], layout="N", input_kind="values").layers
    return found


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", ["binary", "ternary", "graded", "analog"])
def test_neurobench(name, kind):
    """NeuroBench: non-zero inputs that meet weights, padding skipped; ACs where all are in {-1, 0, 1}, else MACs."""
    make, shape = LAYERS[name]
    layer, x = make(), draw(kind, shape)
    found = count(layer, x)
    assert found.input_kind == kind
    synops, dense = found.effective_synops_per_sample, found.dense_macs_valid_per_sample
    acs = synops if kind in ("binary", "ternary") else 0
    assert by_neurobench(nn.Sequential(layer), x, None) == NeuroBench(acs, synops - acs, dense)
    assert 0 < synops < dense


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", ["binary", "ternary", "graded", "analog"])
def test_spikingjelly(name, kind):
    """SpikingJelly: synops where all inputs are in {0, 1}; else, for ternary spikes too, dense MACs with padding."""
    make, shape = LAYERS[name]
    layer, x = make(), draw(kind, shape)
    found, theirs = count(layer, x), by_spikingjelly(nn.Sequential(layer), x)
    assert theirs.synops == {"0": found.effective_synops_total if kind == "binary" else 0}
    assert theirs.macs == {"0": 0 if kind == "binary" else found.dense_macs_total}


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
def test_padding_that_repeats_inputs(mode):
    """Both peers count a padded position for what it holds, as here: a spike shown twice is touched twice."""
    layer, x = nn.Conv2d(8, 6, 3, padding=2, padding_mode=mode), draw("binary", (8, 9, 7))
    found = count(layer, x)
    assert by_neurobench(nn.Sequential(layer), x, None).effective_acs == found.effective_synops_per_sample
    assert by_spikingjelly(nn.Sequential(layer), x).synops == {"0": found.effective_synops_total}
    assert found.effective_synops_total > count(nn.Conv2d(8, 6, 3, padding=2), x).effective_synops_total


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"groups": 2, "dilation": 2}]
)
def test_transposed_convolution(options):
    """SpikingJelly counts it as here; NeuroBench does not look at it: 0."""
    layer, x = nn.ConvTranspose2d(8, 6, 3, **options), draw("binary", (8, 9, 7))
    found = count(layer, x)
    assert by_spikingjelly(nn.Sequential(layer), x).synops == {"0": found.effective_synops_total}
    assert by_neurobench(nn.Sequential(layer), x, None) == NeuroBench(0, 0, 0)
    assert found.effective_synops_total > 0


def test_zero_weights():
    """NeuroBench skips weights that are zero; this project and SpikingJelly count them: a dense kernel stores them."""
    layer, x = nn.Linear(50, 11), draw("binary", (50,))
    nn.init.zeros_(layer.weight[:4].data)
    found = count(layer, x)
    assert by_spikingjelly(nn.Sequential(layer), x).synops == {"0": found.effective_synops_total}
    theirs = by_neurobench(nn.Sequential(layer), x, None)
    assert theirs.effective_acs == found.effective_synops_per_sample * 7 / 11
    assert theirs.dense == found.dense_macs_valid_per_sample


def test_silence():
    """No spike at all: 0 for everybody, and only here the layer is flagged."""
    layer, x = nn.Conv2d(8, 6, 3), torch.zeros(SAMPLES, 8, 9, 7)
    found = count(layer, x)
    assert found.silent and found.effective_synops_total == 0
    assert by_neurobench(nn.Sequential(layer), x, None) == NeuroBench(0, 0, found.dense_macs_valid_per_sample)
    theirs = by_spikingjelly(nn.Sequential(layer), x)
    assert theirs.synops == theirs.macs == {"0": 0}
