"""Synaptic operations against a loop over every (input, weight) pair, and against known values."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.measure.counting.count import count_operations
from bench.measure.counting.geometry import dense_macs, fan_out_map, geometry_of

CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}
NUMPY_PAD = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge"}


def pairs_of_convolution(layer, x, out_shape):
    """(effective, dense, dense valid) of one sample x [C, *spatial], pair by pair."""
    rank = x.ndim - 1
    before_after = layer._reversed_padding_repeated_twice
    pads = [(before_after[2 * i], before_after[2 * i + 1]) for i in reversed(range(rank))]
    index = np.arange(x[0].size).reshape(x.shape[1:])
    fill = {"constant_values": -1} if layer.padding_mode == "zeros" else {}
    padded = np.pad(index, pads, mode=NUMPY_PAD[layer.padding_mode], **fill)
    nonzero = (x != 0).reshape(x.shape[0], -1)
    outputs_per_input = layer.out_channels // layer.groups
    effective = dense = valid = 0
    for position in itertools.product(*map(range, out_shape[1:])):
        for tap in itertools.product(*map(range, layer.kernel_size)):
            at = tuple(o * s + k * d for o, s, k, d in zip(position, layer.stride, tap, layer.dilation, strict=True))
            source = padded[at]
            dense += x.shape[0] * outputs_per_input
            if source >= 0:
                valid += x.shape[0] * outputs_per_input
                effective += int(nonzero[:, source].sum()) * outputs_per_input
    return effective, dense, valid


def pairs_of_transposed(layer, x, out_shape):
    outputs_per_input = layer.out_channels // layer.groups
    effective = dense = valid = 0
    for source in itertools.product(*map(range, x.shape)):
        for tap in itertools.product(*map(range, layer.kernel_size)):
            at = [
                i * s - p + k * d
                for i, s, p, k, d in zip(source[1:], layer.stride, layer.padding, tap, layer.dilation, strict=True)
            ]
            reached = all(0 <= a < extent for a, extent in zip(at, out_shape[1:], strict=True))
            dense += outputs_per_input
            valid += outputs_per_input * reached
            effective += outputs_per_input * reached * (x[source] != 0)
    return effective, dense, valid


def only_layer(model, *inputs, layout="N"):
    (layer,) = count_operations(model, inputs, layout=layout, input_kind="values").layers
    return layer


@st.composite
def convolutions(draw):
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    transposed = rank < 3 and draw(st.booleans())
    groups = draw(st.sampled_from([1, 2]))
    numbers = st.lists(st.integers(1, 3), min_size=rank, max_size=rank)
    kernel, stride, dilation = draw(numbers), draw(numbers), draw(numbers)
    channels = (groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)))
    if transposed:
        padding = [draw(st.integers(0, (k - 1) * d)) for k, d in zip(kernel, dilation, strict=True)]
        extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
        layer = TRANSPOSED[rank](*channels, kernel, stride, padding, extra, groups, True, dilation)
    else:
        mode = draw(st.sampled_from(["zeros", "zeros", "circular", "reflect", "replicate"]))
        padding = draw(st.lists(st.integers(0, 2), min_size=rank, max_size=rank))
        if draw(st.booleans()):
            stride, padding = [1] * rank, "same"
        layer = CONVOLUTION[rank](*channels, kernel, stride, padding, dilation, groups, True, mode)
    extents = [draw(st.integers(5 if rank < 3 else 4, 6 if rank < 3 else 5)) for _ in range(rank)]
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    # big enough for the kernel without padding, and for reflecting
    extents = [max(e, s) for e, s in zip(extents, spans, strict=True)]
    seed = draw(st.integers(0, 2**16))
    x = (torch.rand(2, channels[0], *extents, generator=torch.Generator().manual_seed(seed)) < 0.4).float()
    return layer, x


# torch itself warns that padding="same" with an even kernel copies its input
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(max_examples=150, deadline=None)
@given(convolutions())
def test_synops_equal_a_loop_over_every_pair(case):
    layer, x = case
    count = only_layer(layer, x)
    loop = pairs_of_transposed if "transpose" in count.kind else pairs_of_convolution
    expected = np.sum([loop(layer, sample.numpy(), count.output_shape) for sample in x], axis=0)
    found = (count.effective_synops_total, count.dense_macs_total, count.dense_macs_valid_total)
    assert found == tuple(expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**16))
def test_linear_synops_are_spikes_times_outputs(n, inputs, outputs, seed):
    x = (torch.rand(n, inputs, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
    count = only_layer(nn.Linear(inputs, outputs), x)
    assert count.effective_synops_total == int(x.sum()) * outputs
    assert count.dense_macs_total == count.dense_macs_valid_total == n * inputs * outputs


@pytest.mark.parametrize(("stride", "dense", "valid"), [(1, 294_912, 247_808), (2, 73_728, 61_952)])
def test_known_values_of_a_3x3_convolution(stride, dense, valid):
    count = only_layer(nn.Conv2d(16, 32, 3, stride, 1), torch.ones(3, 16, 8, 8))
    assert (count.dense_macs_per_sample, count.dense_macs_valid_per_sample) == (dense, valid)
    assert count.effective_synops_per_sample == valid


def test_depthwise_dense_macs():
    count = only_layer(nn.Conv2d(16, 16, 3, 1, 1, groups=16), torch.ones(4, 16, 8, 8))
    assert (count.dense_macs_total, count.dense_macs_valid_total) == (36_864, 30_976)


def test_strided_1x1_convolution_meets_a_quarter_of_its_inputs():
    map_ = fan_out_map(geometry_of(nn.Conv2d(4, 1, 1, stride=2)), (4, 8, 8), (1, 4, 4))
    assert map_.double().mean() == 0.25


def test_fan_out_is_made_of_integers_and_needs_no_grad_mode():
    with torch.inference_mode():
        map_ = fan_out_map(geometry_of(nn.Conv2d(1, 5, 3, padding=1)), (1, 3, 3), (5, 3, 3))
    assert map_.tolist() == [[20, 30, 20], [30, 45, 30], [20, 30, 20]]


def test_transposed_dense_macs_count_every_input_and_tap():
    layer = nn.ConvTranspose2d(3, 4, 2, stride=2)
    assert dense_macs(geometry_of(layer), (3, 5, 5), (4, 10, 10)) == 3 * 4 * 4 * 25


def test_a_requested_output_size_is_respected():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(1, 1, 3, stride=2, padding=1)

        def forward(self, x):
            return self.up(x, output_size=[6])

    # inputs at 0, 1, 2 put taps at -1..1, 1..3, 3..5 of 6 outputs
    assert only_layer(Sized(), torch.ones(1, 1, 3)).effective_synops_total == 8


def test_totals_beyond_2_to_the_24_are_exact():
    layer = nn.Conv2d(1, 511, 3, padding=1, bias=False)
    side = 131
    x = torch.ones(3, 1, side, side)
    x[0, 0, 5, 5] = 0
    expected = 511 * (3 * (3 * side - 2) ** 2 - 9)
    assert int(np.float32(expected)) != expected
    assert only_layer(layer, x).effective_synops_total == expected


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layout_and_batching_do_not_change_counts(layout):
    layer = nn.Conv2d(8, 4, 3, stride=2, padding=1)
    x = (torch.rand(12, 8, 9, 9, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    whole = only_layer(layer, x)
    parts = only_layer(layer, *(part.contiguous(memory_format=layout) for part in x.split(5)))
    assert whole == parts


def test_low_precision_inputs_are_counted_exactly():
    x = (torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.5).bfloat16()
    layer = nn.Conv2d(4, 4, 3, padding=1)
    low = only_layer(layer.bfloat16(), x)
    assert low == only_layer(layer.float(), x.float())


def test_tokens_of_a_linear_layer_are_part_of_its_input_shape():
    count = only_layer(nn.Linear(4, 3), torch.ones(5, 2, 7, 4), layout="TN")
    assert (count.timesteps, count.samples, count.input_shape) == (5, 2, (7, 4))
    assert count.dense_macs_per_sample == 5 * 7 * 4 * 3
    assert count.input_density_fraction == 1.0


def test_a_layer_without_a_spike_is_silent():
    count = only_layer(nn.Linear(4, 3), torch.zeros(2, 4))
    assert count.silent and count.input_kind == "binary" and count.effective_synops_total == 0
