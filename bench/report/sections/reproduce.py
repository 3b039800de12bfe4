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
    path = shlex.quote(_from_here(suite.path))
    seeds = sorted({slot.run.seed for entry in comparison.trained for slot in entry.slots if slot.record is not None})
    chosen = [f" --seed {seed}" for seed in seeds] if seeds and seeds != sorted(suite.spec.seeds) else [""]
    trust = " --trust" if suite.outside_modules else ""
    runs = [f"spikebench run {path}{seed}{trust}" for seed in chosen]
    extra = "".join(f" --table {shlex.quote(name)}" for name in evidence.tables if name not in suite.spec.energy)
    priced = " --trust" if trust or outside_modules(rules_of(evidence.tables)) else ""
    return [Code(" && ".join([*runs, f"spikebench report {path}{extra}{priced}"]))]


def _from_here(path: Path) -> str:
    """Return a suite's path as it is typed beside `reports/`, however it was typed for this report.

    A suite that lies elsewhere in a folder `suites/` is said to be in the one of whoever reads the report.
    """
    here = os.path.relpath(path)
    if not here.startswith(os.pardir):
        return Path(here).as_posix()
    return f"suites/{path.name}" if path.parent.name == "suites" else Path(here).as_posix()
