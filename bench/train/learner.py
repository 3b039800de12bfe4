"""A network that learns: with its optimiser and its gradient scaler, one update at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.models.synapses import synapses_of
from bench.suite.recipe import TrainSpec
from bench.train.machine.autocast import autocast
from bench.train.machine.graphed import Graphed, Update, make_capturable
from bench.train.step import build_loss, build_optimizer


class Learner:
    """A network, on its device, with all that an update of it takes.

    path: of execution; "graphed" (CUDA alone) replays updates as a CUDA graph, the others are the network's affair.
    """

    def __init__(self, model: nn.Module, spec: TrainSpec, device: torch.device, path: str = "plain") -> None:
        self.model, self.spec, self.device, self.path = model, spec, device, path
        self.loss = build_loss(spec.loss)
        self.optimizer = build_optimizer(model, spec.optimizer, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=spec.precision == "fp16")
        self._update: Update | None = None
        self._synapses = list(synapses_of(model))

    @property
    def parts(self) -> dict[str, Any]:
        """What learning changes, by the name that it has in a checkpoint."""
        return {"model": self.model, "optimizer": self.optimizer, "scaler": self.scaler}

    def advance(self, done_fraction: float) -> None:
        """Tell the network's synapses, before an update and before a test, how much of training is done."""
        for synapse, weight in self._synapses:
            synapse.advance(done_fraction, weight)

    def update(self, sequence: Tensor, labels: Tensor) -> Tensor:
        """Learn from `sequence` [T, N, C, H, W]; return [summed loss, correct, samples] as float64 on the device.

        labels: class indices [N] or probabilities [N, classes]. Raises RunFailedError where a graph fails.
        """
        if self._update is None:  # at the first update: what is loaded before it must be capturable too
            self._update = self._graphed() if self.path == "graphed" else self._step
        return self._update(sequence, labels)

    def _graphed(self) -> Graphed:
        make_capturable(self.optimizer, self.device)
        return Graphed(self._step)

    def _step(self, sequence: Tensor, labels: Tensor) -> Tensor:
        with autocast(self.device, self.spec.precision):
            logits = self.model(sequence)
        logits = logits.float()
        loss = self.loss.of(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.spec.gradient_clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.gradient_clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            hard = labels if labels.ndim == 1 else labels.argmax(1)
            correct = (logits.mean(0).argmax(1) == hard).sum()
            samples = torch.full((), float(len(labels)), dtype=torch.float64, device=self.device)
            return torch.stack([loss.detach().double() * len(labels), correct.double(), samples])
