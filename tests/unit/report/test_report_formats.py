"""Formats: one document written in several ways, each escaping by itself, and formats of strangers in one file."""

import shutil

import pytest
from support import ROOT
from support.command import spikebench
from support.laboratory import RULE, TABLE
from support.reports import diagnosed, failed, layer, make_records, make_suite

from bench.errors import ParameterError, UnknownNameError
from bench.plugins.registry import plugins
from bench.report.evidence.evidence import Evidence
from bench.report.formats.base import Markup, PageFormat, format_named
from bench.report.formats.document import Bullets, Code, Figure, Paragraph, Section, Table
from bench.report.formats.inline import Emphasis, Said, Strong, Text, Verbatim, join, listed, text
from bench.report.formats.latex import Latex
from bench.report.formats.markdown import Markdown
from bench.report.page import document, render_page, table_in
from bench.report.sections.counts_of_run import counts
from bench.report.sections.diagnostics_of_run import diagnostics

ODD = "<b>|*_$"  # special to markdown, HTML and LaTeX
ODD_LABEL = "*_$ \\[x](y)&~#"  # of what a label may hold


def coded(words):
    """What no escaping for another format can look like."""
    return "⟨" + "·".join(f"{ord(mark):x}" for mark in words) + "⟩"


class Coded(Markup, PageFormat):
    """Every word of others as the numbers of its characters; a line a block."""

    suffix = ".coded"

    def main_table(self, table):
        return self.lines([table.narrow])

    def page(self, document):
        return f"{self.inline(document.title)}\n{self.lines(document.blocks)}"

    def lines(self, blocks, level=1):
        return "\n".join(self.line(block, level) for block in blocks)

    def line(self, block, level):
        match block:
            case Paragraph(words):
                return self.inline(words)
            case Bullets(items):
                return "\n".join(f"- {self.inline(item)}" for item in items)
            case Table(header, rows):
                return "\n".join("\t".join(map(self.inline, row)) for row in (header, *rows))
            case Figure():
                return f"{block.path}: {block.caption}"
            case Code(lines):
                return lines
            case Section(heading, inner):
                return f"{'=' * level} {self.inline(heading)}\n{self.lines(inner, level + 1)}"

    def plain(self, words):
        return words

    def said(self, words):
        return coded(words)

    def strong(self, written):
        return f"⟪{written}⟫"

    def emphasis(self, written):
        return f"/{written}/"

    def verbatim(self, words):
        return f"={words}="


def odd_suite():
    """A suite with records in which every word that may be odd is."""
    suite = make_suite(labels=(ODD_LABEL, "B" + ODD_LABEL, "C" + ODD_LABEL), measure={"diagnostics": True})
    records = []
    for record in map(diagnosed, make_records(suite)):
        graded = layer(ODD, record.spec["timesteps"], "graded", 2000, 2000, 0, kind=ODD, input_nonzero_total=0)
        graded = graded.model_copy(update={"graded_acs_total": 0, "input_unit": 0.5, "input_levels": 4})
        odd = {"name": ODD, "neuron": ODD, "ops_per_update": {ODD: 1.0}}
        neurons = [neuron.model_copy(update=odd) for neuron in record.neurons]
        others = [o.model_copy(update={"name": ODD, "ops_per_sample": {ODD: 1.0}}) for o in record.other_ops]
        changes = {"layers": [record.layers[0], graded], "neurons": neurons, "other_ops": others, "not_counted": [ODD]}
        digests = record.digests.model_copy(update={"code": ODD, "sample_order": ODD + str(record.seed)})
        changes |= {"provenance": {"device": ODD, ODD: ODD}, "digests": digests}
        if record.diagnostics:
            layers = [part.model_copy(update={"name": ODD, "neuron": ODD}) for part in record.diagnostics.layers[:1]]
            changes["diagnostics"] = record.diagnostics.model_copy(update={"layers": layers})
        records.append(record.model_copy(update=changes))
    return suite, [*records[:-1], failed(suite.runs[-1], ODD)]


def test_another_format_escapes_every_word_of_others_and_finds_none_escaped_already():
    suite, records = odd_suite()
    run, record = suite.runs[3], records[3]
    whole = document(Evidence.of(suite, records))
    blocks = [*counts(record), *diagnostics(run, record.diagnostics)]
    page = Coded().page(whole) + Coded().lines(blocks)
    for words in (ODD, ODD_LABEL, "B" + ODD_LABEL):
        assert page.count(coded(words)) > 5
    assert "_$" not in page and "<b>" not in page  # as it was written
    assert not any(mark in page for mark in ("\\", "&lt;", "&amp;", "&#124;", "**", "|", "`"))  # as markdown has it
    shown = Markdown().page(whole) + Markdown().blocks(blocks)
    assert "<b>" not in shown and shown.count(r"&lt;b&gt;&#124;\*\_\$") > 20


def test_the_other_format_has_everything_that_markdown_has():
    suite, records = odd_suite()
    evidence = Evidence.of(suite, records)
    lines = Coded().page(document(evidence)).splitlines()
    headings = [line.removeprefix("## ") for line in render_page(evidence).splitlines() if line.startswith("## ")]
    assert [line.removeprefix("= ") for line in lines if line.startswith("= ")] == headings
    assert len([line for line in lines if line.startswith("figures/")]) == render_page(evidence).count("](figures/")


