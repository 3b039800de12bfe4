"""Records, suites and cost tables as files, and means, intervals and ratios over seeds: no code of the product's."""

import base64
import json
import math
import statistics
import tomllib
from dataclasses import dataclass

import numpy as np
from scipy import stats

from support import ROOT, crossed_by_hand, resampled_by_hand
from support.recomputed_energy import checked, energy

MODES = ("dense", "zero-skipping")


def bits_of(packed, samples):
    """Which test samples were got right: bits in bytes, the first sample in the highest bit, in base64."""
    found = np.unpackbits(np.frombuffer(base64.b64decode(packed), dtype=np.uint8))
    if not samples <= len(found) < samples + 8 or found[samples:].any():
        raise ValueError(f"{len(found)} bits for {samples} samples")
    return found[:samples].astype(int)


@dataclass
class Row:
    """An entry of a suite, or the deployed neuron of one, with its finished runs by seed."""

    label: str
    timesteps: int
    planned: int
    runs: dict
    deployed: bool = False

    def values(self, value):
        """A number of each run by seed."""
        return {seed: value(run) for seed, run in self.runs.items()}

    def mean(self, value):
        """The mean over runs, None where one lacks it or there is none."""
        return mean(self.values(value).values())

    def bits(self, seed):
        """Which test samples a run got right."""
        return bits_of(self.runs[seed]["correct"], self.runs[seed]["test_samples"])

    @property
    def spikes(self):
        """Whether some neuron spikes."""
        return any(neuron["spiking"] for run in self.runs.values() for neuron in run["neurons"])


def read(suite, records_text=None):
    """The suite file, its rows in their order, and its cost tables by name."""
    spec = tomllib.loads((ROOT / f"suites/{suite}.toml").read_text("utf-8"))
    if "most_seeds" in spec:
        raise NotImplementedError("no recomputation for suites to which seeds are added")
    text = (ROOT / f"reports/{suite}/records.jsonl").read_text("utf-8") if records_text is None else records_text
    records = [json.loads(line) for line in text.splitlines()]
    rows = []
    for entry in spec["entries"]:
        runs = {
            record["seed"]: record
            for seed in spec["seeds"]
            for record in records
            if (record["label"], record["seed"], record["status"]) == (entry["label"], seed, "done")
        }
        rows.append(Row(entry["label"], entry["timesteps"], len(spec["seeds"]), runs))
        if "deploy" in entry:
            again = {
                seed: run | run["deployed"] | {"best_accuracy_fraction": None, "history": []}
                for seed, run in runs.items()
                if run.get("deployed")
            }
            label = f"{entry['label']} as {entry['deploy']['name']}"
            rows.append(Row(label, entry["timesteps"], len(spec["seeds"]), again, deployed=True))
    return spec, rows, {name: table_called(name) for name in spec["energy"]}


def table_called(name):
    """A cost table by its file."""
    return checked(tomllib.loads((ROOT / f"bench/energy/tables/{name}.toml").read_text("utf-8")))


def counts(run):
    """What was counted of a run."""
    found = {name: run[name] for name in ("layers", "neurons", "other_ops", "not_counted")}
    return found | {"timesteps": run["spec"]["timesteps"]}


def mean(values):
    """The mean; None where one is missing or there is none."""
    values = list(values)
    return None if not values or None in values else statistics.fmean(values)


def sd(values):
    """The standard deviation of a sample; None where there are fewer than two."""
    values = list(values)
    return None if len(values) < 2 or None in values else statistics.stdev(values)


def ratio(one, other):
    """one / other, None where either is missing."""
    return None if one is None or not other else one / other


def student(values, error=0.05, overlap=0.0):
    """Student's interval of a mean, from three values on; overlap: as in `overlap_of`."""
    values = list(values)
    if len(values) < 3 or None in values:
        return None
    half = stats.t.ppf(1 - error / 2, len(values) - 1) * statistics.stdev(values)
    half *= math.sqrt(1 / len(values) + overlap)
    return mean(values) - half, mean(values) + half


def of_ratios(one, other, error=0.05, overlap=0.0):
    """The interval of the geometric mean of the ratios of the seeds that both have."""
    logs = [math.log(value / other[seed]) for seed, value in one.items() if value and other.get(seed)]
    found = student(logs, error, overlap)
    return None if found is None else (math.exp(found[0]), math.exp(found[1]))


def firing_rate(run):
    """Spikes per spiking neuron and timestep over the whole network; None where nothing spikes."""
    spiking = [neuron for neuron in run["neurons"] if neuron["spiking"]]
    slots = sum(neuron["units"] * neuron["timesteps"] * neuron["samples"] for neuron in spiking)
    return sum(neuron["spikes_total"] for neuron in spiking) / slots if slots else None


def synops(run):
    """Pairs of a non-zero input and a weight, per sample."""
    return math.fsum(layer["effective_synops_total"] / layer["samples"] for layer in run["layers"])


def accuracy(row):
    """Percent right by seed, from the bits."""
    return {seed: 100 * row.bits(seed).mean() for seed in row.runs}


