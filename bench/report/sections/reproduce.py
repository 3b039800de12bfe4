"""The command that makes a report again."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from bench.plugins.registry import outside_modules
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Code
from bench.suite.load import rules_of


def section(evidence: Evidence) -> list[Block]:
    """Return the command that makes the records and this report, with its cost tables."""
    comparison, suite = evidence.comparison, evidence.comparison.suite
    path = shlex.quote(Path(os.path.relpath(suite.path)).as_posix())  # as it is typed beside reports/
    seeds = sorted({slot.run.seed for entry in comparison.trained for slot in entry.slots if slot.record is not None})
    chosen = [f" --seed {seed}" for seed in seeds] if seeds and seeds != sorted(suite.spec.seeds) else [""]
    trust = " --trust" if suite.outside_modules else ""
    runs = [f"spikebench run {path}{seed}{trust}" for seed in chosen]
    extra = "".join(f" --table {shlex.quote(name)}" for name in evidence.tables if name not in suite.spec.energy)
    priced = " --trust" if trust or outside_modules(rules_of(evidence.tables)) else ""
    return [Code(" && ".join([*runs, f"spikebench report {path}{extra}{priced}"]))]