def test_words_are_put_together():
    assert text("a", "", text(Said("b"), text()), "c") == Text(("a", Said("b"), "c"))
    assert join(", ", []) == text() and not text()
    assert join(" and ", [Said("a"), "b"]) == text(Said("a"), " and ", "b")
    assert listed(map(Said, "aba")) == text(Said("a"), ", ", Said("b"))


def test_latex_writes_every_kind_of_span():
    words = text("50 % ", Strong(Said("a_b")), " ", Emphasis("×"), " ", Verbatim("f_1"))
    assert Latex().inline(words) == r"50 \% \textbf{a\_b} \emph{$\times$} \texttt{f\_1}"


def test_formats_are_found_in_their_folder():
    assert sorted(plugins("format")) == ["csv", "latex", "md"]
    assert format_named("md").suffix == ".md" and not isinstance(format_named("csv"), PageFormat)


ORG = '''
from bench.report.formats.base import Markup, PageFormat


class Org(Markup, PageFormat):
    """Org mode."""

    suffix = ".org"

    def main_table(self, table):
        return "\\n".join("| " + " | ".join(map(self.inline, row)) + " |" for row in table.narrow.rows)

    def page(self, document):
        return f"#+title: {self.inline(document.title)}\\n"

    def plain(self, words):
        return words

    def said(self, words):
        return words.replace("|", "\\\\vert{}")

    strong = emphasis = verbatim = plain


class Other:
    """No format."""


class Half(Markup, PageFormat):
    """A format that was not finished."""


class Bare(Org):
    """A format with a suffix that is none."""

    suffix = "../org"


class Same(Org):
    """A format whose page would replace that in markdown."""

    suffix = ".md"


class Mute(Org):
    """A format that forgets to return what it wrote."""

    def main_table(self, table):
        super().main_table(table)
'''


@pytest.fixture
def laboratory(tmp_path, monkeypatch):
    (tmp_path / "orglab").mkdir()
    (tmp_path / "orglab" / "__init__.py").touch()
    (tmp_path / "orglab" / "formats.py").write_text(ORG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_format_that_cannot_be_used_is_one_message(laboratory, monkeypatch):
    with pytest.raises(UnknownNameError, match="unknown format 'latx'; did you mean 'latex'"):
        format_named("latx")
    with pytest.raises(ParameterError, match=r"would import 'orglab\.formats' .* SPIKEBENCH_TRUST"):
        format_named("orglab.formats:Org")
    monkeypatch.setenv("SPIKEBENCH_TRUST", "orglab")
    with pytest.raises(ParameterError, match=r"Other should inherit from bench\.report\.formats\.base\.Format"):
        format_named("orglab.formats:Other")
    with pytest.raises(ParameterError, match="Half should have emphasis, main_table, page, plain, said, strong, verb"):
        format_named("orglab.formats:Half")
    with pytest.raises(ParameterError, match=r"Bare should have a suffix as '\.html', not '\.\./org'"):
        format_named("orglab.formats:Bare")
    with pytest.raises(
        ParameterError, match=r"Same should have a suffix other than '\.md', that of the page in markdown"
    ):
        format_named("orglab.formats:Same")
    with pytest.raises(ParameterError, match=r"format 'orglab\.formats:Mute': should return text, not NoneType"):
        table_in(format_named("orglab.formats:Mute"), Evidence.of(make_suite(), []))


def test_a_strangers_format_prints_the_main_table_and_writes_a_page(laboratory):
    shutil.copytree(ROOT / "reports" / "digits", laboratory / "reports" / "digits")
    shutil.copytree(ROOT / "suites", laboratory / "suites")
    report = ("report", "suites/digits.toml", "--format", "orglab.formats:Org")
    folder = laboratory / "reports" / "digits"
    before = (folder / "report.md").read_bytes()
    done = spikebench(*report, cwd=laboratory)
    assert done.returncode == 2 and "SPIKEBENCH_TRUST=orglab.formats" in done.stderr and not done.stdout
    done = spikebench(*report, "--trust", cwd=laboratory)
    assert done.stderr.splitlines() == ["reports/digits/report.org", "reports/digits/report.md"]
    assert done.returncode == 0 and done.stdout.startswith("| ANN | 1 | "), done.stderr
    assert (folder / "report.org").read_text() == "#+title: Digits 8x8, small convnet: ReLU, LIF, PLIF, CLIF\n"
    assert (folder / "report.md").read_bytes() == before


def test_the_rule_of_a_table_that_an_option_names_is_run_with_trust(laboratory):
    shutil.copytree(ROOT / "reports" / "digits", laboratory / "reports" / "digits")
    (laboratory / "theirrule.py").write_text(RULE)
    (laboratory / "theirs.toml").write_text(TABLE.replace("RULE", "theirrule:Synops"))
    report = ("report", ROOT / "suites" / "digits.toml", "--table", "theirs.toml")
    done = spikebench(*report, cwd=laboratory)
    assert done.returncode == 2 and "rule 'theirrule:Synops' would import 'theirrule'" in done.stderr
    done = spikebench(*report, "--trust", cwd=laboratory)
    assert done.returncode == 0 and "theirs" in done.stdout, done.stderr


def test_an_unknown_format_is_refused_before_anything_is_read():
    done = spikebench("report", ROOT / "suites" / "digits.toml", "--check", "--format", "latx")
    assert done.returncode == 2 and "unknown format 'latx'; did you mean 'latex'?" in done.stderr
