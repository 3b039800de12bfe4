"""Writes the digits table of the README from the committed records: `python tests/readme_table.py`."""

from pathlib import Path

from bench.report.markdown import main_table
from bench.store import read_records
from bench.suite import load_suite

ROOT = Path(__file__).parents[1]
BEGIN = "<!-- digits table: written by `python tests/readme_table.py`, checked by a test -->\n"
END = "<!-- end of digits table -->\n"


def with_table(text: str) -> str:
    """Return the README's text with the table that the committed records give between the markers."""
    suite = load_suite(ROOT / "suites" / "digits.toml")
    table = main_table(suite, read_records(ROOT / "reports" / "digits" / "records.jsonl"), compact=True)
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + table.strip() + "\n\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text()))
