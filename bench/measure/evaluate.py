"""One pass over data: accuracy after each timestep and, on the same forward passes, every operation counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import DataError, RunFailedError
from bench.measure.counter import Counter
from bench.measure.tape import first_tensor
from bench.record import Counts, InputKind

__all__ = ["Counter", "Evaluation", "count_operations", "evaluate", "measuring"]


@dataclass(frozen=True)
class Evaluation:
    """How well a network did. `accuracy_by_timestep[k]`: prediction from the mean of the logits of timesteps 0..k."""

    samples: int
    accuracy_fraction: float
    accuracy_by_timestep: list[float]
    correct: NDArray[np.bool_]  # per sample, in the order of the data
    mean_loss: float | None


def count_operations(
    model: nn.Module,
    batches: Iterable[Any],
    time_axis: int | None = 0,
    input_kind: InputKind | None = None,
) -> Counts:
    """Count what `model` does on `batches`: synops, dense MACs, spikes, neuron updates and all other operations.

    batches: inputs, or tuples whose first item is the input, each [T, N, ...] (time on `time_axis`, samples next); with
    time_axis=None [N, ...], T is 1, and a layer that the model calls several times is counted as it is called.
    input_kind: what the network's own input is, "analog" for images, "graded" for event counts, which are then levels
    of 1 however high; None lets the values decide.
    Runs in eval mode without gradients or autocast; the model's training flags are restored and no hook stays.
    Work of unknown cost is listed in `Counts.not_counted`. Raises BenchError when a layer cannot be counted.
    """
    with measuring(model), Counter(model, time_axis=time_axis, input_kind=input_kind) as counter:
        for batch in batches:
            x = first_tensor(batch)
            if x is None:
                raise DataError(
                    f"a batch should be a tensor or a tuple that starts with one, not {type(batch).__name__}"
                )
            model(x.to(_device(model, x)))
    return counter.counts()


def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Evaluation:
    """Return the accuracy of `model` on batches of (x [T, N, ...], labels [N]), in eval mode and float32.

    Inside `with Counter(model)` the same passes are counted.  loss: of (logits [T, N, classes], labels), a mean over
    samples. Raises RunFailedError when the logits are not finite, DataError when there is no sample.
    """
    rows: list[Tensor] = []  # correct after each timestep, [T, N]
    total_loss, samples = 0.0, 0
    with measuring(model):
        for batch, batch_labels in batches:
            device = _device(model, batch)
            x, labels = batch.to(device), batch_labels.to(device)
            logits = model(x)
            if not bool(logits.isfinite().all()):
                raise RunFailedError("the network's outputs are not finite")
            rows.append((logits.cumsum(0).argmax(-1) == labels).cpu())
            samples += x.shape[1]
            if loss is not None:
                total_loss += float(loss(logits, labels)) * x.shape[1]
    if not samples:
        raise DataError("there is nothing to evaluate on: the data has no samples")
    correct = torch.cat(rows, dim=1)
    by_timestep = [int(row.sum()) / samples for row in correct]
    mean_loss = None if loss is None else total_loss / samples
    return Evaluation(samples, by_timestep[-1], by_timestep, correct[-1].numpy(), mean_loss)


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Eval mode, no gradients, no autocast; every module's training flag is as before afterwards."""
    flags = {module: module.training for module in model.modules()}
    example = next(model.parameters(), torch.empty(0))
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(example.device.type, enabled=False):
            yield
    finally:
        for module, training in flags.items():
            module.training = training


def _device(model: nn.Module, x: Tensor) -> torch.device:
    tensor = next(model.parameters(), next(model.buffers(), x))
    return tensor.device
