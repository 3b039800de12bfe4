"""Every finished run priced by a cost table: means over seeds, ratios to the baseline, break-even."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.energy.estimate import EnergyBreakdown, estimate_energy, estimate_totals
from bench.energy.quantised import estimate_quantised
from bench.energy.table import CostTable, load_table
from bench.records.early import first_timesteps
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.entry import Entry
from bench.report.evidence.quantities import FIRING_RATE
from bench.report.evidence.statistics import ERROR, Summary, ratio_interval, summarise_complete
from bench.report.formats.text import ratio

DENSE, ZERO_SKIPPING = "dense", "zero_skipping"


@dataclass(frozen=True)
class Priced:
    """A comparison under one table. `what` is `total` or `synapse`; `mode` says what analog layers do with zeros.

    Zero-skipping is given to every entry or to none: a zero-skipping ratio has a zero-skipping baseline.
    """

    table: CostTable
    baseline: Entry
    breakdowns: Mapping[str, tuple[EnergyBreakdown, ...]]  # by label, one per finished run
    # Kept, because sections ask for the same numbers: summaries by label, figure and mode; intervals; the totals of the
    # baseline with narrower activations by timesteps and mode.
    _summaries: dict[tuple[str, str, str], Summary] = field(default_factory=dict, init=False, repr=False, compare=False)
    _intervals: dict[tuple[str, str, float, float], tuple[float, float] | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _quantised: dict[int, dict[str, Summary]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The table's name; of a hybrid with that of its rest."""
        return self.table.label

    def against(self, base: Entry) -> Priced:
        """Return the same prices with ratios to another entry."""
        return replace(self, baseline=base)

    def of(self, entry: Entry, value: Callable[[EnergyBreakdown], float | None]) -> Summary:
        """Summarise a figure over an entry's finished runs; no value at all where one of them has no price."""
        return summarise_complete([value(breakdown) for breakdown in self.breakdowns[entry.label]])

    def summary(self, entry: Entry, what: str, mode: str) -> Summary:
        """Summarise energy in pJ per sample."""
        asked = entry.label, what, mode
        if asked not in self._summaries:
            self._summaries[asked] = self.of(entry, lambda breakdown: breakdown.figure(what, mode))
        return self._summaries[asked]

    def mean(self, entry: Entry, what: str, mode: str) -> float | None:
        """Return the mean energy in pJ per sample, None where it has no price or nothing has finished."""
        return self.summary(entry, what, mode).mean

    def means(self, entries: Iterable[Entry]) -> list[float | None]:
        """Return every dense mean of some entries, total and synapse only, for choosing a unit."""
        return [self.mean(entry, what, DENSE) for entry in entries for what in ("total", "synapse")]

    def comparable(self, entry: Entry) -> bool:
        """Whether an entry's energy may be held against the baseline's: both have learned something."""
        return entry.sound and self.baseline.sound

    def ratio(self, entry: Entry, what: str, mode: str) -> float | None:
        """Return the mean energy as a multiple of the baseline's in the same mode; None unless both are sound."""
        if not self.comparable(entry):
            return None
        return ratio(self.mean(entry, what, mode), self.mean(self.baseline, what, mode))

    def ratio_interval(
        self, entry: Entry, mode: str, error: float = ERROR, overlap: float = 0.0
    ) -> tuple[float, float] | None:
        """Return the interval of the ratio of total energies over seeds, which misses with a chance of `error`.

        See `statistics.ratio_interval`, `overlap` too. None unless both are sound and three seeds have both.
        """
        if not self.comparable(entry):
            return None
        asked = entry.label, mode, error, overlap
        if asked not in self._intervals:
            base, own = (self._by_seed(each, mode) for each in (self.baseline, entry))
            self._intervals[asked] = ratio_interval(own, base, error, overlap)
        return self._intervals[asked]

    def _by_seed(self, entry: Entry, mode: str) -> dict[int, float | None]:
        found = zip(entry.counts, self.breakdowns[entry.label], strict=True)
        return {seed: breakdown.figure("total", mode) for seed, breakdown in found}

    def spiking_pj(self, entry: Entry) -> float | None:
        """Return the synaptic energy of all layers whose input is not analog."""
        return self.of(entry, _sum_of_spiking).mean

    def break_even_rate(self, entry: Entry, mode: str) -> float | None:
        """Return the firing rate at which the entry's total equals the baseline's.

        What spikes cause (synapses and memory of spiking layers, resets, routing) is taken to be proportional to the
        rate, and everything else to be constant. Negative: the entry costs more than the baseline even if it never
        spiked. None where something has no price, nothing spikes, one of the two is not sound, or the table is an
        operating point.
        """
        if not self.comparable(entry):
            return None
        total, base = self.mean(entry, "total", mode), self.mean(self.baseline, "total", mode)
        driven = self.mean(entry, "per_spike", mode)
        rate = firing_rate(entry)
        if total is None or base is None or not driven or rate is None:
            return None
        return rate * (base - (total - driven)) / driven

    def after(self, entry: Entry, timesteps: int, mode: str) -> Summary:
        """Summarise the energy of an entry's first timesteps, in pJ per sample; none where they were not told apart."""
        if timesteps == entry.spec.timesteps:
            return self.summary(entry, "total", mode)
        found = (first_timesteps(counts, timesteps) for counts in entry.counts.values())
        totals = [(None, None) if counts is None else estimate_totals(counts, self.table) for counts in found]
        return summarise_complete([total[mode == ZERO_SKIPPING] for total in totals])

    def quantised_baseline(self, timesteps: int, mode: str) -> float | None:
        """Return the mean total of the baseline with ceil(log2(T + 1))-bit activations, in pJ per sample.

        None where the baseline spikes, or the table cannot price narrower activations.
        """
        if timesteps not in self._quantised:
            found = [estimate_quantised(counts, self.table, timesteps) for counts in self.baseline.counts.values()]
            self._quantised[timesteps] = {
                each: summarise_complete([None if made is None else made.figure("total", each) for made in found])
                for each in (DENSE, ZERO_SKIPPING)
            }
        return self._quantised[timesteps][mode].mean


