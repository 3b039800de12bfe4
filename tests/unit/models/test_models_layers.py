"""Layers over sequences against torch's own, called once per timestep."""

import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench.models import layers
from bench.neurons import CLIF
from bench.sequences import repeat, repeated_frame


def sequence(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def channels_last(x):
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])


def step_by_step(layer, torch_class, x):
    return torch.stack([torch_class.forward(layer, frame) for frame in x])


LAYERS = [
    (layers.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d),
    (layers.MaxPool2d(2), nn.MaxPool2d),
    (layers.AvgPool2d(3), nn.AvgPool2d),
    (layers.AdaptiveAvgPool2d((7, 7)), nn.AdaptiveAvgPool2d),
    (layers.Flatten(), nn.Flatten),
    (layers.BatchNorm2d(3).eval(), nn.BatchNorm2d),
    (layers.BatchNorm2d(3, statistics="per-step").eval(), nn.BatchNorm2d),
]


@pytest.mark.parametrize(("layer", "torch_class"), LAYERS, ids=lambda value: type(value).__name__)
def test_folded_equals_step_by_step(layer, torch_class):
    layer = layer.double()
    x = sequence(4, 2, 3, 8, 6)
    assert isinstance(layer, torch_class)
    for given in (x, channels_last(x), x[:1].expand(4, -1, -1, -1, -1), channels_last(x)[:1].expand(4, -1, -1, -1, -1)):
        torch.testing.assert_close(layer(given), step_by_step(layer, torch_class, given), rtol=1e-12, atol=1e-12)


def test_linear():
    layer, x = layers.Linear(5, 3).double(), sequence(4, 2, 5)
    torch.testing.assert_close(layer(x), x @ layer.weight.T + layer.bias)


def test_channels_last_is_kept_without_a_copy():
    x = channels_last(sequence(4, 2, 3, 8, 6))
    assert layers.fold(x).data_ptr() == x.data_ptr()
    assert layers.fold(x).is_contiguous(memory_format=torch.channels_last)
    repeated = x[:1].expand(4, -1, -1, -1, -1)
    assert layers.fold(repeated).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(layers.fold(repeated), repeated.flatten(0, 1))


def test_a_repeated_frame_is_convolved_once(monkeypatch):
    batches = []
    convolve = nn.Conv2d._conv_forward
    monkeypatch.setattr(nn.Conv2d, "_conv_forward", lambda s, x, w, b: batches.append(len(x)) or convolve(s, x, w, b))
    layer, frame = layers.Conv2d(3, 4, 3).double(), sequence(2, 3, 8, 8)
    once = layer(repeat(frame, 6))
    every = layer(frame.repeat(6, 1, 1, 1, 1))
    assert batches == [2, 12] and once.stride(0) == 0
    torch.testing.assert_close(once, every)
    (gradient,) = torch.autograd.grad(once.square().sum(), layer.weight)
    (expected,) = torch.autograd.grad(every.square().sum(), layer.weight)
    torch.testing.assert_close(gradient, expected)


def test_one_timestep_is_not_a_repetition():
    frame = sequence(2, 3)
    assert repeated_frame(repeat(frame, 4)) is frame
    assert repeated_frame(repeat(frame, 1)) is None
    assert repeated_frame(frame.expand(4, 2, 3)) is None and repeated_frame(sequence(4, 2, 3)) is None


def test_another_view_of_a_repetition_has_a_gradient_at_each_timestep():
    frame = sequence(2, 3, 5, 5)
    view = repeat(frame, 4).view_as(repeat(frame, 4)).requires_grad_()
    CLIF().double()(view).backward(sequence(4, 2, 3, 5, 5, seed=1))
    assert (view.grad.flatten(1).abs().sum(1) > 0).all()
    leaf = repeat(frame, 4).requires_grad_()
    layers.Conv2d(3, 2, 3).double()(leaf).sum().backward()
    assert leaf.grad.shape == leaf.shape


@pytest.mark.parametrize("layout", [lambda x: x, channels_last])
def test_per_step_batch_norm_is_torchs_called_once_per_timestep(layout):
    ours, theirs = layers.BatchNorm2d(3, statistics="per-step").double(), nn.BatchNorm2d(3).double()
    x = layout(sequence(4, 5, 3, 6, 6) * 2 + 1)
    out = ours(x)
    assert torch.equal(out, torch.stack([theirs(frame) for frame in x])) and out.stride() == x.stride()
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), theirs.buffers(), strict=True))
    assert ours.num_batches_tracked.item() == 4


