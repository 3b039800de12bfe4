"""The section of a report that computes energy as others do."""

import pytest
from support.reports import cells, make_record, make_suite, section

from bench.report.evidence.evidence import Evidence
from bench.report.page import render_report

HEADING = "Energy by conventions of others"


@pytest.fixture
def told(suite, records):
    """Records that know which layer sees the network's own input."""
    return [
        record.model_copy(
            update={"layers": [record.layers[0].model_copy(update={"network_input": True}), record.layers[1]]}
        )
        for record in records
    ]


def tables_of(text):
    return [cells(block) for block in text.split("\n\n") if block.startswith("| ")]


def test_nothing_changes_where_no_convention_is_asked_for(suite, told):
    assert HEADING not in render_report(suite, told)
    assert render_report(suite, told) == render_report(suite, told, None, ())
    page = render_report(suite, told, None, ["sdt"])
    assert page.replace(f"\n## {HEADING}\n{section(page, HEADING)}", "") == render_report(suite, told)


def test_energy_by_a_convention_beside_ours_with_the_causes(suite, told):
    text = section(render_report(suite, told, None, ["sdt"]), HEADING)
    totals, causes, rates = tables_of(text)
    # ANN: 3,000 MACs. LIF: 2 x 1,000 MACs and half of 2 x 2,000 dense operations as accumulates.
    assert totals[0] == ["entry, nJ per sample", "by sdt", "× ANN", "ours, horowitz-fp32, dense", "× ANN", "difference"]
    assert totals[1] == ["ANN", "13.80", "1×", "13.85", "1×", "-0.04500"]
    assert totals[2] == ["LIF", "11", "0.797×", "9.712", "0.701×", "+1.288"]
    # Of ours, per sample: 60 biases of 0.9 pJ, 40 updates of 10.1 pJ; 60 synops where the rate gives 2,000: 1,746 pJ.
    assert causes[0] == [
        "difference, nJ, by cause",
        "without our bias",
        "without our neuron",
        "rate × dense",
        "together",
    ]
    assert causes[2] == ["LIF", "-0.05400", "-0.4040", "+1.746", "**+1.288**"]
    assert ["LIF", "fc", "AC", "0.5000", "2", "1", "2"] in rates


def test_several_conventions_have_a_subsection_each_and_no_name_counts_twice(suite, told):
    text = section(render_report(suite, told, None, ["clif", "syops", "clif"]), HEADING)
    assert [line for line in text.splitlines() if line.startswith("### ")] == ["### clif", "### syops"]
    assert "n/a, at least" in text and "(of the lower bound)" in text
    assert "the script knows" not in text and "*In the number*" in text


def test_what_is_missing_is_named_and_never_a_number(suite, records):
    text = section(render_report(suite, records, None, ["sdt"]), HEADING)
    totals, *_ = tables_of(text)
    assert [row[1] for row in totals[1:]] == ["13.80", "n/a", "n/a"]
    assert "* n/a for LIF, CLIF. Missing: which layer is the first" in text


def test_the_mean_over_seeds_is_exact(suite, told):
    evidence = Evidence.of(suite, told, None, ["neurobench"])
    (converted,) = evidence.conventions
    for entry in evidence.comparison.entries:
        difference = float(sum(converted.causes(entry).values()))
        assert difference == pytest.approx(converted.mean(entry) - converted.our_mean(entry), rel=1e-12)


def test_a_suite_without_finished_runs_has_no_section():
    suite = make_suite()
    assert HEADING not in render_report(suite, [], None, ["sdt"])
    [run, *_] = suite.runs
    assert HEADING in render_report(suite, [make_record(run)], None, ["sdt"])
