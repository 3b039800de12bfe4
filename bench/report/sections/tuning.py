"""What tuning found: the values chosen for each entry, on held-out training samples, and how flat the optimum is."""

from __future__ import annotations

import statistics

from bench.report.evidence.entry import Entry
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said
from bench.report.formats.text import fixed, number
from bench.report.sections.cells import label
from bench.suite.tuning import TunedSpec

NEAR = 0.5  # points

NOTE = (
    "Every entry had the same number of trials in the same space, by the same search (Optuna's tree-structured Parzen "
    "estimator, seeded), with its own values as the first. A trial was judged by the accuracy of its last epoch on a "
    "part of the training samples that it was not trained on; no test sample was looked at. The best of several noisy "
    "numbers flatters: what tuning gained is told by the test accuracies of the rows above, not by these."
)


def section(evidence: Evidence) -> list[Block]:
    """Return one row for each entry that was tuned; nothing without any."""
    found = [(entry, entry.spec.tuned) for entry in evidence.comparison.trained if entry.spec.tuned is not None]
    rows = [_row(entry, spec) for entry, spec in found]
    if not rows:
        return []
    header: list[Inline] = ["entry", "trials", "its own values", "held-out, %", "chosen values", "held-out, % "]
    spread: list[Inline] = ["median trial, %", f"trials within {NEAR:g} points of the best"]
    return [Paragraph(NOTE), Table([*header, *spread], rows, text_columns=1)]


def _row(entry: Entry, spec: TunedSpec) -> list[Inline]:
    own, best, accuracies = spec.trials[0], spec.best, spec.accuracies
    near = sum(accuracy >= best[-1] - NEAR for accuracy in accuracies)
    return [
        label(entry),
        str(len(spec.trials)),
        _values(spec, own),
        fixed(own[-1]),
        _values(spec, best) if best != own else "its own",
        fixed(best[-1]),
        fixed(statistics.median(accuracies)),
        str(near),
    ]


def _values(spec: TunedSpec, trial: list[float]) -> Inline:
    named = zip(spec.settings, trial, strict=False)
    return Said(", ".join(f"{name.rpartition('.')[2]} {number(value)}" for name, value in named))
