"""The one training loop, for ANN and SNN alike: epochs of batches, kept so that it can stop anywhere."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from bench.errors import RunFailedError
from bench.train.keeper import Saving
from bench.train.learner import Learner
from bench.train.pace import Pace, Progress, Sums
from bench.train.resume import Resumable
from bench.train.schedule import schedule_factor

CHECK_EVERY_STEPS = 50  # between looks at the loss on a GPU

Accuracies = dict[str, float | None]  # of an epoch, by their names in an epoch row


class Interrupted(Exception):
    """The run was asked to stop; its state is kept and it can go on later."""


class Batches(Protocol):
    """Where training batches come from; starting at a step gives the same batches as going there."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield sample indices [N], their sequences [T, N, C, H, W] and labels ([N] or soft [N, classes])."""
        ...


@dataclass
class History:
    """What training has produced so far; part of what is kept."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # record.EpochRow as JSON
    order: str = ""  # chained digest of the sample indices as they were fed
    origin: dict[str, Any] = field(default_factory=dict)  # of the training: code, versions and machine it began with
    paths: list[str] = field(default_factory=list)  # of execution; several where a resumption changed it
    train_s: float = 0.0
    images: int = 0

    def note(self, indices: Tensor) -> None:
        """Count the samples `indices` [N] of a batch, in their order."""
        self.order = hashlib.sha256(self.order.encode() + indices.cpu().numpy().tobytes()).hexdigest()[:16]
        self.images += len(indices)


def fit(
    learner: Learner,
    data: Batches,
    saving: Saving,
    *,
    origin: dict[str, Any],
    test: Callable[[], Accuracies],
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> History:
    """Train `learner` in place, going on from the newest state that is kept and fits, and return its history.

    origin: for the history of a training that begins now. Raises RunFailedError when the loss is not
    finite and Interrupted, after saving, when `stop()` says so.
    """
    training = _Training(learner, data, saving, origin, watch, stop)
    while training.epoch < learner.spec.epochs:
        training.train()
        training.end_epoch(test)
        if training.epoch < learner.spec.epochs and stop():
            raise Interrupted
    return training.history


class _Training:
    """Where a training is: before `step` of `epoch`, both counted from 0."""

    def __init__(
        self,
        learner: Learner,
        data: Batches,
        saving: Saving,
        origin: dict[str, Any],
        watch: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self.learner, self.data, self.saving, self.watch, self.stop = learner, data, saving, watch, stop
        self.spec = learner.spec
        self.factor = schedule_factor(self.spec.schedule, self.spec.epochs, data.steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(learner.optimizer, self.factor)
        self.history, self.sums = History(origin=origin), Sums(learner.device)
        parts = learner.parts | {"schedule": self.schedule}
        self.state = Resumable(parts, self.history, self.sums.total, learner.device)
        self.epoch, self.step = self.state.load(saving.keeper)
        if self.history.paths[-1:] != [learner.path]:
            self.history.paths.append(learner.path)
        self.saved_at = self.counted_to = time.monotonic()
        self.pace = Pace()

    def train(self) -> None:
        """Take the steps that are left of the epoch."""
        self.learner.model.train()
        if self.step == 0:
            self.sums.total.zero_()
        for indices, sequence, labels in self.data.batches(self.epoch, self.step):
            self.learner.advance((self.epoch + self.step / self.data.steps) / self.spec.epochs)
            self.sums.total += self.learner.update(sequence, labels)
            self.schedule.step()
            self.step += 1
            self.history.note(indices)
            now = time.monotonic()
            self.pace.note(len(indices), now)
            if self.step % CHECK_EVERY_STEPS == 0 or self._is_last_step or self.learner.device.type == "cpu":
                self._look()
            if self.stop() or now - self.saved_at > self.saving.every_s:
                self._save(now)
                if self.stop():
                    raise Interrupted

    def end_epoch(self, test: Callable[[], Accuracies]) -> None:
        """Test, add the epoch's row and go to the next epoch; kept before a long test, and after it."""
        self.learner.advance((self.epoch + 1) / self.spec.epochs)
        now = time.monotonic()
        self.pace.note(0, now)  # a GPU may have been behind
        if now - self.saved_at > self.saving.before_test_s:
            self._save(now)
        loss, accuracy = self.sums.means()
        rate = self.spec.optimizer.learning_rate * self.factor((self.epoch + 1) * self.data.steps - 1)
        row = {"epoch": self.epoch + 1, "learning_rate": rate, "train_loss": loss, "train_accuracy_fraction": accuracy}
        self._count(time.monotonic())
        self.history.rows.append(row | test())
        self.epoch, self.step = self.epoch + 1, 0
        self.counted_to = time.monotonic()  # a test is no training
        self.pace.skip(self.counted_to)
        self._save(self.counted_to)

    @property
    def _is_last_step(self) -> bool:
        return self.step == self.data.steps

    def _look(self) -> None:
        """Tell the loss so far. Raises RunFailedError where it is not finite."""
        loss, accuracy = self.sums.means(wait=self.step == CHECK_EVERY_STEPS or self._is_last_step)
        epochs, steps, pace = self.spec.epochs, self.data.steps, self.pace.images_per_s
        if not math.isfinite(loss):
            raise RunFailedError(
                f"the loss is {loss} in epoch {self.epoch + 1}, step {self.step}; "
                "lower the learning rate, or set train.gradient_clip_norm"
            )
        if pace:
            left = ((epochs - self.epoch) * steps - self.step) * self.spec.batch_size / pace
            self.watch(Progress(self.epoch + 1, epochs, self.step, steps, loss, accuracy, pace, left))

    def _save(self, now: float) -> None:
        self._count(now)
        self.state.save(self.saving.keeper, self.epoch, self.step)
        self.saved_at = now

    def _count(self, now: float) -> None:
        """Count the time since the last count as training."""
        self.history.train_s += now - self.counted_to
        self.counted_to = now
