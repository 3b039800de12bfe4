"""Which axes an input has where nothing is said: told by the first layer if it is handed the input, else asked for."""

import pytest
import torch
from support.measured import Model
from torch import nn

from bench.errors import BenchError
from bench.measure.counting.count import count_operations
from bench.models.build import build_model
from bench.models.layers import Linear

T = 7


def step_by_step(m, x):
    return sum(m.fc(step) for step in x)


def fc():
    return nn.Linear(6, 5)


UNBATCHED = {
    "a layer at every step": (Model(step_by_step, fc=fc()), (T, 6)),
    "a step as a batch of one": (Model(lambda m, x: sum(m.fc(x[t : t + 1]) for t in range(T)), fc=fc()), (T, 6)),
    "a convolution at every step": (
        Model(lambda m, x: [m.conv(step) for step in x], conv=nn.Conv2d(3, 4, 3)),
        (T, 3, 8, 8),
    ),
    "a GRU": (Model(lambda m, x: m.fc(m.gru(x)[0]), gru=nn.GRU(6, 6), fc=nn.Linear(6, 5)), (T, 6)),
    "a GRU on one sample": (
        Model(lambda m, x: m.fc(m.gru(x[:, None])[0][:, 0]), gru=nn.GRU(6, 6), fc=nn.Linear(6, 5)),
        (T, 6),
    ),
    "a GRU behind a layer": (Model(lambda m, x: m.gru(m.fc(x)), fc=fc(), gru=nn.GRU(5, 4)), (T, 6)),
    "a cell behind a layer": (Model(lambda m, x: m.cell(m.fc(x)[0]), fc=fc(), cell=nn.LSTMCell(5, 4)), (T, 6)),
    "a cell behind a layer, on batches of one": (
        Model(lambda m, x: [m.cell(y[None]) for y in m.fc(x)], fc=fc(), cell=nn.GRUCell(5, 4)),
        (T, 6),
    ),
    "a GRU behind a layer, on one sample": (
        Model(lambda m, x: m.gru(m.fc(x)[:, None]), fc=fc(), gru=nn.GRU(5, 4)),
        (T, 6),
    ),
    "attention behind a layer": (
        Model(lambda m, x: m.mha(*[m.fc(x)] * 3), fc=nn.Linear(6, 4), mha=nn.MultiheadAttention(4, 2)),
        (T, 6),
    ),
    "a transformer": (
        Model(lambda m, x: m.layer(m.fc(x)), fc=nn.Linear(6, 4), layer=nn.TransformerEncoderLayer(4, 2, 8)),
        (T, 6),
    ),
    "tokens, maybe steps first": (
        Model(lambda m, x: m.fc(m.gru(m.words(x))[0][-1]), words=nn.Embedding(9, 6), gru=nn.GRU(6, 6), fc=fc()),
        (T, 3),
    ),
    "time that the network makes": (
        Model(lambda m, x: m.fc(x.expand(4, *x.shape).flatten(2)), fc=Linear(6, 5)),
        (T, 3, 2),
    ),
    "another layer is called first": (Model(lambda m, x: m.later(x), fc=fc(), later=nn.Linear(6, 4)), (T, 6)),
}


@pytest.mark.parametrize("case", UNBATCHED)
def test_a_layer_that_is_not_handed_the_input_tells_nothing(case):
    model, shape = UNBATCHED[case]
    x = torch.zeros(shape, dtype=torch.long) if case.startswith("tokens") else torch.rand(shape)
    with pytest.raises(BenchError, match=r"which of its axes are timesteps and samples\? Say layout='TN'.*axis of one"):
        count_operations(model, [x])


def test_one_sample_with_its_axis_is_counted_as_said():
    counts = count_operations(UNBATCHED["a layer at every step"][0], [torch.rand(T, 1, 6) + 0.1], layout="TN")
    assert (counts.samples, counts.timesteps, counts.dense_macs_per_sample) == (1, T, T * 30)


def padded(m, x):
    return m.conv(nn.functional.pad(x, (1, 1, 1, 1)))


@pytest.mark.parametrize(
    ("model", "shape", "macs"),
    [
        (fc(), (T, 6), 30),
        (Model(lambda m, x: m.fc((x - 0.5) / 2), fc=fc()), (T, 6), 30),
        (nn.Conv2d(3, 4, 3), (T, 3, 4, 4), 4 * 4 * 27),
        (Model(lambda m, x: m.fc(x.repeat(3, 1)), fc=fc()), (T, 6), 3 * 30),  # time that the network makes
        (Model(padded, conv=nn.Conv2d(3, 4, 3)), (T, 3, 4, 4), 4 * 16 * 27),
        (Model(lambda m, x: m.fc(x) if x.sum() > 0 else x, fc=fc()), (T, 6), 30),  # it looks at the numbers
        (
            Model(lambda m, x: m.gru(m.fc(x)[:, None])[0], fc=fc(), gru=nn.GRU(5, 4, batch_first=True)),
            (T, 6),
            30 + 12 * 5 + 12 * 4,
        ),
        (Model(lambda m, x: m.gru(m.fc(x)[None])[0], fc=fc(), gru=nn.GRU(5, 4)), (T, 6), 30 + 12 * 5 + 12 * 4),
    ],
)
def test_a_layer_that_is_handed_the_input_tells_that_it_has_samples(model, shape, macs):
    counts = count_operations(model, [torch.rand(shape) + 0.1])
    assert (counts.samples, counts.timesteps, counts.dense_macs_per_sample) == (T, 1, macs)


@pytest.mark.parametrize("name", ["convnet", "mlp"])
def test_a_network_of_this_package_tells_that_it_takes_timesteps(name):
    model = build_model(name, neuron="lif", in_channels=2, classes=5, image_size=8, weight_seed=0)
    counts = count_operations(model, [torch.rand(4, 3, 2, 8, 8)])
    assert (counts.samples, counts.timesteps) == (3, 4)


def test_to_ask_draws_no_number_and_leaves_no_state_or_hook():
    class Noisy(nn.Module):
        def __init__(self, looks):
            super().__init__()
            self.fc, self.looks, self.passes = fc(), looks, []

        def forward(self, x):
            if self.looks and x.sum() < 0:
                return x
            return self.fc(torch.bernoulli(x))

    for looks in (False, True):
        found = []
        for layout in (None, "N"):
            torch.manual_seed(3)
            model = Noisy(looks)
            found.append(count_operations(model, [torch.full((T, 6), 0.5)], layout=layout))
            assert not model.fc._forward_pre_hooks
        assert found[0] == found[1] and found[0].warnings
