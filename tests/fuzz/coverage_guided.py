"""Fuzzes the readers of files from other hands with bytes, guided by coverage; atheris is an optional tool.

    pip install atheris==3.0.0
    python tests/fuzz/coverage_guided.py suite            # or: table, record, data
    python tests/fuzz/coverage_guided.py record --runs 200000 --seed 1

It begins with the repository's own suites, tables and records and with tiny data sets, changes their bytes, and stops
at the first input that ends in another exception than the one promised, takes 5 seconds or 1 GB, or brings markup into
a report. That input is saved, and the exit status is 1. A saved input is tried again with `--input FILE`.
Documents that are changed as documents are the subject of `tests/fuzz/test_fuzz.py`.
"""

import argparse
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("this needs atheris: pip install atheris==3.0.0")

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
with atheris.instrument_imports(include=["bench", "tomllib", "tonic", "torchvision.datasets"]):
    from fuzz import targets as fuzz_targets

    from bench.energy.table import TABLES

LARGEST = 60_000  # bytes of an input


def suite_target(folder):
    """Suite files."""
    seeds = [path.read_bytes() for path in sorted((ROOT / "suites").glob("*.toml"))]
    return fuzz_targets.Suites(folder), [*seeds, fuzz_targets.SUITE.encode()]


def table_target(folder):
    """Cost tables, and the report that an accepted one prices."""
    return fuzz_targets.Tables(folder), [path.read_bytes() for path in sorted(TABLES.glob("*.toml"))]


def record_target(folder):
    """Records files as they are, or else with the checksums that they should have; the report of what is accepted."""
    target = fuzz_targets.Records(folder)

    def as_it_is_or_sealed(raw):
        accepted = target(raw)
        try:
            line = json.loads(raw)
            sealed = fuzz_targets.sealed(line).encode() if isinstance(line, dict) else None
        except (ValueError, RecursionError):  # no JSON: nothing to put a checksum on
            sealed = None
        return accepted if accepted or sealed is None else target(sealed)

    return as_it_is_or_sealed, [json.dumps(line | {"schema": 1}).encode() for line in fuzz_targets.sample_records()]


def data_target(folder):
    """Files of data sets; the first byte of an input says which."""
    target = fuzz_targets.Data(folder)
    names = target.names
    seeds = [bytes([index]) + target.sample(name) for index, name in enumerate(names)]
    return lambda raw: target(names[raw[0] % len(names)], raw[1:]) if raw else None, seeds


TARGETS = {"suite": suite_target, "table": table_target, "record": record_target, "data": data_target}


class Campaign:
    """What libFuzzer calls: counts inputs and what becomes of them, and ends the process at the last or the first bad.

    libFuzzer never comes back, so the process ends here.
    """

    def __init__(self, name, target, runs, folder):
        self.name, self.target, self.runs, self.folder = name, target, runs, folder
        self.inputs, self.accepted, self.began = 0, 0, time.monotonic()

    def __call__(self, raw):
        """Try one input."""
        self.inputs += 1
        try:
            self.accepted += self.target(raw) is not None
        except BaseException:  # noqa: BLE001 - whatever it is, it is what this looks for
            traceback.print_exc()
            saved = Path(f"fuzz-{self.name}-{hashlib.sha256(raw).hexdigest()[:12]}")
            saved.write_bytes(raw)
            self._end(1, f"found with input {self.inputs:,}, saved as {saved}")
        if self.inputs >= self.runs:
            self._end(0, "nothing found")

    def _end(self, status, words):
        spent = time.monotonic() - self.began
        print(f"{self.name}: {self.inputs:,} inputs, {self.accepted:,} accepted, {spent:.0f} s: {words}", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(status)


def main():
    """Fuzz one target."""
    parser = argparse.ArgumentParser(description="Fuzz a reader of files with bytes.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=20_000, help="inputs (default 20,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random changes (default 1)")
    parser.add_argument("--input", type=Path, help="try this saved input alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    files, corpus = folder / "files", folder / "corpus"
    files.mkdir()
    corpus.mkdir()
    target, seeds = TARGETS[options.target](files)
    if options.input:
        target(options.input.read_bytes())
        shutil.rmtree(folder)
        return
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    limits = [f"-max_len={LARGEST}", "-timeout=20", "-rss_limit_mb=6000", f"-artifact_prefix=fuzz-{options.target}-"]
    campaign = Campaign(options.target, target, options.runs, folder)
    atheris.Setup([sys.argv[0], f"-seed={options.seed}", *limits, str(corpus)], campaign)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
