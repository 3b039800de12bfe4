"""The main table, the accuracy compared and the energy of a written report, cell by cell, against a recomputation."""

import itertools
import math

from support.recomputed import (
    ACCURATE,
    LARGE,
    MODES,
    Apart,
    Prices,
    accuracy,
    compared,
    counts,
    firing_rate,
    intervals_at_once,
    mean,
    of_ratios,
    overlap_of,
    ratio,
    read,
    sd,
    student,
    synops,
    verdict,
)
from support.recomputed_beside import compare_beside
from support.recomputed_cells import Checked, fixed, sig, tables_of, times, unit_of
from support.recomputed_counts import compare_counts
from support.recomputed_energy import COLUMNS, dense_macs, first_steps, graded
from support.recomputed_power import compare_power
from support.recomputed_time import HEADING, compare_time, time_tests

WHATS = ("total", "synapse")
SECTIONS = (
    *("Comparison", "Accuracy compared", "Accuracy after t timesteps", "Energy", "Operations per layer", "Neurons"),
    *("Spike-driven", "Operations outside synapses and neurons", "Sample by sample", "Cost of the simulation", HEADING),
)


class Reckoned:
    """A suite, its records and prices, and the comparison with the text of its report."""

    def __init__(self, suite, page, records_text=None):
        self.spec, self.rows, self.tables = read(suite, records_text)
        (self.base,) = [row for row in self.rows if row.label == self.spec["baseline"]]
        count = intervals_at_once(self.rows, self.tables)
        self.prices = {name: Prices(self.rows, table, count) for name, table in self.tables.items()}
        self.page, self.checked = tables_of(page), Checked()
        self.margin = self.spec.get("margin_points", 0.5)
        self.done = [row for row in self.rows if row.runs]
        by_label = {row.label: row for row in self.rows}
        named = [(row.label, self.base.label) for row in self.rows if row is not self.base]
        named += [tuple(pair) for pair in self.spec.get("contrasts", [])]
        for one, other, _ in time_tests(self.spec, self.rows):
            by_label[one.label] = one
            named += [] if (other.label, one.label) in named else [(one.label, other.label)]
        self.contrasts = [(by_label[one], by_label[other]) for one, other in dict.fromkeys(named)]
        for pairs in self.spec.get("interactions", []):
            self.contrasts.append(tuple(Apart(by_label[one], by_label[other]) for one, other in pairs))
        self.differences = {
            (one.label, other.label): compared(one, other, len(self.contrasts)) for one, other in self.contrasts
        }
        level = max(math.comb(len(self.rows), 2), len(self.contrasts))
        self.pairs = {
            (one.label, other.label): compared(one, other, level, with_p=False)
            for one, other in itertools.permutations(self.done, 2)
        }

    def compare(self):
        """Compare all sections and return what was found."""
        self.main_table()
        self.accuracy_compared()
        compare_time(self)
        self.after_timesteps()
        self.over_seeds()
        for name, prices in self.prices.items():
            self.under(name, prices)
        compare_beside(self)
        compare_counts(self)
        compare_power(self)
        return self.checked

    def left_over(self):
        """Cells of the sections that nobody has compared, by section."""
        return {
            (*path, table.header[0], cell): table.rows[cell[0]][cell[1]]
            for path, tables in self.page.items()
            if path[0] in SECTIONS
            for table in tables
            for cell in table.left_over
        }

    def named(self, table, rows):
        """Compare the first column with the labels of some rows, and yield each with its place."""
        labels, expected = [row[0] for row in table.rows], [row.label for row in rows]
        if labels != expected:
            self.checked.disagreements.append(f"{table.header[0]}: rows {labels}, should be {expected}")
        return [(at, row) for at, row in enumerate(rows) if at < len(labels)]

    def main_table(self):
        """The table of `Comparison`."""
        ((table,), cell) = (self.page["Comparison",], self.checked.cell)
        for at, row in self.named(table, self.rows):
            self.checked.words(table, at, table.column("T"), str(row.timesteps))
            parameters = dict.fromkeys(f"{run['parameters']:,}" for run in row.runs.values())
            self.checked.words(table, at, table.column("parameters"), ", ".join(parameters))
            n = f"(n = {len(row.runs)}" + (f" of {row.planned})" if len(row.runs) < row.planned else ")")
            found = accuracy(row).values()
            self.mean_and_sd(table, at, table.column("accuracy"), found, f" {n}")
            best = [
                max((e["test_accuracy_fraction"] for e in run["history"]), default=None) for run in row.runs.values()
            ]
            best = [None if one is None else 100 * one for one in best]
            self.mean_and_sd(table, at, table.column("best epoch"), best)
            self._difference(table, at, table.column("Δ to"), row)
            cell(table, at, table.column("firing rate"), "{}", fixed(row.mean(firing_rate), 4))
            dense = row.mean(lambda run: math.fsum(map(dense_macs, run["layers"])))
            for start, value in (("dense MACs", dense), ("effective synops", row.mean(synops))):
                column = table.column(start)
                cell(table, at, column, "{}", sig(value, unit_of(table.header[column])))
            for (name, prices), what in itertools.product(self.prices.items(), WHATS):
                if what == "synapse" and "memory" in prices.table:
                    continue
                words = "synapses only" if what == "synapse" else what
                column = table.column(f"{name} {words}, ")
                value = sig(prices.mean(row, (what, "dense")), unit_of(table.header[column]))
                ratios = [times(prices.ratio(row, self.base, (what, mode))) for mode in MODES]
                cell(table, at, column, *(("{} ({x} / {x})", value, *ratios) if value.value else ("{}", value)))

    def mean_and_sd(self, table, at, column, values, after=""):
        """Compare a mean with its standard deviation."""
        values = list(values)
        spread = sd(values)
        template = "{}" + (" ± {}" if spread is not None else "") + after
        numbers = [fixed(mean(values))] + ([fixed(spread)] if spread is not None else [])
        self.checked.cell(table, at, column, template, *numbers)

    def _difference(self, table, at, column, row):
        if row is self.base:
            self.checked.words(table, at, column, "baseline")
            return
        _, centre, _, ends, _ = self.differences[row.label, self.base.label]
        if ends is None:
            self.checked.cell(table, at, column, "{}", fixed(centre))
        else:
            self.checked.cell(table, at, column, "{} ({} to {})", *map(fixed, (centre, *ends)))

    def accuracy_compared(self):
        """The contrasts that the suite decides, and all pairs with their letters."""
        ours, *_, pairs = self.page["Accuracy compared",]
        if [row[0] for row in ours.rows] != [f"{one.label} - {other.label}" for one, other in self.contrasts]:
            self.checked.disagreements.append("Accuracy compared: other comparisons than the suite's")
        for at, ((one, _), found) in enumerate(zip(self.contrasts, self.differences.values(), strict=True)):
            n, centre, spread, ends, p = found
            self.checked.words(ours, at, 1, str(n))
            self.checked.cell(ours, at, 2, "{}", fixed(centre))
            self.checked.cell(ours, at, 3, "{}", fixed(spread))
            between = ("{}", fixed(None)) if ends is None else ("{} to {}", *map(fixed, ends))
            self.checked.cell(ours, at, 4, *between)
            if p is not None and p < 0.001:
                self.checked.words(ours, at, 5, "< 0.001")
            else:
                self.checked.cell(ours, at, 5, "{}", fixed(p, 3))
            self.checked.words(
                ours, at, 6, verdict(n, ends, self.margin, LARGE if isinstance(one, Apart) else ACCURATE)
            )
        if pairs is not ours:
            self._all_pairs(pairs)

    def _all_pairs(self, table):
        order = sorted(self.done, key=lambda row: -mean(accuracy(row).values()))
        labels = [row.label for row in order]
        if table.header != ["entry", "group", *labels]:
            self.checked.disagreements.append(f"all pairs: columns {table.header}, should be {labels}")
        groups = {row[0]: set(row[1]) for row in table.rows}
        for at, row in self.named(table, order):
            for column, other in enumerate(order, 2):
                if other is not row:
                    n, centre, _, ends, _ = self.pairs[row.label, other.label]
                    self.checked.cell(table, at, column, "{}", fixed(centre))
                    apart = verdict(n, ends, self.margin).startswith(("better", "worse"))
                    if apart == bool(groups[row.label] & groups[other.label]):
                        self.checked.disagreements.append(f"letters of {row.label} and {other.label}")
            table.compared.add((at, 1))
            self.checked.cells += 1

    def after_timesteps(self):
        """Accuracy after t timesteps, and the energy of a network that stops there under the first table."""
        found, *energies = self.page["Accuracy after t timesteps",]
        for at, row in self.named(found, self.rows):
            for t in range(row.timesteps):
                right = [100 * run["accuracy_by_timestep"][t] for run in row.runs.values()]
                self.mean_and_sd(found, at, t + 1, right)
        name, prices = next(iter(self.prices.items()))
        whole = prices.mean(self.base, ("total", "dense"))
        for table in energies:
            size = unit_of(table.header[0])
            for at, row in self.named(table, [row for row in self.done if row.timesteps > 1]):
                for t in range(row.timesteps):
                    pj = mean(first_steps(counts(run), t + 1, self.tables[name]) for run in row.runs.values())
                    self.checked.cell(table, at, t + 1, "{} ({x})", sig(pj, size), times(ratio(pj, whole)))

    def over_seeds(self):
        """Firing rate and synops with Student's intervals."""
        overlap = overlap_of(self.rows)
        (table,) = self.page["Energy",]
        for at, row in self.named(table, self.done):
            self.checked.words(table, at, 1, str(len(row.runs)))
            for column, value in ((2, firing_rate), (3, synops)):
                size, ends = unit_of(table.header[column]), student(row.values(value).values(), overlap=overlap)
                numbers = [sig(one, size) for one in (row.mean(value), *(ends or ()))]
                self.checked.cell(table, at, column, "{} ({} to {})" if ends else "{}", *numbers)
            if row is not self.base:
                ends = of_ratios(row.values(synops), self.base.values(synops), overlap=overlap)
                numbers = (ratio(row.mean(synops), self.base.mean(synops)), *(ends or ()))
                self.checked.cell(table, at, 4, "{x} ({x} to {x})" if ends else "{x}", *map(times, numbers))

    def under(self, name, prices):
        """The tables of a cost table: totals, where it goes, a sigmoid's price, graded layers."""
        totals, split, *others = self.page["Energy", name]
        self._totals(totals, prices)
        size = unit_of(split.header[0])
        for at, row in self.named(split, self.done):
            for column, part in enumerate(split.header[1:], 1):
                what = ("synapse", "dense") if part == "synapse" else part
                self.checked.cell(split, at, column, "{}", sig(prices.mean(row, what), size))
        if split.header[1:] != ["synapse", *COLUMNS, "neuron", "memory", "addressing"]:
            self.checked.disagreements.append(f"{name}: parts {split.header[1:]}")
        for table in others:
            if table.header[0].startswith("total with a sigmoid at"):
                self._sigmoid(table, prices)
            elif table.header[1] == "graded layer":
                self._graded(table, prices)

    def _totals(self, table, prices):
        size, base = unit_of(table.header[0]), self.base
        for at, row in self.named(table, self.done):
            columns = iter(range(1, len(table.header)))
            for what, mode in itertools.product(WHATS, MODES):
                self.checked.cell(table, at, next(columns), "{}", sig(prices.mean(row, (what, mode)), size))
                ends = prices.ends(row, base, mode) if what == "total" and row is not base else None
                numbers = (prices.ratio(row, base, (what, mode)), *(ends or ()))
                template = "{x} ({x} to {x})" if ends else "{x}"
                self.checked.cell(table, at, next(columns), template, *map(times, numbers))
            self.checked.cell(table, at, next(columns), "{}", sig(prices.mean(row, "cached"), size))
            if row is not base:
                for mode, column in zip(MODES, columns, strict=True):
                    self.rate(table, at, column, prices.break_even(row, base, mode))

    def rate(self, table, at, column, rate):
        if rate is not None and not 0 <= rate <= 1:
            words = "none: more even without a spike" if rate < 0 else "any: less even at 1"
            self.checked.words(table, at, column, words)
        else:
            self.checked.cell(table, at, column, "{}", fixed(rate, 4))

    def _sigmoid(self, table, prices):
        size, whole = unit_of(table.header[0]), prices.mean(self.base, ("total", "dense"))
        for at, row in self.named(table, self.done):
            for column, what in enumerate(("sigmoid at 0", ("total", "dense"), "sigmoid at 10"), 1):
                pj = prices.mean(row, what)
                self.checked.cell(table, at, column, "{} ({x})", sig(pj, size), times(ratio(pj, whole)))

    def _graded(self, table, prices):
        found = []
        for row in self.done:
            by_run = [graded(counts(run), prices.table) for run in row.runs.values()]
            for layer in dict.fromkeys(name for run in by_run for name in run):
                found.append((row.label, layer, *(mean(run[layer][which] for run in by_run) for which in (0, 1))))
        if [row[:2] for row in table.rows] != [list(one[:2]) for one in found]:
            self.checked.disagreements.append(f"graded layers {table.rows}, should be {found}")
        for at, (_, layer, *values) in enumerate(found):
            self.checked.words(table, at, 1, layer)
            for column, value in enumerate(values, 2):
                self.checked.cell(table, at, column, "{}", sig(value, unit_of(table.header[column])))
