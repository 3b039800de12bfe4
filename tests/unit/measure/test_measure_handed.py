"""What is handed to a network: a copy for every run, mappings by keyword, or a message that says what to give."""

import collections
import dataclasses

import pytest
import torch
from support.measured import Model
from torch import nn

from bench.errors import BenchError, DataError
from bench.measure.counting.count import count_operations
from bench.sequences import repeat

X = torch.tensor([[0.2, 0.7, 0.9, 0.4], [0.6, 0.8, 0.1, 0.9]])  # five above a half


def binarised(m, x):
    x.mul_(x > 0.5)
    return m.fc(x)


@pytest.mark.parametrize("layer", [lambda: nn.Linear(4, 3), lambda: nn.LazyLinear(3)])
@pytest.mark.parametrize(
    ("batch", "forward"),
    [
        (X, None),
        ((X, torch.zeros(2)), None),
        ({"x": X}, None),
        (X, lambda m, x: m(x)),
        (X, lambda m, x: binarised(m, x)),
        ([X, X], lambda m, pair: m(pair[0])),
    ],
)
def test_a_network_that_changes_its_input_changes_a_copy(layer, batch, forward):
    before = X.clone()
    counts = count_operations(Model(binarised, fc=layer()), [batch, batch], layout="N", forward=forward)
    assert torch.equal(X, before)
    assert counts.layers[0].effective_synops_total == 2 * 5 * 3 and counts.samples == 4
    assert not counts.warnings


def test_what_a_copy_counts_does_not_depend_on_what_is_subtracted_in_place():
    def shifted(m, x):
        return m.fc(x.sub_(0.5))

    x = torch.full((2, 4), 0.5)
    once = count_operations(Model(shifted, fc=nn.Linear(4, 3)), [x])
    assert once.layers[0].effective_synops_total == 0 and not once.warnings


def test_an_input_that_shows_one_frame_at_all_timesteps_still_does():
    seen = []
    frame = torch.rand(3, 4)

    def look(m, x):
        seen.append((x.stride(0), x._is_view()))
        return m.fc(x)

    for x in (frame.expand(5, 3, 4), repeat(frame, 5)):
        count_operations(Model(look, fc=nn.Linear(4, 3)), [x], layout="TN")
        assert seen.pop()[0] == 0
    columns = torch.rand(3, 4, 2).transpose(1, 2)
    count_operations(Model(look, fc=nn.Linear(4, 3)), [columns], layout="TN")
    assert seen.pop()[0] == columns.stride(0)


def test_a_tensor_that_is_there_twice_is_one_tensor_in_the_copy():
    same = []

    def look(m, pair):
        if type(pair[0]) is torch.Tensor:  # and not one without data
            same.append(pair[0] is pair[1])
        return m(pair[0])

    count_operations(nn.Linear(4, 3), [(X, X)], layout="N", forward=look)
    assert len(same) > 1 and all(same)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_an_output_that_is_no_number_is_the_same_again(dtype):
    def undefined(m, x):
        return torch.cat([m.fc(x), x.new_full((2, 1), torch.nan), x.new_full((2, 1), torch.inf)], 1).to(dtype)

    assert not count_operations(Model(undefined, fc=nn.Linear(4, 3)), [X]).warnings


def test_an_output_that_is_another_number_beside_one_that_is_none_is_told():
    numbers = iter(range(100))

    def drawn(m, x):
        return torch.stack([m.fc(x).sum() + next(numbers), x.new_tensor(torch.nan)])

    [warning] = count_operations(Model(drawn, fc=nn.Linear(4, 3)), [X], layout="N").warnings
    assert "gives another output" in warning


class Encoding(collections.UserDict):
    """A mapping of somebody's own, with a word of its own."""

    @property
    def ids(self):
        return self["x"]


class Frozen(collections.abc.Mapping):
    def __init__(self, **items):
        self.items_of_it = items

    def __getitem__(self, key):
        return self.items_of_it[key]

    def __iter__(self):
        return iter(self.items_of_it)

    def __len__(self):
        return len(self.items_of_it)