def test_folded_batch_norm_takes_statistics_over_time_and_samples():
    layer, x = layers.BatchNorm2d(3).double(), sequence(4, 5, 3, 6, 6) * 2 + 1
    out = layer(x)
    assert out.mean((0, 1, 3, 4)).abs().max().item() < 1e-12
    assert not torch.allclose(out.mean((1, 3, 4)), torch.zeros(4, 3, dtype=torch.float64), atol=1e-3)
    assert layer.num_batches_tracked.item() == 1
    torch.testing.assert_close(layer.running_mean, 0.1 * x.mean((0, 1, 3, 4)))


@pytest.mark.parametrize("statistics", ["folded", "per-step"])
def test_batch_norm_of_features_is_torchs(statistics):
    ours, theirs = layers.BatchNorm1d(6, statistics=statistics).double(), nn.BatchNorm1d(6).double()
    x = sequence(4, 5, 6) * 2 + 1
    expected = theirs(x.flatten(0, 1)).view_as(x) if statistics == "folded" else torch.stack([theirs(f) for f in x])
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x.flatten(0, 1)).view_as(x), rtol=1e-12, atol=1e-12)


def test_batch_norm_rejects_other_statistics():
    with pytest.raises(ValueError, match="folded, per-step"):
        layers.BatchNorm2d(3, statistics="per_step")


def test_dropout_keeps_its_mask_over_time_and_draws_nothing_at_zero():
    torch.manual_seed(0)
    out = layers.Dropout(0.25)(torch.ones(5, 8, 4, 6, 6))
    assert all(torch.equal(frame, out[0]) for frame in out)
    assert set(out.unique().tolist()) == {0.0, torch.tensor(4 / 3).item()}
    assert (out[0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert not torch.equal(out[0, 0], out[0, 1])
    before = torch.get_rng_state()
    x = torch.ones(2, 3)
    assert layers.Dropout(0.0)(x) is x and layers.Dropout(0.5).eval()(x) is x
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("statistics", ["folded", "per-step"])
@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last], ids=["contiguous", "channels_last"])
def test_batch_norm_of_a_repeated_frame_is_that_of_its_copies(statistics, layout):
    """Outputs, gradients and what the running averages become, over two updates."""
    once, copied = (layers.BatchNorm2d(3, statistics=statistics).double() for _ in range(2))
    for seed in (1, 2):
        frame = layout(sequence(1, 2, 3, 4, 5, seed=seed))[0].requires_grad_()
        copy = frame.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        cotangent = layout(sequence(4, 2, 3, 4, 5, seed=seed + 10))
        found, expected = once(repeat(frame, 4)), copied(torch.stack([copy] * 4))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        found.backward(cotangent)
        expected.backward(cotangent)
        torch.testing.assert_close(frame.grad, copy.grad, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(once.state_dict().values(), copied.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert repeated_frame(once(repeat(frame, 4))) is not None
    assert repeated_frame(once.eval()(repeat(frame, 4))) is not None


def test_batch_norm_without_running_averages_takes_a_repeated_frame_too():
    for options in ({"track_running_stats": False}, {"momentum": None}):
        layer = layers.BatchNorm2d(3, **options).double()
        x = sequence(2, 3, 4, 5)
        expected = layers.BatchNorm2d(3, **options).double()(torch.stack([x] * 4))
        torch.testing.assert_close(layer(repeat(x, 4)), expected, rtol=1e-12, atol=1e-12)


def test_the_stem_of_a_repeated_image_has_the_gradients_of_its_copies():
    """Convolution, norm and neuron: what is computed once has the gradient of what was used T times."""
    grads = []
    for given in (repeat, lambda image, timesteps: torch.stack([image] * timesteps)):
        torch.manual_seed(0)
        stem = nn.Sequential(layers.Conv2d(3, 4, 3, padding=1), layers.BatchNorm2d(4), CLIF()).double()
        image = sequence(2, 3, 6, 5).requires_grad_()
        stem(given(image, 4)).backward(sequence(4, 2, 4, 6, 5, seed=3))
        grads.append([image.grad, *(parameter.grad for parameter in stem.parameters())])
    for once, copied in zip(*grads, strict=True):
        torch.testing.assert_close(once, copied, rtol=1e-9, atol=1e-10)
        assert once.abs().max() > 0


@hypothesis.given(
    shape=st.tuples(*[st.integers(1, 20)] * 2),
    size=st.tuples(*[st.integers(1, 9)] * 2),
)
def test_averaging_to_a_size_is_adaptive_pooling(shape, size):
    x, cotangent = sequence(2, 3, *shape).requires_grad_(), sequence(2, 3, *size)
    expected, found = functional.adaptive_avg_pool2d(x, size), layers.average_to(x, *size)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(pooled, x, cotangent)[0] for pooled in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)
