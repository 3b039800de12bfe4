"""What is fuzzed: each target takes bytes as they may lie on a disk and raises AssertionError for what must not happen.

Allowed is to be read, or to be refused by the one error of its kind. Not allowed: any other exception (it passes
through), more than `LONGEST_S` for one input, more than `MOST_MB` of memory, and a page in which a record starts HTML,
a link, a heading or a row of its own.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path
from unittest import mock

import numpy as np
from support.event_files import nmnist_bytes, random_events, write_cochlea

from bench.data.events import NMnist
from bench.data.images import Cifar10, FashionMnist
from bench.data.spike_trains import Shd
from bench.energy.table import load_table
from bench.errors import BenchError, DataError, RecordError, SuiteError, TableError
from bench.files.canonical import sealed_json
from bench.records.lines import read_records
from bench.report.evidence.comparison import compare
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import price
from bench.report.formats.markdown import Markdown
from bench.report.page import render_report
from bench.report.sections import energy, verdict
from bench.report.sections.main_table import full_table
from bench.suite.load import load_suite

ROOT = Path(__file__).parents[2]
LONGEST_S, MOST_MB = 5.0, 1000
MARKUP = "\n\n# canary\n|a|b|\n<script>x</script>[c](http://c)`*_$![c](x)"
SUITE = """
name = "tiny"
title = "Tiny"
baseline = "ANN"
seeds = [0, 1]
energy = ["horowitz-fp32", "lemaire", "loihi"]
dataset = { name = "digits" }
model = { name = "convnet", width = 8, stages = 2 }
train = { epochs = 2, batch_size = 64, optimizer = { name = "sgd", learning_rate = 0.1 } }
measure = { diagnostics = true }
[[entries]]
label = "ANN"
neuron = { name = "relu" }
timesteps = 1
[[entries]]
label = "LIF"
neuron = { name = "lif" }
deploy = { name = "if" }
timesteps = 4
"""
JOULES = {"j_per_sample": 0.1, "sd_j_per_sample": 0.01, "mean_w": 50.0}
POWER = {"source": "a counter", "device": "a GPU", "idle_w": 20.0, "window_s": 5.0, "repeats": 3}
POWER |= {"training": JOULES, "inference": JOULES, "sm_clock_mhz": 1000, "memory_clock_mhz": 2000}


@contextlib.contextmanager
def watched():
    """Notice what takes too long or too much memory."""
    began, before = _worked_s(), _peak_mb()
    yield
    assert _worked_s() - began < LONGEST_S, "takes too long"
    assert _peak_mb() - before < MOST_MB, "takes too much memory"


def _worked_s():
    """Seconds of processor time so far, of the processes that were started and have ended too."""
    return sum(os.times()[:4])


def _peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def assert_a_message(error):
    """One that can be read: some lines, and no endless one."""
    text = str(error)
    assert text and len(text) < 200_000


class Suites:
    """Suite files; what is accepted heads a report without records."""

    def __init__(self, folder):
        self.path = folder / "tiny.toml"

    def __call__(self, raw):
        self.path.write_bytes(raw)
        with watched():
            try:
                suite = load_suite(self.path)
            except SuiteError as error:
                return assert_a_message(error)
            page = render_report(suite, [])
            assert_intact(page)
            return page


class Tables:
    """Cost tables; what is accepted prices a report."""

    def __init__(self, folder):
        self.path = folder / "mine |<b>.toml"
        self.records = Records(folder)

    def __call__(self, raw):
        self.path.write_bytes(raw)
        with watched():
            try:
                load_table(self.path)
            except TableError as error:
                return assert_a_message(error)
            return self.records.priced(str(self.path))


class Records:
    """Records files; every record that is accepted is put in a report as if it were of the second entry."""

    def __init__(self, folder):
        self.path = folder / "records.jsonl"
        suite = folder / "suite.toml"
        suite.write_text(SUITE)
        self.suite = load_suite(suite)
        runs = {(run.label, run.seed): run for run in self.suite.runs}
        self.run = runs["LIF", 0]
        ann, lif = (record_lines("temporal-gradient", label)[0] for label in ("ANN", "LIF"))
        others = [(ann, runs["ANN", 0]), (ann, runs["ANN", 1]), (lif, runs["LIF", 1])]
        self.path.write_text("".join(json.dumps(line | {"schema": 1}) + "\n" for line, _ in others))
        read = read_records(self.path)
        self.others = [_as_of(record, run) for record, (_, run) in zip(read, others, strict=True)]
        self.comparison = compare(self.suite, self.others)

    def __call__(self, raw):
        self.path.write_bytes(raw)
        with watched():
            try:
                found = read_records(self.path)
            except RecordError as error:
                return assert_a_message(error)
            return self.render([_as_of(record, self.run) for record in found])

    def priced(self, table):
        """The parts of a report that a cost table is in."""
        evidence = Evidence(self.comparison, (str(table),), tuple(price(self.comparison, [table])))
        blocks = [full_table(evidence), *energy.section(evidence), *verdict.section(evidence)]
        page = Markdown().blocks(blocks) + "\n"
        assert_intact(page)
        return page

    def render(self, records):
        try:
            page = render_report(self.suite, [*records, *self.others])
        except BenchError as error:
            return assert_a_message(error)
        assert_intact(page)
        return page


def _as_of(record, run):
    return record.model_copy(update={"key": run.key, "measure_key": run.measure_key, "seed": run.seed})


def assert_intact(page):
    """No HTML, no link but figures, no foreign heading, and every table as wide as its header."""
    page = re.sub(r"^```sh\n.*?\n```$", "", page, flags=re.M | re.S)  # commands, shown as they are
    assert not re.search(r"(?<!\\)<[a-z!/?]", page, re.I)
    assert all(link.startswith("figures/") for link in re.findall(r"(?<!\\)\]\(([^)]*)", page))
    assert not re.search(r"^#+ canary", page, re.M)
    for block in re.findall(r"(?:^\|.*\n)+", page, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block[:300]


def record_lines(report, label=None):
    """The records of an entry of a committed report, or of all of them, without checksums."""
    lines = map(json.loads, (ROOT / "reports" / report / "records.jsonl").read_text("utf-8").splitlines())
    found = [line for line in lines if label in (None, line["label"])]
    for line in found:
        line.pop("checksum", None)
        line["wall_clock"] = {k: v for k, v in line["wall_clock"].items() if k != "checksum"}
    return found


def sample_records():
    """One record of every kind: with diagnostics, deployed, of recordings, with measured energy."""
    lines = [record_lines("temporal-gradient", "CLIF")[0], record_lines("n-mnist-small", "LIF")[0]]
    deployed = [line for line in record_lines("neurons") if line.get("deployed")]
    lines[1]["wall_clock"]["measured_energy"] = POWER
    return [*lines, deployed[0]]


def sealed(line):
    """A record as a line of JSON with the checksums that it should have."""
    clock = line.get("wall_clock")
    rest = {name: value for name, value in line.items() if name not in ("wall_clock", "checksum")}
    return sealed_json(rest, wall_clock=sealed_json(clock) if isinstance(clock, dict) else json.dumps(clock))


def _soon(*command, timeout, run=subprocess.run, **options):
    """Run the trial of a file, with less patience than a slow disk needs."""
    return run(*command, timeout=min(timeout, LONGEST_S / 2), **options)


def _never(command, **options):
    """What a trial that goes well leaves."""
    return subprocess.CompletedProcess(command, 0, b"", b"")


class SmallFashion(FashionMnist):
    train_samples, test_samples = 3, 2


class Data:
    """Files of data sets: each call puts other bytes in the place of one file, and loads the set.

    trial: whether files of spikes are first read in a process of their own, as it is done where bytes may be damaged.
    """

    def __init__(self, folder, trial=True):
        self.folder = folder
        self.changed = mock.patch("subprocess.run", _soon if trial else _never)
        rng = np.random.default_rng(0)
        for part, samples in (("train", 3), ("t10k", 2)):
            self._put(f"FashionMNIST/raw/{part}-images-idx3-ubyte", idx((samples, 28, 28), rng.bytes(samples * 784)))
            self._put(f"FashionMNIST/raw/{part}-labels-idx1-ubyte", idx((samples,), bytes(range(samples))))
        for part in ("Train", "Test"):
            for label in (0, 7):
                self._put(f"NMNIST/{part}/{label}/0.bin", nmnist_bytes(random_events(40, (34, 34, 2), label)))
        (folder / "SHD").mkdir()
        for part in ("train", "test"):
            spikes = [random_events(20, (700, 1, 1), seed) for seed in (0, 1)]
            write_cochlea(folder / "SHD" / f"shd_{part}.h5", spikes, [0, 1])
        names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]
        for name in names:
            self._put(f"cifar-10-batches-py/{name}", b"\x80\x04}q\x00.")
        self.sets = {
            "FashionMNIST/raw/train-images-idx3-ubyte": SmallFashion(),
            "FashionMNIST/raw/train-labels-idx1-ubyte": SmallFashion(),
            "FashionMNIST/raw/t10k-images-idx3-ubyte": SmallFashion(),
            "FashionMNIST/processed/training.pt": SmallFashion(),
            "NMNIST/Train/7/0.bin": NMnist(partial=True, _timesteps=4),
            "SHD/shd_train.h5": Shd(partial=True, _timesteps=4),
            "cifar-10-batches-py/data_batch_1": Cifar10(),
        }
        self._put("FashionMNIST/processed/test.pt", b"")
        self.names = list(self.sets)

    def _put(self, name, raw):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # another file, for a library that still has this one open
        path.write_bytes(raw)

    def sample(self, name):
        """Bytes as they should be in a file."""
        path = self.folder / name
        return path.read_bytes() if path.exists() else b"PK\x03\x04"

    def __call__(self, name, raw):
        sound = self.sample(name)
        self._put(name, raw)
        try:
            with watched(), self.changed:
                return self.sets[name].load(self.folder, offline=True)
        except DataError as error:
            assert_a_message(error)
        finally:
            self._put(name, sound)
            (self.folder / "FashionMNIST/processed/training.pt").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "spikebench-frames", ignore_errors=True)


def idx(shape, content):
    """An idx file of bytes."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + content
