"""The report as one markdown page: a pure function of suite, records and cost tables."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import BenchError, nearest
from bench.records.record import RunRecord
from bench.report.evidence.comparison import Comparison
from bench.report.evidence.evidence import Evidence
from bench.report.formats.text import escape, joined
from bench.report.sections import main_table as main
from bench.report.sections.accuracy import by_timestep, held_out, paired_tests, sample_by_sample
from bench.report.sections.activity import layers, neurons, not_counted, other_operations
from bench.report.sections.diagnostics import diagnostics
from bench.report.sections.energy import energy
from bench.report.sections.match import matched
from bench.report.sections.origin import provenance, recordings, unfinished
from bench.report.sections.settings import reproduce, settings
from bench.report.sections.simulation import measured_energy, simulation_cost
from bench.report.sections.verdict import verdict
from bench.suite.load import Suite

FIGURES = "figures"  # beside the page
CAPTIONS = {
    "accuracy_energy": "Test accuracy against estimated energy per sample",
    "training_curves": "Test accuracy and training loss per epoch",
    "firing_rate": "Firing rate of each neuron layer",
    "accuracy_by_timestep": "Accuracy after t timesteps",
    "gradient_flow": "Gradient norm of each neuron layer against the timestep, relative to the last timestep",
    "membrane": "Distribution of the membrane potential against the threshold in each neuron layer",
}
FORMATS = ("md", "csv", "latex")


def render_report(suite: Suite, records: Sequence[RunRecord], tables: Sequence[str] | None = None) -> str:
    """Return the whole report in markdown: the same bytes for the same suite, records (in any order) and tables.

    `tables` are cost tables by name or path; the suite's own where None. Raises UnknownNameError or TableError for a
    table that cannot be used.
    """
    return render_page(Evidence.of(suite, records, tables))


def render_page(evidence: Evidence) -> str:
    """Return the whole report in markdown."""
    comparison, priced = evidence.comparison, evidence.prices

    def figure(name: str) -> str:
        return f"![{CAPTIONS[name]}]({FIGURES}/{name}.svg)" if name in evidence.figures else ""

    sections = [
        ("Verdict", [verdict(comparison, evidence.leading)]),
        ("Comparison", [main.markdown(comparison, priced), _legend(comparison), figure("accuracy_energy")]),
        ("Missing and failed runs", [unfinished(comparison)]),
        ("Match", [matched(comparison)]),
        ("Accuracy against the baseline", [paired_tests(comparison)]),
        ("Accuracy on the held-out part of training", _held_out_section(comparison)),
        ("Accuracy after t timesteps", [by_timestep(comparison), figure("accuracy_by_timestep")]),
        ("Energy", [energy(comparison, priced)]),
        ("Operations per layer", [_layer_note(comparison), layers(comparison)]),
        ("Neurons", [NEURON_NOTE if _any_done(comparison) else "", neurons(comparison), figure("firing_rate")]),
        (
            "Temporal gradient and membrane",
            [*diagnostics(comparison), figure("gradient_flow"), figure("membrane")],
        ),
        ("Operations outside synapses and neurons", [other_operations(comparison)]),
        ("Not counted", [not_counted(comparison)]),
        ("Sample by sample", _sample_section(comparison)),
        ("Training curves", [figure("training_curves")]),
        ("Settings", [settings(comparison)]),
        ("Cost of the simulation", _cost_section(comparison)),
        ("Provenance", [provenance(comparison)]),
        ("Reproduce", [reproduce(comparison, evidence.tables)]),
    ]
    parts = [f"# {escape(comparison.suite.spec.title)}", _opening(comparison), *filter(None, [recordings(comparison)])]
    for heading, blocks in sections:
        kept = [block for block in blocks if block]
        if kept:
            parts += [f"## {heading}", *kept]
    return "\n\n".join(parts) + "\n"


def main_table(evidence: Evidence, compact: bool = False) -> str:
    """Return the main table in markdown; `compact` leaves eight columns and the first cost table."""
    return main.markdown(evidence.comparison, evidence.prices, compact)


def render_table(evidence: Evidence, format: str = "md") -> str:
    """Return the main table as `md`, `csv` (full precision) or `latex` (narrow). Raises BenchError for others."""
    comparison, priced = evidence.comparison, evidence.prices
    if format == "md":
        return main.markdown(comparison, priced)
    if format == "csv":
        return main.csv(comparison, priced)
    if format == "latex":
        return main.latex(comparison, priced)
    raise BenchError(f"unknown table format '{format}'; {nearest(format, FORMATS)}")


LAYER_NOTE = (
    "Per test sample, summed over all timesteps, mean over finished runs. Dense MACs count padding taps, valid ones do "
    "not. A synop is a non-zero input meeting a weight. *If cached once*: the input is the same at every timestep, so "
    "one pass would do; every other figure charges all timesteps."
)
NEURON_NOTE = "Firing rate: spikes per neuron per timestep. Mean over finished runs, learned parameters too."
COST_NOTE = (
    "What training took on the machine that simulated the networks; it says nothing about their energy. Peak memory is "
    "what was allocated on a GPU; on a CPU it is the whole process, its libraries included."
)
JOULES_NOTE = (
    "Measured energy of the simulation, idle power subtracted, mean ± sd over windows. It is what this machine spent "
    "on computing the networks step by step; the energy estimated above is that of other hardware."
)
HELD_OUT_NOTE = "Of the last epoch, mean ± sd over seeds. Settings are to be chosen by this, never by the test split."
SAMPLE_NOTE = "McNemar's exact test within a seed: descriptive, it knows nothing of the spread between seeds."


def _cost_section(comparison: Comparison) -> list[str]:
    if not _any_done(comparison):
        return []
    joules = measured_energy(comparison)
    return [COST_NOTE, simulation_cost(comparison), *([JOULES_NOTE, joules] if joules else [])]


def _opening(comparison: Comparison) -> str:
    spec, entries = comparison.suite.spec, comparison.trained
    slots = [slot for entry in entries for slot in entry.slots]
    done = sum(slot.done is not None for slot in slots)
    seeds = joined(map(str, spec.seeds))
    return (
        f"Suite `{spec.name}`, version {spec.version}: {len(entries)} entries, seeds {seeds}; "
        f"{done} of {len(slots)} runs finished. Baseline: {escape(spec.baseline)}."
    )


def _legend(comparison: Comparison) -> str:
    base = escape(comparison.baseline.label)
    return (
        "↑ higher is better, ↓ lower is better. Accuracy is of the last epoch on the test split, mean ± sd (n - 1) "
        "over n seeds; the best epoch is chosen on the test split and flatters. Counts and energy are per test sample, "
        f"summed over all timesteps. Energy is the dense figure; the ratios to {base} are dense to dense, then "
        "zero-skipping to zero-skipping."
    )


def _layer_note(comparison: Comparison) -> str:
    done = [record for entry in comparison.entries for record in entry.done]
    counted = joined(f"{record.samples_counted:,}" for record in done if record.samples_counted is not None)
    return f"Counted on {counted} test samples. {LAYER_NOTE}" if counted else ""


def _any_done(comparison: Comparison) -> bool:
    return any(entry.done for entry in comparison.entries)


def _held_out_section(comparison: Comparison) -> list[str]:
    body = held_out(comparison)
    return [HELD_OUT_NOTE, body] if body else []


def _sample_section(comparison: Comparison) -> list[str]:
    body = sample_by_sample(comparison)
    return [SAMPLE_NOTE, body] if body else []
