"""Seeds added to a suite until its comparisons are settled: `run --until-settled`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from bench.commands.options import out
from bench.errors import BenchError
from bench.execute.interrupts import interrupts_deferred

if TYPE_CHECKING:
    from bench.report.evidence.comparison import Comparison
    from bench.store.store import Store
    from bench.suite.load import Suite


def refuse_others(until_settled: bool, options: Mapping[str, object]) -> None:
    """Refuse options that make no sense here. Raises BenchError."""
    if not until_settled:
        raise BenchError("--most-seeds: only with --until-settled, which adds seeds; add it or leave this out")
    given = [name for name, value in options.items() if value]
    if given:
        raise BenchError(f"--until-settled runs every entry with the same seeds; leave {' and '.join(given)} out")


def settle(
    suites: Sequence[Suite], store: Store, most: int | None, execute: Callable[[Sequence[Suite]], None], dry_run: bool
) -> None:
    """Execute each suite with its own seeds, then with more, look by look, while a comparison is open.

    most: the greatest number of seeds, where it is less than the suite's. execute: does what a suite asks for.
    Raises BenchError for a suite that does not say in advance how many seeds it may be given.
    """
    for suite in suites:
        _check(suite, most)
    failed: typer.Exit | None = None
    for suite in suites:
        try:
            _settle(suite, store, min(most or suite.looks.most, suite.looks.most), execute, dry_run)
        except typer.Exit as ended:
            if ended.exit_code != 1:  # interrupted
                raise
            failed = ended  # the other suites go on
    if failed is not None:
        raise failed


def _check(suite: Suite, most: int | None) -> None:
    if not suite.looks.repeated:
        raise BenchError(
            f"{suite.path}: no most_seeds; add a line like `most_seeds = 20` below its seeds: intervals are corrected "
            "for how often results are looked at, so how often has to be said before"
        )
    [first, *others] = suite.spec.entries
    if not (others or first.deploy or first.tested):
        raise BenchError(f"{suite.path}: one entry has no comparison to settle; leave --until-settled out")
    if most is not None and not len(suite.spec.seeds) <= most <= suite.looks.most:
        raise BenchError(
            f"--most-seeds {most}: {suite.path} begins with {len(suite.spec.seeds)} seeds, and its intervals are "
            f"corrected for at most {suite.looks.most}; choose from there"
        )


def _settle(suite: Suite, store: Store, most: int, execute: Callable[[Sequence[Suite]], None], dry_run: bool) -> None:
    from bench.execute.plan import plan
    from bench.report.evidence.comparison import compare

    for seeds in suite.looks.seeds:
        if seeds > most:
            out.print(f"{suite.path}: the next look is at {seeds} seeds; stopped")
            return
        larger = suite.with_seeds(seeds)
        execute([larger])
        if dry_run and plan([larger], store)[1]:
            later = [str(look) for look in suite.looks.seeds if seeds < look <= most]
            then = f"; then, while one is open, at {', '.join(later)}" if later else ""
            out.print(f"{suite.path}: comparisons are looked at when these are done, at {seeds} seeds{then}")
            return
        with interrupts_deferred():
            comparison = compare(suite, store.collect(suite))
            found = _open(comparison)
            out.print(_in_words(comparison, found))
        if not found:
            return


def _open(comparison: Comparison) -> list[str]:
    """Return the comparisons that are not settled, by name."""
    from bench.report.evidence.decisions import judge

    margin = comparison.suite.spec.margin_points
    return [name for name, found in comparison.questions if not judge(found, margin).established]


def _in_words(comparison: Comparison, found: Sequence[str]) -> str:
    count, seeds = comparison.decided, len(comparison.suite.spec.seeds)
    still = f"; open: {', '.join(found)}" if found else ""
    return f"{comparison.suite.path}: {count - len(found)} of {count} comparisons settled at {seeds} seeds{still}"
