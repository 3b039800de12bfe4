"""The optimiser contract: parameters of a suite's table, and what they build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn


class Optimizer:
    """An update rule by name. Its keyword arguments are what a suite's `optimizer` may say; `learning_rate` is one.

    Raise ValueError in the constructor for values that do not fit together: `spikebench check` shows it.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none

    def build(self, parameters: Iterable[nn.Parameter], *, fused: bool) -> torch.optim.Optimizer:
        """Return torch's optimiser over `parameters`, its rate the `learning_rate`, which the schedule multiplies.

        fused: the device can update all parameters in one pass, where the optimiser knows how.
        """
        raise NotImplementedError
