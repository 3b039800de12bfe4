"""Two sets of records side by side: before, after and ratio of every number that a report is made of."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.errors import RecordError
from bench.records.lines import parse_records, read_records
from bench.records.machines import kinds_of_machine
from bench.records.measurement import Measurement
from bench.records.record import RunRecord
from bench.report.evidence.deployed import deployed_record
from bench.report.evidence.quantities import (
    ACCURACY,
    DENSE_MACS,
    EFFECTIVE_SYNOPS,
    FIRING_RATE,
    TRAINING_TIME,
    Quantity,
)
from bench.report.evidence.statistics import summarise
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.markdown import Markdown
from bench.report.formats.text import NOT_AVAILABLE, number, ratio
from bench.suite.run_spec import on_frames

MEASURED = (ACCURACY, FIRING_RATE, EFFECTIVE_SYNOPS, DENSE_MACS)
RUNS = "finished runs"
MOST_NAMED = 4  # entries of a side


def diff(old: Sequence[RunRecord], new: Sequence[RunRecord]) -> str:
    """Return a markdown table of what differs between the seed means of two sets of records, entry by entry.

    Measured numbers that are equal are left out and counted in the first line; training time is always shown. Sides
    without a common entry are one line, and so are sides that were made on different kinds of machine.
    """
    old, new = _with_measured_again(old), _with_measured_again(new)
    both = {record.label for record in old} & {record.label for record in new}
    if old and new and not both:
        return f"No entry is on both sides: before has {_labels(old)}; after has {_labels(new)}."
    rows: list[list[Inline]] = []
    differing, compared = 0, 0
    for label in dict.fromkeys(record.label for record in [*old, *new]):
        before, after = _finished(old, label), _finished(new, label)
        pairs = {each.titled: (_mean(before, each), _mean(after, each)) for each in MEASURED}
        pairs = {RUNS: (float(len(before)), float(len(after)))} | pairs
        changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        compared, differing = compared + len(pairs), differing + len(changed)
        clock = (_mean(before, TRAINING_TIME), _mean(after, TRAINING_TIME))
        for name, (first, second) in (changed | {TRAINING_TIME.titled: clock}).items():
            change = ratio(second, first)
            cells = [number(first, 6), number(second, 6), NOT_AVAILABLE if change is None else f"{change:.4f}"]
            rows.append([Said(label), name, *cells])
    said = f"{differing} of {compared} measured numbers differ." if differing else "No measured number differs."
    blocks: list[Block] = [Paragraph(said)]
    first_kinds, second_kinds = (
        kinds_of_machine(record for record in side if record.label in both) for side in (old, new)
    )
    if first_kinds and second_kinds and first_kinds.keys() != second_kinds.keys():
        kinds = f"before on {'; '.join(first_kinds)} - after on {'; '.join(second_kinds)}."
        blocks.append(Paragraph(f"Made on different kinds of machine, which alone moves trained numbers: {kinds}"))
    if rows:
        blocks.append(Table(["entry", "mean over seeds", "before", "after", "ratio"], rows, 2))
    return Markdown().blocks(blocks)


def _labels(records: Sequence[RunRecord]) -> str:
    labels = list(dict.fromkeys(record.label for record in records))
    more = len(labels) - MOST_NAMED
    return ", ".join(labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _with_measured_again(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the records, and as records too what was measured with a deployed neuron or on other frames."""
    found: list[RunRecord] = []
    for record in records:
        found.append(record)
        if record.deployed is not None:
            label = f"{record.label} as {record.deployed.neuron['name']}"
            found += filter(None, [deployed_record(record, label)])
        nothing: dict[str, object] = Measurement().measured | {"wall_clock": {}}
        for tested in record.tested:
            told = {"label": on_frames(record.label, tested.frames), "accuracy_fraction": tested.accuracy_fraction}
            found.append(record.model_copy(update=nothing | told))
    return found


def _finished(records: Sequence[RunRecord], label: str) -> list[RunRecord]:
    return [record for record in records if record.label == label and record.status == "done"]


def _mean(records: Sequence[RunRecord], quantity: Quantity) -> float | None:
    return summarise([value for record in records if (value := quantity.value(record)) is not None]).mean


def load_side(source: str) -> list[RunRecord]:
    """Return the records of a file, or of every `reports/<suite>/records.jsonl` at a git revision.

    Labels get the suite's name in front, so that entries of several suites stay apart. Raises RecordError when
    `source` is neither.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "records.jsonl"
    if path.is_file():
        return _named(read_records(path), path)
    files = [Path(name) for name in _git(source, "ls-tree", "-r", "--name-only", source, "--", "reports").splitlines()]
    files = [file for file in files if re.fullmatch(r"reports/[^/]+/records\.jsonl", file.as_posix())]
    if not files:
        raise RecordError(f"{source}: this revision has no reports/<suite>/records.jsonl")
    found = []
    for file in files:
        lines = _git(source, "show", f"{source}:./{file.as_posix()}").split("\n")
        found += _named(parse_records(lines, f"{source}:{file}"), file)
    return found


def _named(records: Sequence[RunRecord], path: Path) -> list[RunRecord]:
    suite = path.resolve().parent.name if path.name == "records.jsonl" else ""
    prefix = f"{suite}/" if suite else ""
    return [record.model_copy(update={"label": prefix + record.label}) for record in records]


def _git(source: str, *arguments: str) -> str:
    if source.startswith("-"):
        raise RecordError(f"{source}: neither a records file nor a git revision")
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        raise RecordError(
            f"{source}: neither a records file nor a git revision; name reports/<suite>/records.jsonl or a commit"
        ) from None
    return done.stdout
