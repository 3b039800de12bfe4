"""The report as one page, and its main table, in any format: pure functions of suite, records and cost tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.records.record import RunRecord
from bench.report.evidence.evidence import Evidence
from bench.report.formats.base import Format, text_of
from bench.report.formats.document import Block, Document, Section
from bench.report.formats.inline import Said
from bench.report.formats.markdown import Markdown
from bench.report.sections import (
    comparison,
    conventions,
    diagnostics,
    energy,
    expected,
    held_out,
    layers,
    match,
    needs_time,
    neurons,
    not_counted,
    other_operations,
    paired,
    provenance,
    reproduce,
    samples,
    settings,
    simulation,
    spike_driven,
    timesteps,
    training_curves,
    tuning,
    unfinished,
    verdict,
)
from bench.report.sections.main_table import all_forms, full_table, narrow_table
from bench.report.sections.opening import opening
from bench.suite.load import Suite

# In their order; a section of which nothing is there to be said has no heading either.
SECTIONS: tuple[tuple[str, Callable[[Evidence], list[Block]]], ...] = (
    ("Verdict", verdict.section),
    ("Comparison", comparison.section),
    ("Missing and failed runs", unfinished.section),
    ("Match", match.section),
    ("Accuracy compared", paired.section),
    ("Does this task need time?", needs_time.section),
    ("Expected values", expected.section),
    ("Accuracy on the held-out part of training", held_out.section),
    ("Accuracy after t timesteps", timesteps.section),
    ("Energy", energy.section),
    ("Energy by conventions of others", conventions.section),
    ("Operations per layer", layers.section),
    ("Spike-driven", spike_driven.section),
    ("Neurons", neurons.section),
    ("Temporal gradient and membrane", diagnostics.section),
    ("Operations outside synapses and neurons", other_operations.section),
    ("Not counted", not_counted.section),
    ("Sample by sample", samples.section),
    ("Training curves", training_curves.section),
    ("Settings", settings.section),
    ("Tuning", tuning.section),
    ("Cost of the simulation", simulation.section),
    ("Provenance", provenance.section),
    ("Reproduce", reproduce.section),
)


def render_report(
    suite: Suite,
    records: Sequence[RunRecord],
    tables: Sequence[str] | None = None,
    conventions: Sequence[str] = (),
) -> str:
    """Return the whole report in markdown: the same bytes for the same suite, records (in any order) and tables.

    `tables` are cost tables by name or path; the suite's own where None. `conventions` of others have a section where
    any are named. Raises UnknownNameError or TableError for a table that cannot be used, UnknownNameError or
    ParameterError for a convention.
    """
    return render_page(Evidence.of(suite, records, tables, conventions))


def document(evidence: Evidence) -> Document:
    """Return the whole report, in no format yet."""
    sections = [Section(heading, blocks) for heading, section in SECTIONS if (blocks := section(evidence))]
    return Document(Said(evidence.comparison.suite.spec.title), [*opening(evidence), *sections])


def render_page(evidence: Evidence) -> str:
    """Return the whole report in markdown."""
    return Markdown().page(document(evidence))


def conventions_in_markdown(evidence: Evidence) -> str:
    """Return the section of the conventions that were asked for, in markdown; empty where none was."""
    return Markdown().blocks(conventions.section(evidence))


def main_table(evidence: Evidence, compact: bool = False) -> str:
    """Return the main table in markdown; `compact` leaves the columns that fit a page."""
    return Markdown().table(narrow_table(evidence) if compact else full_table(evidence))


def table_in(format: Format, evidence: Evidence) -> str:
    """Return the main table in a format. Raises ParameterError where the format makes no text of it."""
    return text_of(format, format.main_table(all_forms(evidence)))
