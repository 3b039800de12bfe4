"""The contract of an accounting rule: which operations and memory accesses a network is charged for."""

from __future__ import annotations

import functools
from typing import ClassVar

from bench.energy.memory import Memory
from bench.energy.work import Work
from bench.plugins import registry
from bench.records.counts import LayerCount, NeuronCount


class Rule:
    """One way to charge a network, that a cost table asks for by name: `memory.accesses`.

    `memory` is that of the table. Work is per sample and summed over timesteps.
    """

    name: ClassVar[str]  # what a table calls it; a class outside this package needs none
    addressing: ClassVar[bool] = False  # True says that `Work.addressing` holds how addresses are computed
    # True charges the operations of a spiking neuron also under a table that has a price for the whole update.
    operations_beside_updates: ClassVar[bool] = False

    def layer(self, layer: LayerCount, zero_skipping: bool, memory: Memory) -> Work:
        """Return the work of a synaptic layer; its operations are of one name, `ac` or `mac`.

        zero_skipping: a layer with analog input skips zeros.
        """
        raise NotImplementedError

    def neuron(self, neuron: NeuronCount, memory: Memory) -> Work:
        """Return the work of a neuron layer."""
        raise NotImplementedError


@functools.cache
def rule_called(name: str) -> Rule:
    """Return a rule by name.

    Raises UnknownNameError or ParameterError for one that does not exist, or is outside code that is not trusted.
    """
    rule: Rule = registry.create("rule", name)
    return rule
