"""The kinds of machine that made the runs, seed by seed where they are several."""

from __future__ import annotations

from bench.records.machines import kinds_of_machine
from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.formats.document import Block, Paragraph, Table
from bench.report.formats.inline import Inline, Said, Strong, Text, join, text

NOT_RECORDED = "not recorded"
WHAT_IT_CHANGES = (
    "There the same seed begins with the same weights and the same samples, but sums are rounded otherwise and "
    "training carries that on: accuracy, firing rates and energy may differ as much as between two seeds."
)


def machines(comparison: Comparison) -> list[Block]:
    """Return one sentence where one kind of machine made all; else a table of kinds; nothing where none is recorded."""
    done = [record for entry in comparison.trained for record in entry.done]
    kinds = kinds_of_machine(done)
    if not kinds:
        return []
    named = {id(record) for made in kinds.values() for record in made}
    unnamed = [record for record in done if id(record) not in named]
    if len(kinds) == 1 and not unnamed:
        return [Paragraph(text("All finished runs were made on one kind of machine: ", Said(next(iter(kinds))), "."))]
    seeds = comparison.suite.spec.seeds
    rows: list[list[Inline]] = [
        [str(seed), Said(kind), join(", ", map(Said, labels))]
        for seed in seeds
        for kind, made in {**kinds, NOT_RECORDED: unnamed}.items()
        if (labels := _of(made, seed))
    ]
    mixed = [str(seed) for seed in seeds if sum(bool(_of(made, seed)) for made in kinds.values()) > 1]
    return [Paragraph(_said(len(kinds), mixed)), Table(["seed", "kind of machine", "entries"], rows, 3)]


def _of(made: list[RunRecord], seed: int) -> list[str]:
    return [record.label for record in made if record.seed == seed]


def _said(kinds: int, mixed: list[str]) -> Text:
    if kinds == 1:
        return text("Not every run says what kind of machine made it; it may have been another. ", WHAT_IT_CHANGES)
    within = f" Entries of one seed are compared across them: seed {', '.join(mixed)}." if mixed else ""
    return text(Strong("The runs were made on different kinds of machine."), f"{within} ", WHAT_IT_CHANGES)