def tested(run):
    """Which samples tested a run whose seed chooses them; None where the split is fixed."""
    return (run.get("fold") or {}).get("test")


def overlap_of(rows):
    """Test samples per training sample of the runs that were trained; 0 where the split is fixed."""
    runs = [run for row in rows if not row.deployed for run in row.runs.values() if tested(run)]
    trained = sum(run["fold"]["train_samples"] for run in runs)
    return sum(run["test_samples"] for run in runs) / trained if trained else 0.0


def of_folds(one, other, seeds):
    """What the analysis of folds takes: bits of both rows by seed, the partition of each, its training samples."""
    bits = [[row.bits(seed) for seed in seeds] for row in (one, other)]
    folds = [[row.runs[seed]["fold"] for row in (one, other)] for seed in seeds]
    partitions = [pair[0]["repetition"] for pair in folds]
    return *bits, partitions, [min(fold["train_samples"] for fold in pair) for pair in folds]


class Apart:
    """Two rows as one: what the first got right less what the second did, of the seeds tested on the same samples."""

    def __init__(self, one, other):
        self.one, self.other, self.label = one, other, f"({one.label} - {other.label})"
        both = {s: (run, other.runs[s]) for s, run in one.runs.items() if s in other.runs}
        alike = {s: pair for s, pair in both.items() if tested(pair[0]) == tested(pair[1])}
        self.runs = {s: min(pair, key=_trained_on) for s, pair in alike.items()}

    def bits(self, seed):
        """By sample: 1, 0 or -1."""
        return self.one.bits(seed) - self.other.bits(seed)


def _trained_on(run):
    return run["fold"]["train_samples"] if run.get("fold") else 0


def compared(one, other, comparisons, with_p=True):
    """n, mean, sd over seeds in points, ends and p of the analysis of two rows: None where there is none."""
    seeds = [seed for seed in one.runs if seed in other.runs and tested(one.runs[seed]) == tested(other.runs[seed])]
    if not seeds:
        return 0, None, None, None, None
    by_seed = [100 * (one.bits(seed) - other.bits(seed)).mean() for seed in seeds]
    if len(seeds) < 2:
        return 1, by_seed[0], None, None, None
    if tested(one.runs[seeds[0]]):
        method, values = resampled_by_hand, of_folds(one, other, seeds)
    else:
        method, values = crossed_by_hand, [np.stack([row.bits(seed) for seed in seeds]) for row in (one, other)]
    size = 1 + isinstance(one, Apart)
    centre, low, high, *p = (method.analysed if with_p else method.interval)(*values, comparisons, size)
    ends = (max(low, -100 * size), min(high, 100 * size))  # no accuracy is further below or above another
    return len(seeds), centre, sd(by_seed), ends, *(p or [None])


ACCURATE, LARGE = ("better", "worse", "as accurate"), ("larger", "smaller", "as large")


def verdict(n, ends, margin, words=ACCURATE):
    """What an interval establishes: a direction where it excludes 0, equality inside the margin, of three seeds."""
    better, worse, equal = words
    if ends is None or n < 3:
        return "not established"
    words = [better] if ends[0] > 0 else [worse] if ends[1] < 0 else []
    words += [equal] if -margin < ends[0] and ends[1] < margin else []
    return ", but ".join(words) or "not established"


class Prices:
    """Every run of every row under one table."""

    def __init__(self, rows, table, count_of_intervals):
        self.table, self.error, self.overlap = table, 0.05 / count_of_intervals, overlap_of(rows)
        self.runs = {row.label: {seed: energy(counts(run), table) for seed, run in row.runs.items()} for row in rows}

    def by_seed(self, row, what):
        """A figure of each run."""
        return {seed: found[what] for seed, found in self.runs[row.label].items()}

    def mean(self, row, what):
        """The mean of a figure, pJ per sample."""
        return mean(self.by_seed(row, what).values())

    def ratio(self, row, base, what):
        """The ratio of two means."""
        return ratio(self.mean(row, what), self.mean(base, what))

    def ends(self, row, base, mode):
        """The simultaneous interval of the ratio of totals."""
        one, other = (self.by_seed(each, ("total", mode)) for each in (row, base))
        return of_ratios(one, other, self.error, self.overlap)

    def break_even(self, row, base, mode):
        """The firing rate at which the row's total is the base's, were all that spikes cause in proportion to it."""
        driven, rate = self.mean(row, ("driven", mode)), row.mean(firing_rate)
        whole, other = self.mean(row, ("total", mode)), self.mean(base, ("total", mode))
        if None in (driven, rate, whole, other) or not driven:
            return None
        return rate * (other - (whole - driven)) / driven


def intervals_at_once(rows, tables):
    """How many intervals of energy hold at once with 95 %.

    Of every row beside the baseline under every table in both modes; where more than one network is without spikes,
    those against a reference beside the baseline too, which every row that spikes may have.
    """
    conventional = sum(bool(row.runs) and not row.spikes for row in rows)
    pairs = len(rows) - 1 + (len(rows) - conventional if conventional > 1 else 0)
    return pairs * len(tables) * len(MODES)
