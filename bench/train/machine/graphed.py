"""A training step as one CUDA graph: its kernels are launched together, with no Python between them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.errors import RunFailedError
from bench.sequences import repeat, repeated_frame
from bench.train.machine.device import is_out_of_memory

EAGER_STEPS = 3  # real steps before the capture: they allocate the optimiser's state and let libraries choose kernels

Update = Callable[[Tensor, Tensor], Tensor]


class Graphed:
    """An update(sequence, labels) -> sums, captured at its fourth call and replayed from then on.

    Nothing in the update may wait for the device, and its optimiser must have passed `make_capturable`. A batch of
    another shape than the captured one is updated without the graph. Raises RunFailedError where the capture fails.
    """

    def __init__(self, update: Update) -> None:
        self._update = update
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream()

    def __call__(self, sequence: Tensor, labels: Tensor) -> Tensor:
        """Update on `sequence` [T, N, C, H, W] and `labels`; return what the update returns."""
        self._calls += 1
        if self._calls <= EAGER_STEPS:
            return self._beside(sequence, labels)
        if self._graph is None:
            self._capture(sequence, labels)
        assert self._graph is not None
        current = _stored(sequence)
        if current.shape != self._input.shape or labels.shape != self._labels.shape:
            return self._update(sequence, labels)
        self._input.copy_(current)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._sums

    def _beside(self, sequence: Tensor, labels: Tensor) -> Tensor:
        """Update on a stream of its own, as what is captured later must not have run on the default one."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            sums = self._update(sequence, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        return sums

    def _capture(self, sequence: Tensor, labels: Tensor) -> None:
        self._input, self._labels = _stored(sequence).clone(), labels.clone()
        given = self._input if repeated_frame(sequence) is None else repeat(self._input, sequence.shape[0])
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._sums = self._update(given, self._labels)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0]
            raise RunFailedError(f"the training step cannot be captured ({reason}); use --path fused") from error
        self._graph = graph


def make_capturable(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Let a graph read the learning rate from the device, where the schedule writes it; call it after a load."""
    for group in optimizer.param_groups:
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(device)
        if "capturable" in group:
            group["capturable"] = True


def _stored(sequence: Tensor) -> Tensor:
    """The memory behind a sequence: one frame where it is repeated."""
    frame = repeated_frame(sequence)
    return sequence if frame is None else frame
