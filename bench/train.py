"""The one training loop, for ANN and SNN alike: epochs of batches, checkpointed so that it can stop anywhere."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.checkpoint import Resumable
from bench.errors import RunFailedError
from bench.graphed import Graphed, make_capturable
from bench.spec import LossSpec, OptimizerSpec, ScheduleSpec, TrainSpec

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
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


@dataclass(frozen=True)
class Progress:
    """How far a run is, for whoever watches."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy_fraction: float
    images_per_s: float
    seconds_left: float


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
    checkpoint: Path,
    path: str = "plain",
    test: Callable[[], dict[str, float | None]],
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
    before_save: Callable[[], None] = lambda: None,
) -> History:
    """Train `model` in place, going on from `checkpoint` when there is one, and return its history.

    `encode(images [N, C, H, W], epoch, step)` gives the sequence `[T, N, C, H, W]`; `test()` the accuracies of an epoch
    row. `path` is kept in the history; "graphed" (CUDA alone) replays steps as a CUDA graph, the others are the model's
    affair. A damaged checkpoint is set aside, and the one before it taken. `before_save()` may raise what keeps the
    checkpoint from being written. Raises RunFailedError when the loss is not finite and Interrupted, after saving, when
    `stop()` says so.
    """
    optimizer = build_optimizer(model, spec.optimizer, device)
    factor = schedule_factor(spec.schedule, spec.epochs, data.steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    scaler = torch.amp.GradScaler(device.type, enabled=spec.precision == "fp16")
    history, sums = History(code=code), Sums(device)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler}
    state = Resumable(parts, history, sums.total, device)
    start_epoch, start_step = state.load(checkpoint)
    if history.paths[-1:] != [path]:
        history.paths.append(path)

    def save(epoch: int, step: int, seconds: float) -> None:
        before_save()
        state.save(checkpoint, epoch, step, seconds)

    def update(sequence: Tensor, labels: Tensor) -> Tensor:
        return train_step(model, sequence, labels, optimizer, scaler, spec, device)

    if path == "graphed":
        make_capturable(optimizer, device)
    take = Graphed(update) if path == "graphed" else update
    saved = began = time.monotonic()
    pace = _Pace()
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


def train_step(
    model: nn.Module,
    sequence: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    spec: TrainSpec,
    device: torch.device,
) -> Tensor:
    """One update on `sequence` [T, N, C, H, W]; return [summed loss, correct, samples] as float64 on the device."""
    dtype = AUTOCAST.get(spec.precision)
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        logits = model(sequence)
    logits = logits.float()
    loss = compute_loss(logits, labels, spec.loss)
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    if spec.gradient_clip_norm is not None:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), spec.gradient_clip_norm)
    scaler.step(optimizer)
    scaler.update()
    with torch.no_grad():
        hard = labels if labels.ndim == 1 else labels.argmax(1)
        correct = (logits.mean(0).argmax(1) == hard).sum()
        samples = torch.full((), float(len(labels)), dtype=torch.float64, device=device)
        return torch.stack([loss.detach().double() * len(labels), correct.double(), samples])


def compute_loss(logits: Tensor, labels: Tensor, spec: LossSpec) -> Tensor:
    """Loss of `logits` [T, N, classes] against `labels` (class indices [N] or probabilities [N, classes]).

    `tet`: Deng et al. 2022, "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting".
    """
    if spec.name == "ce":
        return F.cross_entropy(logits.mean(0), labels, label_smoothing=spec.label_smoothing)
    timesteps, _, classes = logits.shape
    if spec.name == "mse":
        target = F.one_hot(labels, classes).to(logits.dtype) if labels.ndim == 1 else labels
        return F.mse_loss(logits, target.expand_as(logits))
    repeated = labels.repeat(timesteps, *[1] * (labels.ndim - 1))
    cross_entropy = F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=spec.label_smoothing)
    pull = F.mse_loss(logits, torch.full_like(logits, spec.mse_target))
    return (1 - spec.mse_weight) * cross_entropy + spec.mse_weight * pull


def build_optimizer(model: nn.Module, spec: OptimizerSpec, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser over every learnable parameter, its update in one pass (fused)."""
    fused = device.type in ("cpu", "cuda")
    rate, decay = spec.learning_rate, spec.weight_decay
    if spec.name == "sgd":
        return torch.optim.SGD(
            model.parameters(), rate, momentum=spec.momentum, weight_decay=decay, nesterov=spec.nesterov, fused=fused
        )
    kind = torch.optim.Adam if spec.name == "adam" else torch.optim.AdamW
    return kind(model.parameters(), rate, betas=(spec.momentum, spec.beta2), weight_decay=decay, fused=fused)


def schedule_factor(spec: ScheduleSpec, epochs: int, steps: int) -> Callable[[int], float]:
    """Return step -> multiple of the learning rate.

    Cosine and step move once an epoch, as torch's CosineAnnealingLR and MultiStepLR do in the published recipes;
    one-cycle (Smith & Topin 2018) moves every step, from 1/25 of the rate to the rate and down to 1/250,000.
    """

    def factor(step: int) -> float:
        epoch = step // steps
        if epoch < spec.warmup_epochs:
            return (step + 1) / (spec.warmup_epochs * steps)
        if spec.name == "cosine":
            return (1 + math.cos(math.pi * (epoch - spec.warmup_epochs) / max(1, epochs - spec.warmup_epochs))) / 2
        if spec.name == "step":
            return float(spec.gamma ** sum(epoch >= milestone for milestone in spec.milestones))
        if spec.name == "one-cycle":
            total = max(1, epochs * steps - 1)
            peak = spec.warmup_fraction * total
            if step <= peak:
                return _cosine(1 / 25, 1.0, step / max(peak, 1e-9))
            return _cosine(1.0, 1 / 250_000, min(1.0, (step - peak) / max(total - peak, 1e-9)))
        return 1.0

    return factor


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


class _Pace:
    """Images per second of training since the first step was over: that one compiles, allocates and reads."""

    def __init__(self) -> None:
        self.last: float | None = None
        self.images, self.seconds = 0, 0.0

    def note(self, images: int, now: float) -> None:
        if self.last is not None:
            self.images += images
            self.seconds += now - self.last
        self.last = now

    def skip(self, now: float) -> None:
        self.last = now

    @property
    def images_per_s(self) -> float:
        return self.images / max(self.seconds, 1e-9)


class Sums:
    """[summed loss, correct, samples] of the epoch so far, in `total` on the device."""

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros(3, dtype=torch.float64, device=device)
        self._answer = [0.0, 0.0, 0.0]
        self._coming = torch.zeros(3, dtype=torch.float64, pin_memory=device.type == "cuda")
        self._arrived = torch.cuda.Event() if device.type == "cuda" else None

    def means(self, wait: bool = True) -> tuple[float, float]:
        """Return mean loss and accuracy; without `wait`, on a GPU, as of the newest look that it has answered."""
        if wait or self._arrived is None:
            self._answer = self.total.tolist()
        elif self._arrived.query():
            self._answer = self._coming.tolist()
        else:
            return self._means()
        if self._arrived is not None:  # ask for the next look
            self._coming.copy_(self.total, non_blocking=True)
            self._arrived.record()
        return self._means()

    def _means(self) -> tuple[float, float]:
        loss, correct, samples = self._answer
        return loss / max(samples, 1.0), correct / max(samples, 1.0)
