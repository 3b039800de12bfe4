"""What a report holds networks against beside its baseline: break-even, a quantised baseline, a reference, bounds."""

import math

from support.recomputed import MODES, counts, firing_rate, mean, ratio, verdict
from support.recomputed_cells import SIZES, fixed, sig, times
from support.recomputed_energy import dense_macs, energy, narrowed


def compare_beside(reckoned):
    """Compare the tables of `Energy` that do not belong to one cost table."""
    spiking = [row for row in reckoned.done if row is not reckoned.base and row.spikes]
    titles = {
        "Break-even": _break_even,
        f"{reckoned.base.label} with matched activation bits (analytical)": _bit_matched,
        "Against published bounds": _bounds,
    }
    for title, compare in titles.items():
        for table in reckoned.page.get(("Energy", title), []):
            compare(reckoned, table, spiking)
    for table in reckoned.page["Energy", list(reckoned.prices)[-1]]:
        if table.header[1] == "reference":
            _reference(reckoned, table)


def _places(reckoned, table, rows):
    """Each cost table with each row, beside its place in a table that should have them all in this order."""
    expected = [(name, row) for name in reckoned.prices for row in rows]
    said = [tuple(row[:2]) for row in table.rows]
    if said != [(name, row.label) for name, row in expected]:
        reckoned.checked.disagreements.append(f"{table.header}: rows {said}")
    for at, (name, row) in enumerate(expected):
        reckoned.checked.words(table, at, 1, row.label)
        yield at, row, reckoned.prices[name]


def _break_even(reckoned, table, spiking):
    for at, row, prices in _places(reckoned, table, spiking):
        reckoned.checked.cell(table, at, 2, "{}", fixed(row.mean(firing_rate), 4))
        for column, mode in enumerate(MODES, 3):
            reckoned.rate(table, at, column, prices.break_even(row, reckoned.base, mode))


def _bit_matched(reckoned, table, spiking):
    """T spikes tell T + 1 values: the baseline with as many bits, its pixels as they are."""
    for at, row, prices in _places(reckoned, table, spiking):
        bits = math.ceil(math.log2(row.timesteps + 1))
        reckoned.checked.words(table, at, 2, str(row.timesteps))
        reckoned.checked.words(table, at, 3, str(bits))
        narrow = narrowed(bits, prices.table)
        found = [energy(counts(run), narrow, prices.table) for run in reckoned.base.runs.values()]
        for column, mode in zip((4, 6), MODES, strict=True):
            opponent, unit = mean(one["total", mode] for one in found), table.rows[at][column].split()[-1]
            reckoned.checked.cell(table, at, column, f"{{}} {unit}", sig(opponent, SIZES[unit]))
            own = prices.mean(row, ("total", mode))
            reckoned.checked.cell(table, at, column + 1, "{x}", times(ratio(own, opponent)))


def _reference(reckoned, table):
    """The network without spikes that takes least under the first table, of those that are not established as worse."""
    first, base = next(iter(reckoned.prices.values())), reckoned.base
    for at, row in reckoned.named(table, [row for row in reckoned.done if row.spikes]):
        found = [other for other in reckoned.done if not other.spikes and not _is_worse(reckoned, other, row)]
        against = min(found, key=lambda other: first.mean(other, ("total", "dense")), default=base)
        reckoned.checked.words(table, at, 1, against.label)
        _, centre, _, ends, _ = reckoned.pairs[against.label, row.label]
        reckoned.checked.cell(table, at, 2, "{} ({} to {})", *map(fixed, (centre, *ends)))
        for column, prices in enumerate(reckoned.prices.values(), 3):
            words, numbers = [], []
            for mode in MODES:
                ends = prices.ends(row, against, mode)
                words.append("{x} ({x} to {x})" if ends else "{x}")
                numbers += [prices.ratio(row, against, ("total", mode)), *(ends or ())]
            reckoned.checked.cell(table, at, column, " / ".join(words), *map(times, numbers))


def _is_worse(reckoned, one, other):
    n, _, _, ends, _ = reckoned.pairs[one.label, other.label]
    return verdict(n, ends, reckoned.margin).startswith("worse")


def _bounds(reckoned, table, spiking):
    """Spikes per synapse: effective synops / (dense MACs / T) of the layers whose input is not analog."""
    rows = [row for row in reckoned.done if row.spikes]
    for at, row in reckoned.named(table, rows):
        reckoned.checked.cell(table, at, 1, "{}", sig(row.mean(_per_synapse)))
        reckoned.checked.cell(table, at, 2, "{}", sig(row.mean(firing_rate), 0.01, digits=3))


def _spiked(run):
    return [layer for layer in run["layers"] if layer["input_kind"] != "analog"]


def _per_synapse(run):
    synops = math.fsum(layer["effective_synops_total"] / layer["samples"] for layer in _spiked(run))
    return synops / math.fsum(dense_macs(layer) / layer["timesteps"] for layer in _spiked(run))
