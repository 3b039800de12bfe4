"""The contract of a synapse: what the weights of a layer go through before inputs meet them."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn


class Synapse(nn.Module):
    """What one layer does with its weights: the stored ones in, as an optimiser knows them, out those that are used.

    Its keyword arguments are what a suite's `model.synapse` may say. Two more come from whoever builds the network,
    where a constructor asks for them: `_weight: Tensor`, the initial weights of the layer, [outputs, inputs, ...], and
    `_end: bool`, whether it is the first or the last layer with weights. Raise ValueError for values that do not fit.
    """

    name: ClassVar[str]  # what a suite calls it; a class outside this package needs none
    bits: int | None = None  # of a weight that is used; None: as wide as the arithmetic is

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights that are used, of the shape and dtype of `weight`."""
        raise NotImplementedError

    def advance(self, done_fraction: float, weight: Tensor) -> None:
        """Be told, before an update and before a test, how much of training is done; `weight` are the stored ones.

        What `forward` reads and this changes are buffers, changed in place: they are kept with a training that stops,
        and a CUDA graph of an update sees them.
        """
