"""What a batch may be, and what a model may return."""

import dataclasses
import warnings

import pytest
import torch
from support.measured import Model
from torch import nn

from bench import estimate_energy
from bench.measure.counting.count import count_operations

X, Y = torch.rand(2, 4) + 0.1, torch.rand(2, 5) + 0.1


def layers():
    return {"a": nn.Linear(4, 3), "b": nn.Linear(5, 3)}


class Named(nn.Module):
    """Two inputs by name, and a dict with nothing in one place."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, x, y):
        return {"logits": self.a(x) + self.b(y), "auxiliary": None}


@dataclasses.dataclass
class Output:
    logits: torch.Tensor
    loss: torch.Tensor | None = None


def pairs(model, batch, **options):
    counts = count_operations(model, [batch] * 2, layout="N", input_kind="analog", **options)
    assert counts.samples == 4 and not counts.not_counted and not counts.warnings
    return {layer.name: layer.effective_synops_total for layer in counts.layers}


def test_a_dict_is_handed_over_by_keyword():
    assert pairs(Named(), {"x": X, "y": Y}) == {"a": 4 * 12, "b": 4 * 15}


@pytest.mark.parametrize(
    ("batch", "forward"),
    [
        ((X, Y), lambda model, batch: model(*batch)),
        ({"first": X, "second": Y}, lambda model, batch: model(batch["first"], batch["second"])),
    ],
)
def test_whatever_else_a_model_takes_is_said(batch, forward):
    assert pairs(Named(), batch, forward=forward) == {"a": 4 * 12, "b": 4 * 15}


def test_a_model_that_takes_a_dict_as_it_is():
    model = Model(lambda m, batch: m.a(batch["x"]) + m.b(batch["y"]), **layers())
    assert pairs(model, {"x": X, "y": Y}, forward=lambda model, batch: model(batch)) == {"a": 4 * 12, "b": 4 * 15}


@pytest.mark.parametrize(
    "wrapped", [lambda y: Output(y), lambda y: None, lambda y: (y, y), lambda y: [y], lambda y: {"logits": y}]
)
def test_whatever_a_model_returns(wrapped):
    assert pairs(Model(lambda m, x: wrapped(m.a(x)), a=layers()["a"]), X) == {"a": 4 * 12}


def test_a_model_that_is_wrapped_for_several_devices():
    assert pairs(nn.DataParallel(layers()["a"]), X) == {"module": 4 * 12}


def test_packed_int8_weights_are_named_and_the_rest_is_a_lower_bound():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to move its quantisation elsewhere
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), {nn.Linear})
    counts = count_operations(model, [X], layout="N", input_kind="analog")
    assert counts.not_counted == counts.synapses_not_counted == ["0: quantized.linear_dynamic"]
    assert counts.dense_macs_missed_total == len(X) * 4 * 3 and counts.coverage_fraction == 0.0
    energy = estimate_energy(counts, "horowitz-fp32")
    assert energy.total_pj_per_sample is None and energy.at_least_pj_per_sample == pytest.approx(3 * 0.9)
    assert energy.left_out == ("0: quantized.linear_dynamic",)


class Centres(nn.Module):
    """Twenty points to be near to."""

    def __init__(self):
        super().__init__()
        self.points = nn.Parameter(torch.rand(20, 6))


def test_the_share_of_the_dense_macs_that_is_counted():
    def run(m, x):
        return torch.cdist(m.fc(x), m.centres.points)

    model = Model(run, fc=nn.Linear(4, 6), centres=Centres())
    counts = count_operations(model, [torch.rand(2, 4), torch.rand(3, 4)], layout="N")
    assert counts.synapses_not_counted == ["forward: aten._cdist_forward"]
    assert counts.dense_macs_missed_total == 5 * 20 * 6
    assert counts.coverage_fraction == 24 / (24 + 120)
    whole = count_operations(nn.Linear(4, 6), [torch.rand(2, 4)], layout="N")
    assert (whole.dense_macs_missed_total, whole.coverage_fraction) == (0, 1.0)
    waves = count_operations(Model(lambda m, x: torch.fft.fft(x).real), [torch.rand(2, 4)], layout="N")
    assert waves.synapses_not_counted and waves.coverage_fraction is None
