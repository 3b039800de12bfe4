"""The one training loop, for ANN and SNN alike: epochs of batches, checkpointed so that it can stop anywhere."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bench.errors import RunFailedError
from bench.suite.recipe import TrainSpec
from bench.train.keeper import Keeper
from bench.train.machine.graphed import Graphed, make_capturable
from bench.train.pace import Pace, Progress, Sums
from bench.train.resume import Resumable
from bench.train.schedule import schedule_factor
from bench.train.step import build_optimizer, train_step

CHECK_EVERY_STEPS = 50  # between looks at the loss on a GPU

SAVE_EVERY_S = 300.0  # within an epoch; every epoch's end is saved anyway

SAVE_BEFORE_TEST_S = 5.0  # since the last save; a test on a CPU can take longer than whoever asks to stop will wait


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint is written and it can go on later."""


class Batches(Protocol):
    """Where training batches come from; starting at a step gives the same batches as going there."""

    steps: int

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield sample indices [N], images [N, C, H, W] and labels ([N] or soft [N, classes])."""
        ...


@dataclass
class History:
    """What training has produced so far; part of the checkpoint."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # record.EpochRow as JSON
    order: str = ""  # chained digest of the sample indices as they were fed
    code: str = ""  # digest of the code that training began with
    paths: list[str] = field(default_factory=list)  # of execution; several where a resumption changed it
    train_s: float = 0.0
    images: int = 0


def fit(
    model: nn.Module,
    encode: Callable[[Tensor, int, int], Tensor],
    data: Batches,
    spec: TrainSpec,
    *,
    device: torch.device,
    code: str,
    keeper: Keeper,
    path: str = "plain",
    test: Callable[[], dict[str, float | None]],
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> History:
    """Train `model` in place, going on from what `keeper` has, and return its history.

    `encode(images [N, C, H, W], epoch, step)` gives the sequence `[T, N, C, H, W]`; `test()` the accuracies of an epoch
    row. `path` is kept in the history; "graphed" (CUDA alone) replays steps as a CUDA graph, the others are the model's
    affair. Raises RunFailedError when the loss is not finite and Interrupted, after saving, when `stop()` says so.
    """
    optimizer = build_optimizer(model, spec.optimizer, device)
    factor = schedule_factor(spec.schedule, spec.epochs, data.steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    scaler = torch.amp.GradScaler(device.type, enabled=spec.precision == "fp16")
    history, sums = History(code=code), Sums(device)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler}
    state = Resumable(parts, history, sums.total, device)
    start_epoch, start_step = state.load(keeper)
    if history.paths[-1:] != [path]:
        history.paths.append(path)

    def save(epoch: int, step: int, seconds: float) -> None:
        state.save(keeper, epoch, step, seconds)

    def update(sequence: Tensor, labels: Tensor) -> Tensor:
        return train_step(model, sequence, labels, optimizer, scaler, spec, device)

    if path == "graphed":
        make_capturable(optimizer, device)
    take = Graphed(update) if path == "graphed" else update
    saved = began = time.monotonic()
    pace = Pace()
    for epoch in range(start_epoch, spec.epochs):
        model.train()
        if start_step == 0:
            sums.total.zero_()
        step = start_step
        for indices, images, labels in data.batches(epoch, start_step):
            history.order = hashlib.sha256(history.order.encode() + indices.cpu().numpy().tobytes()).hexdigest()[:16]
            sums.total += take(encode(images, epoch, step), labels)
            schedule.step()
            step += 1
            history.images += len(images)
            now = time.monotonic()
            pace.note(len(images), now)
            if step % CHECK_EVERY_STEPS == 0 or step == data.steps or device.type == "cpu":
                loss, accuracy = sums.means(wait=step in (CHECK_EVERY_STEPS, data.steps))
                if not math.isfinite(loss):
                    raise RunFailedError(
                        f"the loss is {loss} in epoch {epoch + 1}, step {step}; "
                        "lower the learning rate, or set train.gradient_clip_norm"
                    )
                if pace.images_per_s:
                    left = ((spec.epochs - epoch) * data.steps - step) * spec.batch_size / pace.images_per_s
                    watch(Progress(epoch + 1, spec.epochs, step, data.steps, loss, accuracy, pace.images_per_s, left))
            if stop() or now - saved > SAVE_EVERY_S:
                save(epoch, step, now - began)
                began = saved = now
                if stop():
                    raise Interrupted
        start_step = 0
        now = time.monotonic()
        pace.note(0, now)  # a GPU may have been behind
        if now - saved > SAVE_BEFORE_TEST_S:
            save(epoch, data.steps, now - began)
            began = now
        loss, accuracy = sums.means()
        rate = spec.optimizer.learning_rate * factor((epoch + 1) * data.steps - 1)
        row = {"epoch": epoch + 1, "learning_rate": rate, "train_loss": loss, "train_accuracy_fraction": accuracy}
        now = time.monotonic()
        history.train_s += now - began
        history.rows.append(row | test())
        began = saved = time.monotonic()
        pace.skip(began)
        save(epoch + 1, 0, 0.0)
        if epoch + 1 < spec.epochs and stop():
            raise Interrupted
    return history
