"""Estimated energy in detail: a part per cost table, and what does not depend on a table."""

from __future__ import annotations

from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Block, Paragraph
from bench.report.formats.inline import Emphasis, text
from bench.report.sections.bit_matched import bit_matched
from bench.report.sections.break_even import break_even
from bench.report.sections.cells import label
from bench.report.sections.energy_tables import energy_tables
from bench.report.sections.over_seeds import over_seeds
from bench.report.sections.published_bounds import published_bounds
from bench.report.sections.reference import reference


def section(evidence: Evidence) -> list[Block]:
    """Return what the figures mean, one subsection per cost table, and the baselines and bounds beside them."""
    return [
        _preface(evidence.comparison),
        *_quantised(evidence.comparison),
        *over_seeds(evidence.comparison),
        *(energy_tables(evidence, each) for each in evidence.prices),
        *reference(evidence),
        *break_even(evidence),
        *bit_matched(evidence),
        *published_bounds(evidence),
    ]


def _quantised(comparison: Comparison) -> list[Block]:
    """Say how layers of few bits, and weights that are zero, are charged, where there are some."""
    layers = [layer for entry in comparison.entries for record in entry.done for layer in record.layers]
    said: list[str] = []
    if any(layer.input_bits or layer.weight_bits for layer in layers):
        said.append(
            "Layers whose inputs or weights were trained, or rounded, to few bits are charged for these: the "
            "multiplication of a MAC in proportion to the product of both widths, accesses to inputs and weights to "
            "theirs, under a table that says its own; accumulates and what a layer writes keep their price. An image "
            "is as wide as the table's operands."
        )
    if any(layer.zero_weights for layer in layers):
        said.append(
            "Zero-skipping also skips weights that are zero, of spiking layers too, at no charge for finding them."
        )
    return [Paragraph(" ".join(said))] if said else []


def _preface(comparison: Comparison) -> Block:
    return Paragraph(
        text(
            "Derived from the counts, per test sample and summed over all timesteps; mean over finished runs. ",
            "A ratio's interval is Student's of the logarithms of the ratios of single seeds, from three seeds on; ",
            "those of all entries under all tables, dense and zero-skipping, hold at once with 95 %. ",
            *(Emphasis("Dense"), ": an analog layer is charged every multiply-accumulate. "),
            *(Emphasis("Zero-skipping"), ": an analog layer skips zero inputs, in ", label(comparison.baseline)),
            " and in every other entry alike. n/a: an operation has no price in the table, or is outside "
            "its scope; it is never counted as 0.",
        )
    )
