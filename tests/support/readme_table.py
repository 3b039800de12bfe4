"""Writes the tables of the README from records and docstrings: `python tests/support/readme_table.py`."""

from pathlib import Path

from bench.plugins import registry
from bench.records.lines import read_records
from bench.report.evidence.evidence import Evidence
from bench.report.formats.document import Table
from bench.report.formats.inline import Said, Verbatim
from bench.report.formats.markdown import Markdown, escape
from bench.report.page import main_table
from bench.suite.load import load_suite

ROOT = Path(__file__).parents[2]
BEGIN = "<!-- {} table: written by `python tests/support/readme_table.py`, checked by a test -->\n"
END = "<!-- end of {} table -->\n"


def results():
    """Return the main table of the records that say most, CIFAR-10's where they are there, and what they are of."""
    name = next(name for name in ("cifar10", "digits") if (ROOT / "reports" / name / "records.jsonl").is_file())
    suite = load_suite(ROOT / "suites" / f"{name}.toml")
    records = read_records(ROOT / "reports" / name / "records.jsonl")
    done = [record for record in records if record.status == "done"]
    devices = sorted({str(record.provenance["device"]) for record in done})
    seeds = {record.seed for record in done}
    words = (
        f"{escape(suite.spec.title)}; {suite.spec.train.epochs} epochs, {len(done)} runs (n = {len(seeds)} seeds) on "
        f"{escape(', '.join(devices))}. The [full report](reports/{name}/report.md) has every layer, the energy split "
        "and its assumptions."
    )
    return main_table(Evidence.of(suite, records), compact=True).strip() + "\n\n" + words


def neurons():
    """Return a row per built-in neuron: its name, equation and parameters, as its source says."""
    rows = []
    for name, info in sorted(registry.plugins("neuron").items()):
        words = [f"{parameter.name} = {parameter.default}" for parameter in info.parameters]
        assert not set("|`") & set(info.summary)  # what a code span in a table cannot hold
        rows.append([Verbatim(name), Verbatim(info.summary), Said(", ".join(words))])
    return Markdown().table(Table(["neuron", "what it computes", "parameters"], rows, 3))


def with_tables(text):
    """Return the README's text with each table between its markers."""
    for name, make in (("results", results), ("neurons", neurons)):
        before, rest = text.split(BEGIN.format(name))
        text = before + BEGIN.format(name) + "\n" + make().strip() + "\n\n" + END.format(name)
        text += rest.split(END.format(name))[1]
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text()))
