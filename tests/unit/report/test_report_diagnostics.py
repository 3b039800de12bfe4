"""Diagnostics on the page and in the figures; the numbers are those of `report_fixtures.diagnosed`."""

from pathlib import Path

import matplotlib
import pytest
from support.reports import cells, diagnosed, make_record, make_records, make_suite, section

from bench.errors import BenchError
from bench.records.diagnostics import Diagnostics
from bench.records.record import RunRecord
from bench.report.evidence.diagnostics_data import gradient_layers
from bench.report.evidence.evidence import Evidence
from bench.report.figures.draw import DRAWINGS
from bench.report.figures.drawing import STYLE, looks_of
from bench.report.figures.endings import format_of
from bench.report.figures.panels import run_figure
from bench.report.formats.markdown import Markdown
from bench.report.page import render_report
from bench.report.sections.diagnostics_of_run import diagnostics

HEADING = "Temporal gradient and membrane"
LABELS = ["ANN", "LIF", "CLIF"]


@pytest.fixture
def suite():
    return make_suite(measure={"diagnostics": True})


@pytest.fixture
def records(suite):
    return list(map(diagnosed, make_records(suite)))


def sentence(suite, records):
    [found] = [line for line in section(render_report(suite, records), HEADING).splitlines() if "reaches" in line]
    return found


def test_a_page_without_diagnostics_has_no_such_section():
    suite = make_suite()
    report = render_report(suite, make_records(suite))
    assert HEADING not in report and "diagnostics" not in report
    assert not {"gradient_flow", "membrane"} & set(Evidence.of(suite, make_records(suite)).figures)


def test_the_sentence_is_the_mean_over_layers_and_seeds(suite, records):
    # LIF: means of the layers 0.2, 0.3, 0.4; CLIF: 0.5, 0.25, 0.6. Ratio 0.45 / 0.3.
    assert sentence(suite, records) == (
        "At T = 2 the gradient that reaches t = 1 is 30 % of that at t = 2 in LIF and 45 % in CLIF "
        "(mean over layers, n = 3). The share in CLIF is 1.50 times that in LIF; it is the larger of the two in 2 of 3 "
        "seeds."
    )


def test_the_sentence_falls_whichever_way_the_numbers_do(suite):
    plain = make_records(suite)
    swapped = [diagnosed(r, (0.5, 0.5) if r.label == "LIF" else (0.25, 0.25)) for r in plain]
    assert "The share in LIF is 2 times that in CLIF; it is the larger of the two in 3 of 3" in sentence(suite, swapped)
    same = [diagnosed(record, (0.5, 0.5)) for record in plain]
    assert sentence(suite, same).endswith("No entry has more than another.")
    none = [diagnosed(r, (0.0, 0.0) if r.label == "LIF" else (0.25, 0.25)) for r in plain]
    assert "is 0 % of that at t = 2 in LIF" in sentence(suite, none)
    assert "more than nothing against that in LIF" in sentence(suite, none)


def test_other_numbers_of_seeds_are_said_entry_by_entry(suite, records):
    assert sentence(suite, records[:-1]).startswith(
        "At T = 2 the gradient that reaches t = 1 is 30 % of that at t = 2 in LIF (n = 3) and 37.5 % in CLIF (n = 2) "
        "(mean over layers)."
    )
    alone = sentence(suite, records[:6])
    assert (
        alone == "At T = 2 the gradient that reaches t = 1 is 30 % of that at t = 2 in LIF (mean over layers, n = 3)."
    )


def test_a_layer_without_gradient_is_left_out_of_the_mean_and_said(suite):
    records = [diagnosed(r, (None, 0.25)) for r in make_records(suite)]
    assert "25 % of that" in sentence(suite, records)
    assert "no gradient" in section(render_report(suite, records), HEADING)
    records = [diagnosed(r, (None, None)) for r in make_records(suite)]
    assert "reaches" not in section(render_report(suite, records), HEADING)
    figures = Evidence.of(suite, records).figures
    assert "gradient_flow" not in figures and "membrane" in figures


def test_the_table_of_an_entry(suite, records):
    text = section(render_report(suite, records), HEADING)
    assert "### ANN" not in text and "On the first 10 test samples." in text
    lif = text.split("### LIF\n\n")[1].split("\n\n")
    assert lif[0] == "T = 2, n = 3: mean over runs, smallest to largest in brackets."
    _, first, second = cells(lif[1])
    assert first == ["a", "20", "20 % (10 to 30)", "2", "25 %", "5 %", "-1 ± 0.500", "70 %", "50 %", "0.250"]
    assert second[:7] == ["b", "20", "40 % (30 to 50)", "4", "0 %", "0 %", "never calls `fire`"]
    assert "measure.diagnostics" in render_report(suite, records)


