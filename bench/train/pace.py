"""How far and how fast a training is."""

from __future__ import annotations

from dataclasses import dataclass

import torch


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


class Pace:
    """Images per second of training since the first step was over: that one compiles, allocates and reads."""

    def __init__(self) -> None:
        self.last: float | None = None
        self.images, self.seconds = 0, 0.0

    def note(self, images: int, now: float) -> None:
        """Count images that are trained on by `now`."""
        if self.last is not None:
            self.images += images
            self.seconds += now - self.last
        self.last = now

    def skip(self, now: float) -> None:
        """Leave out the time up to `now`."""
        self.last = now

    @property
    def images_per_s(self) -> float:
        """The images per second so far."""
        return self.images / max(self.seconds, 1e-9)


class Sums:
    """[summed loss, correct, samples] of the epoch so far, in `total` on the device."""

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros(3, dtype=torch.float64, device=device)
        self._answer = [0.0, 0.0, 0.0]
        self._coming = torch.zeros(3, dtype=torch.float64, pin_memory=device.type == "cuda")
        self._arrived = torch.cuda.Event() if device.type == "cuda" else None
        self._asked = False  # an event that was never recorded answers that all is done

    def means(self, wait: bool = True) -> tuple[float, float]:
        """Return mean loss and accuracy; without `wait`, on a GPU, as of the newest look that it has answered."""
        if wait or self._arrived is None or not self._asked:
            self._answer = self.total.tolist()
        elif self._arrived.query():
            self._answer = self._coming.tolist()
        else:
            return self._means()
        if self._arrived is not None:  # ask for the next look
            self._coming.copy_(self.total, non_blocking=True)
            self._arrived.record()
            self._asked = True
        return self._means()

    def _means(self) -> tuple[float, float]:
        loss, correct, samples = self._answer
        return loss / max(samples, 1.0), correct / max(samples, 1.0)