@pytest.mark.parametrize(
    ("batch", "forward"),
    [
        (collections.UserDict(x=X), None),
        (Encoding(x=X), None),
        (Frozen(x=X), None),
        (collections.OrderedDict(x=X), None),
        (Encoding(x=X), lambda m, batch: m(batch.ids)),
        (Encoding(x=X), lambda m, batch: m.fc(batch.ids)),
    ],
)
@pytest.mark.parametrize("layout", ["N", None])
def test_every_mapping_is_handed_over_by_keyword(batch, forward, layout):
    model = Model(lambda m, x: m.fc(x), fc=nn.Linear(4, 3))
    counts = count_operations(model, [batch] * 2, layout=layout, forward=forward)
    assert (counts.samples, counts.layers[0].dense_macs_total) == (4, 4 * 12) and not counts.warnings
    assert batch["x"] is X


@dataclasses.dataclass
class Graph:
    x: torch.Tensor
    edges: torch.Tensor | None = None


def test_a_batch_of_another_kind_is_told_what_to_do():
    with pytest.raises(DataError, match=r"not Graph; of anything else give the tensors.*let forward=.* make a Graph"):
        count_operations(nn.Linear(4, 3), [Graph(X)])
    model = Model(lambda m, graph: m.fc(graph.x), fc=nn.Linear(4, 3))
    counts = count_operations(model, [(X, None)], layout="N", forward=lambda m, batch: m(Graph(*batch)))
    assert counts.samples == 2 and counts.dense_macs_per_sample == 12


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x, y):
        return self.fc(x) + self.fc(y)


@pytest.mark.parametrize("batch", [(X, X), X, {"x": X}, {"x": X, "z": X}])
@pytest.mark.parametrize("layout", ["N", None])
def test_a_network_of_two_inputs_is_told_how_to_be_given_both(batch, layout):
    with pytest.raises(BenchError, match=r"Two.forward: .*'[yz]'.* of a tuple or list the first item .* say forward="):
        count_operations(Two(), [batch], layout=layout)
    counts = count_operations(Two(), [{"x": X, "y": X}], layout=layout)
    assert counts.dense_macs_per_sample == 24


def test_a_type_error_within_a_network_is_its_own():
    with pytest.raises(TypeError, match="unsupported operand"):
        count_operations(Model(lambda m, x: m.fc(x) + "1", fc=nn.Linear(4, 3)), [X], layout="N")


@pytest.mark.parametrize("layout", ["N", None])
def test_a_batch_without_samples_is_passed_over(layout):
    counts = count_operations(nn.Linear(4, 3), [X[:0], X, X[:0]], layout=layout)
    assert (counts.samples, counts.layers[0].dense_macs_total) == (2, 24)
    with pytest.raises(BenchError, match="no batch was counted: give at least one"):
        count_operations(nn.Linear(4, 3), [X[:0], {"x": X[:0]}], layout=layout)


def test_a_sequence_without_samples_is_passed_over():
    x = torch.rand(5, 2, 4)
    assert count_operations(nn.Linear(4, 3), [x[:, :0], x], layout="TN").samples == 2
    assert count_operations(nn.Linear(4, 3), [x[:, :0].transpose(0, 1), x.transpose(0, 1)], layout="NT").samples == 2


@pytest.mark.parametrize(
    ("forward", "macs"),
    [
        (lambda m, x: m[0](x), 12),  # the network itself is never called
        (lambda m, x: nn.functional.linear(x, m[0].weight), 12),
        (lambda m, x: m(x), 12 + 6),
        (lambda m, x: m(x) + m(x), 2 * (12 + 6)),
    ],
)
def test_a_function_may_call_the_network_as_often_as_it_likes(forward, macs):
    counts = count_operations(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), [X], layout="N", forward=forward)
    assert (counts.samples, counts.dense_macs_per_sample) == (2, macs) and not counts.warnings
