"""Accuracy, counted or not."""

import pytest
import torch
from torch import nn

from bench.errors import DataError, RunFailedError
from bench.measure.counting.count import count_operations
from bench.measure.counting.counter import Counter
from bench.measure.evaluate import evaluate


class Pass(nn.Module):
    """Logits are the input."""

    def forward(self, x):
        return x * 1.0


# [T=3, N=2, classes=2]: sample 0 is right from the second step on, sample 1 only at the first
LOGITS = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 3.0], [3.0, 0.0]], [[0.0, 0.0], [0.0, 0.5]]])
LABELS = torch.tensor([1, 1])


def test_prediction_is_the_mean_of_the_logits_so_far():
    result = evaluate(Pass(), [(LOGITS, LABELS), (LOGITS[:, :1], LABELS[:1])])
    assert result.samples == 3
    assert result.accuracy_by_timestep == [1 / 3, 2 / 3, 2 / 3]
    assert result.accuracy_fraction == 2 / 3
    assert result.correct.tolist() == [True, False, True]
    assert result.mean_loss is None


def test_the_loss_is_a_mean_over_samples_not_batches():
    result = evaluate(
        Pass(),
        [(LOGITS, LABELS), (LOGITS[:, :1] + 1, LABELS[:1])],
        loss=lambda logits, labels: logits.mean(),
    )
    assert result.mean_loss == pytest.approx((2 * LOGITS.mean() + (LOGITS[:, :1] + 1).mean()) / 3)


def test_training_flags_come_back_and_autocast_is_off():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.Linear(2, 2)))
    model[1].eval()
    seen = []
    model[0].register_forward_hook(lambda module, args, output: seen.append((module.training, output.dtype)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        evaluate(model, [(LOGITS, LABELS)])
    assert seen == [(False, torch.float32)]
    assert [module.training for module in model.modules()] == [True, True, False, False, False]


def test_outputs_that_are_not_finite_and_empty_data_are_errors():
    with pytest.raises(RunFailedError, match="not finite"):
        evaluate(Pass(), [(LOGITS * float("nan"), LABELS)])
    with pytest.raises(DataError, match="no samples"):
        evaluate(Pass(), [])


def test_accuracy_and_counts_come_from_the_same_passes():
    model = nn.Linear(2, 2)
    calls = []
    model.register_forward_hook(lambda module, args, output: calls.append(args[0].shape[1]))
    with Counter(model) as counter:
        result = evaluate(model, [(LOGITS, LABELS), (LOGITS, LABELS)])
    assert calls == [2, 2]
    assert counter.counts() == count_operations(model, [LOGITS, LOGITS], layout="TN", input_kind="values")
    assert result.samples == counter.counts().samples == 4


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_counting_stops_at_the_stated_number_of_samples(limit):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = torch.arange(24.0).reshape(3, 4, 2) % 5
    with Counter(model, samples=limit) as counter:
        result = evaluate(model, [(x[:, :2], LABELS), (x[:, 2:], LABELS)])
    first = min(limit, 4)
    assert result.samples == 4
    assert counter.counts() == count_operations(model, [x[:, :first]], layout="TN", input_kind="values")