def turning_price(priced: Priced, entry: Entry, mode: str) -> float | None:
    """Return the price of a sigmoid, in pJ, at which an entry's mean total equals the baseline's; negative: at none.

    A total is linear in it. None where something has no price, no sigmoid is charged, or the baseline's as well.
    """
    price = priced.table.operation_pj.get("sigmoid")
    own, base = (priced.mean(each, "total", mode) for each in (entry, priced.baseline))
    sigmoids, others = (_of_sigmoids(priced, each) for each in (entry, priced.baseline))
    if price is None or own is None or base is None or not sigmoids or others:
        return None
    return price * (base - (own - sigmoids)) / sigmoids


def _of_sigmoids(priced: Priced, entry: Entry) -> float | None:
    dense = priced.mean(entry, "total", DENSE)
    free = priced.of(entry, lambda breakdown: breakdown.total_sigmoid_free_pj_per_sample).mean
    return None if dense is None or free is None else dense - free


def firing_rate(entry: Entry) -> float | None:
    """Return the mean of spikes per spiking neuron and timestep over finished runs; None where nothing spikes."""
    return entry.summary(FIRING_RATE.value).mean


def price(comparison: Comparison, tables: Sequence[str]) -> list[Priced]:
    """Price every finished run under each table. Raises UnknownNameError or TableError."""
    found = []
    for table in map(load_table, tables):
        breakdowns = {
            entry.label: tuple(estimate_energy(counts, table) for counts in entry.counts.values())
            for entry in comparison.entries
        }
        found.append(Priced(table, comparison.baseline, breakdowns))
    return found


def _sum_of_spiking(breakdown: EnergyBreakdown) -> float | None:
    values = [layer.pj_per_sample for layer in breakdown.layers if layer.input_kind != "analog"]
    return None if None in values else sum(value for value in values if value is not None)
