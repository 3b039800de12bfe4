"""One pass over data: accuracy after each timestep and, on the same forward passes, every operation counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import DataError, RunFailedError
from bench.measure.mode import device_of, measuring


@dataclass(frozen=True)
class Evaluation:
    """How well a network did. `accuracy_by_timestep[k]`: prediction from the mean of the logits of timesteps 0..k."""

    samples: int
    accuracy_fraction: float
    accuracy_by_timestep: list[float]
    correct_by_timestep: NDArray[np.bool_]  # [T, samples], in the order of the data
    mean_loss: float | None

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each sample was classified correctly after the last timestep, [samples]."""
        return self.correct_by_timestep[-1]


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
    finite, losses, samples = [], [], 0  # of each batch; on a GPU nothing waits for it until the end
    with measuring(model):
        for batch, batch_labels in batches:
            device = device_of(model, batch)
            x, labels = batch.to(device), batch_labels.to(device)
            logits = model(x)
            finite.append(logits.isfinite().all())
            rows.append(logits.cumsum(0).argmax(-1) == labels)
            samples += x.shape[1]
            if loss is not None:
                losses.append(loss(logits, labels).double() * x.shape[1])
    if not samples:
        raise DataError("there is nothing to evaluate on: the data has no samples")
    if not bool(torch.stack(finite).all()):
        raise RunFailedError("the network's outputs are not finite")
    correct = torch.cat(rows, dim=1).cpu()
    by_timestep = [int(row.sum()) / samples for row in correct]
    mean_loss = sum(torch.stack(losses).tolist()) / samples if losses else None
    return Evaluation(samples, by_timestep[-1], by_timestep, correct.numpy(), mean_loss)
