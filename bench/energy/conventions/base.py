"""The contract of a convention: how a paper or a tool of others turns a network's activity into energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.energy.work import accumulates
from bench.plugins import registry
from bench.records.counts import Counts, LayerCount

Operation = Literal["mac", "ac"]
SOURCE, SECOND_HAND = "read in the source", "second-hand"


@dataclass(frozen=True)
class Prices:
    """Picojoule of one multiply-accumulate and of one accumulate."""

    mac: float
    ac: float

    def of(self, operation: Operation, count: float) -> float:
        """Return the price of some operations, picojoule."""
        return count * (self.mac if operation == "mac" else self.ac)


HOROWITZ_FP32 = Prices(mac=4.6, ac=0.9)  # 45 nm, 32-bit float: Horowitz, ISSCC 2014


@dataclass(frozen=True)
class Charge:
    """What a convention charges one synaptic layer, per sample.

    operations: as charged.  at_every_timestep: the same, were each of its timesteps charged.  times: how many are.
    rate: the share of the dense operations that the convention charges, None where it has none.
    """

    name: str
    operation: Operation
    operations: float
    at_every_timestep: float
    times: float
    rate: float | None = None


@dataclass(frozen=True)
class Step:
    """One change on the way from what was counted to a convention's number: the energy after it, pJ per sample."""

    cause: str
    pj_per_sample: float


@dataclass(frozen=True)
class Estimate:
    """A network's energy under a convention.

    charges: one per synaptic layer, None where the convention leaves it out.  steps: from the counted operations at the
    convention's prices, in the order of its causes; the last one is the number, and none where it has none.  missing:
    what the convention needs and records do not hold; where anything is, the number is a lower bound.
    """

    prices: Prices
    charges: tuple[Charge | None, ...]
    steps: tuple[Step, ...]
    missing: tuple[str, ...] = ()

    @property
    def at_least_pj_per_sample(self) -> float | None:
        """What can be computed from the counts: all of it where nothing is missing; None where that bounds nothing."""
        return self.steps[-1].pj_per_sample if self.steps else None

    @property
    def pj_per_sample(self) -> float | None:
        """The convention's energy, None where something is missing."""
        return None if self.missing else self.at_least_pj_per_sample


class Convention:
    """One way to turn activity into energy, as it was published: its errors are in the number, and are named.

    `title`, `source` and `formula` are shown as they are; `status` says whether the formula was read in the source or
    is quoted from others, `rate` what it calls a firing rate. `errors` are in the number; `not_in_number` is what else
    one has to know who compares it with published ones.
    """

    name: ClassVar[str]  # what `--convention` calls it; a class outside this package needs none
    title: ClassVar[str]
    source: ClassVar[str]
    status: ClassVar[str]
    formula: ClassVar[str]
    rate: ClassVar[str]
    errors: ClassVar[tuple[str, ...]] = ()
    not_in_number: ClassVar[tuple[str, ...]] = ()

    def estimate(self, counts: Counts) -> Estimate:
        """Return the energy of what was counted, and the steps to it: a function of the counts alone."""
        raise NotImplementedError


def convention_called(name: str) -> Convention:
    """Return a convention by name.

    Raises UnknownNameError or ParameterError for one that does not exist, or is outside code that is not trusted.
    """
    convention: Convention = registry.create("convention", name)
    return convention


def counted(layer: LayerCount) -> tuple[Operation, float]:
    """Return what a layer does, counted: a MAC per dense MAC where its input is analog, else an AC per synop."""
    return ("mac", layer.dense_macs_per_sample) if layer.input_kind == "analog" else ("ac", accumulates(layer))


def steps_of(
    layers: Sequence[LayerCount],
    charges: Sequence[Charge | None],
    prices: Prices,
    number: str,
    more: Mapping[str, float] | None = None,
) -> tuple[Step, ...]:
    """Go from the counted operations to those charged, one change at a time: operation, number, timesteps.

    number: the cause of another number of operations.  more: what else is charged, pJ per sample by cause.
    """
    ours = [counted(layer) for layer in layers]
    kept = [(own, charge) for own, charge in zip(ours, charges, strict=True) if charge is not None]
    stages = {
        "counted": [prices.of(*own) for own in ours],
        "layers left out": [prices.of(*own) for own, _ in kept],
        "MAC or AC": [prices.of(charge.operation, count) for (_, count), charge in kept],
        number: [prices.of(charge.operation, charge.at_every_timestep) for _, charge in kept],
        "timesteps charged": [prices.of(charge.operation, charge.operations) for _, charge in kept],
    }
    steps = [Step(cause, sum(energies, 0.0)) for cause, energies in stages.items()]
    for cause, energy in (more or {}).items():
        steps.append(Step(cause, steps[-1].pj_per_sample + energy))
    return tuple(steps)


def not_counted(counts: Counts) -> list[str]:
    """Return the modules whose sums of products are not in the counts, in words: no convention can charge them."""
    names = counts.not_counted if counts.synapses_not_counted is None else counts.synapses_not_counted
    return [f"the work of {name}, which was not counted" for name in names]


def spikes(counts: Counts) -> bool:
    """Whether any neuron of the network spikes."""
    return any(neuron.spiking for neuron in counts.neurons)


def without_first(counts: Counts, prices: Prices) -> Estimate | None:
    """Return that there is no number where a convention treats a spiking network's first layer apart, and none is."""
    if not spikes(counts) or any(layer.network_input for layer in counts.layers):
        return None
    missing = "which layer is the first: none is known to see the network's own input"
    return Estimate(prices, (None,) * len(counts.layers), (), (missing, *not_counted(counts)))