def test_figure_data_by_hand(suite, records):
    data = Evidence.of(suite, records).figures
    flow, membrane = data["gradient_flow"], data["membrane"]
    assert [entry["label"] for entry in flow["entries"]] == ["LIF", "CLIF"]
    assert flow["entries"][0]["layers"][0] == {
        "layer": "a",
        "timesteps": [1, 2],
        "relative_mean": [0.2, 1.0],
        "relative_low": [0.1, 1.0],
        "relative_high": [0.3, 1.0],
    }
    assert membrane["entries"][1]["layers"] == [
        {
            "layer": "a",
            "bins_from": -1.0,
            "bins_to": 1.0,
            "share_mean": [0.2, 0.5, 0.2, 0.0],
            "below_mean": 0.09,
            "above_mean": 0.01,
        }
    ]


@pytest.mark.parametrize("chosen", [slice(None), slice(3, 6), slice(0, None, 3)])
def test_the_figures_draw_what_their_data_say(suite, records, chosen):
    data = Evidence.of(suite, records[chosen]).figures
    with matplotlib.rc_context(STYLE):
        flow = DRAWINGS["gradient_flow"](data["gradient_flow"], looks_of(LABELS))
        membrane = DRAWINGS["membrane"](data["membrane"], looks_of(LABELS))
    assert [axes.get_title() for axes in flow.axes] == ["a", "b"] and len(membrane.axes) == 1
    for axes, index in zip(flow.axes, (0, 1), strict=True):
        drawn = [list(line.get_ydata()) for line in axes.lines]
        assert drawn == [entry["layers"][index]["relative_mean"] for entry in data["gradient_flow"]["entries"]]
        assert axes.get_yscale() == "log" and axes.get_xlabel()
    shown = [text.get_text() for text in membrane.legends[0].get_texts()]
    assert shown == [entry["label"] for entry in data["membrane"]["entries"]]


def test_one_timestep_has_a_membrane_and_no_flow():
    suite = make_suite(
        entries=[{"label": label, "neuron": {"name": label.lower()}, "timesteps": 1} for label in ("LIF", "CLIF")]
    )
    data = Evidence.of(suite, list(map(diagnosed, make_records(suite)))).figures
    assert "membrane" in data and "gradient_flow" not in data


def test_the_diagnostics_of_one_run_are_printed_and_drawn(suite, records):
    run, found = suite.runs[3], records[3].diagnostics
    text = Markdown().blocks(diagnostics(run, found))
    assert text.startswith("LIF, seed 0, T = 2: diagnosed on 10 test samples.")
    assert "5 (25 %)" in text and "never calls `fire`" in text and "t = 2" in text and "below -1" in text
    assert b"</svg>" in run_figure("$L_IF$", found, "svg")
    assert run_figure("LIF", found, "png").startswith(b"\x89PNG")
    dead = (
        records[3]
        .model_copy(update={})
        .diagnostics.model_copy(
            update={"layers": [diagnosed(records[3], (None, 0.0)).diagnostics.layers[index] for index in (1, 0)]}
        )
    )
    assert "n/a" in Markdown().blocks(diagnostics(run, dead))
    assert b"</svg>" in run_figure("LIF", dead, "svg")


@pytest.mark.parametrize(("name", "expected"), [("a.png", "png"), ("b/c.SVG", "svg")])
def test_a_figures_name_says_its_format(name, expected):
    assert format_of(Path(name)) == expected


@pytest.mark.parametrize("name", ["a.pdf", "a", ".png"])
def test_another_format_is_refused(name):
    with pytest.raises(BenchError, match=r"known: png, svg|did you mean"):
        format_of(Path(name))


def test_a_record_with_diagnostics_survives_json_and_one_without_has_no_such_key(suite, records):
    for record in records:
        text = record.to_json()
        assert RunRecord.from_json(text) == record
        assert RunRecord.from_json(text).to_json() == text
        assert ('"diagnostics"' in text) == (record.label != "ANN")
    found = records[3].diagnostics
    assert Diagnostics.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("name", ["digits", "fashion"])
def test_committed_records_from_before_are_the_same_line_again(name):
    path = Path(__file__).parents[3] / "reports" / name / "records.jsonl"
    for line in path.read_text("utf-8").splitlines():
        assert RunRecord.from_json(line).to_json() == line


def test_runs_of_other_lengths_than_the_first_are_left_out_of_a_curve():
    suite = make_suite()
    first, second = (diagnosed(make_record(run)).diagnostics.layers[0] for run in suite.runs[3:5])
    longer = second.model_copy(update={"gradient_norm_by_timestep": [1.0, 1.0, 1.0]})
    assert gradient_layers([first, longer])["relative_mean"] == pytest.approx([0.1, 1.0])


def test_a_gradient_that_no_float32_holds_is_none():
    layer = diagnosed(make_record(make_suite().runs[3])).diagnostics.layers[0]
    layer = layer.model_copy(update={"gradient_norm_by_timestep": [1.0, 5e-324]})
    assert layer.gradient_relative_by_timestep is None
