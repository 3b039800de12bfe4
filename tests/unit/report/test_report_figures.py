import json

import matplotlib
import pytest
from matplotlib.figure import Figure
from support.reports import diagnosed, make_records, make_suite

from bench.report.evidence.evidence import Evidence
from bench.report.figures.draw import DRAWINGS, draw_figures
from bench.report.figures.drawing import COLOURS, STYLE, drawable, finish, looks_of


def by_label(data, name):
    return {entry["label"]: entry for entry in data[name]["entries"]}


def test_figure_data_by_hand(suite, records):
    data = Evidence.of(suite, records).figures
    lif = by_label(data, "accuracy_energy")["LIF"]
    # 89.0, 89.8, 90.6 %; 9694, 9712, 9730 pJ.
    assert lif == {
        "label": "LIF",
        "n": 3,
        "accuracy_percent_mean": 89.8,
        "accuracy_percent_sd": 0.8,
        "total_pj_mean": 9712.0,
        "total_pj_sd": 18.0,
        "zero_skipping_pj_mean": 5112.0,
        "zero_skipping_pj_sd": 18.0,
    }
    curve = by_label(data, "training_curves")["LIF"]
    assert (curve["epochs"], curve["train_loss_mean"]) == ([1, 2], [1.0, 0.5])
    assert curve["test_accuracy_percent_mean"] == [84.8, 89.8]
    rate = by_label(data, "firing_rate")
    assert (rate["LIF"]["firing_rate_mean"], rate["LIF"]["firing_rate_sd"]) == ([0.2], [0.1])
    assert "ANN" not in rate
    assert by_label(data, "accuracy_by_timestep")["LIF"]["accuracy_percent_mean"] == [79.8, 89.8]


LONG = ["ANN", *(f"LIF, {bits}-bit weights, fine-tuned" for bits in range(2, 14))]
UNEVEN = ["ANN", "LIF", "CLIF", "CLIF, m detached", "LIF, gradient of CLIF", "LIF, space", "CLIF, space"]


@pytest.mark.parametrize("labels", [LONG, UNEVEN, ["W" * 40, "ANN"]], ids=["long", "uneven", "wide"])
def test_a_legend_lies_within_its_figure(labels):
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for label in labels:
            axes.errorbar([0, 1], [0, 1], yerr=0.1, marker="o", label=label)
        finish(figure, {"entries": [{"n": 3}], "without_data": []}, "a note")
        figure.draw_without_rendering()
    [legend] = figure.legends
    shown = legend.get_window_extent()
    assert shown.x0 >= 0 and shown.x1 <= figure.bbox.x1
    assert len(legend.get_texts()) == len(labels)


def test_entries_without_data_are_named_and_figures_without_data_absent(suite, records):
    data = Evidence.of(suite, records[:6]).figures
    assert data["training_curves"]["without_data"] == data["accuracy_energy"]["without_data"] == ["CLIF"]
    assert Evidence.of(suite, []).figures == {}
    assert "firing_rate" not in Evidence.of(suite, records[:3]).figures


def test_one_seed_has_no_spread(suite, records):
    data = Evidence.of(suite, records[::3]).figures
    assert by_label(data, "accuracy_energy")["LIF"]["accuracy_percent_sd"] is None
    assert by_label(data, "firing_rate")["LIF"]["firing_rate_sd"] == [None]


def test_order_of_records_does_not_matter(suite, records):
    assert Evidence.of(suite, records[::-1]).figures == Evidence.of(suite, records).figures


def test_written_figures_come_in_two_formats_with_their_data_and_hold_no_date(suite, records):
    records = list(map(diagnosed, records))
    drawn = draw_figures(Evidence.of(suite, records))
    assert set(drawn) == {
        "figures.json",
        *(f"{name}.{ending}" for name in DRAWINGS for ending in ("svg", "png")),
    }
    svg = drawn["accuracy_energy.svg"].decode()
    assert svg.count("<svg") == 1 and "<dc:date>" not in svg
    assert json.loads(drawn["figures.json"]) == Evidence.of(suite, records).figures


@pytest.mark.parametrize("chosen", [slice(None), slice(0, None, 3), slice(0, 3), slice(3, None)])
def test_every_figure_draws_what_its_data_say(suite, records, chosen):
    data = Evidence.of(suite, records[chosen]).figures
    looks = looks_of([entry.label for entry in suite.spec.entries])
    with matplotlib.rc_context(STYLE):
        for name, series in data.items():
            figure = DRAWINGS[name](series, looks)
            assert isinstance(figure, Figure)
            shown = [text.get_text() for text in figure.legends[0].get_texts()]
            assert shown == [entry["label"] for entry in series["entries"]]
            assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_points_are_where_the_numbers_are(suite, records):
    data = Evidence.of(suite, records).figures
    figure = DRAWINGS["accuracy_energy"](data["accuracy_energy"], looks_of(["ANN", "LIF", "CLIF"]))
    places = {(line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines if line.get_marker() == "s"}
    assert places == {(9.712, 89.8), (5.112, 89.8)}
    assert "nJ" in figure.axes[0].get_xlabel() and "horowitz-fp32" in figure.axes[0].get_xlabel()


def test_looks_tell_entries_apart_and_do_not_depend_on_the_figure():
    looks = looks_of([f"entry {index}" for index in range(20)])
    assert len({(look["color"], look["marker"], look["linestyle"]) for look in looks.values()}) == 20
    assert [look["color"] for look in looks.values()][: len(COLOURS)] == list(COLOURS)


@pytest.mark.parametrize("label", ["$x^2$", "$\\alpha", "_hidden", "日本", "a\u202eb", "50 % & #1", "$$"])
def test_odd_labels_can_be_drawn(label, tmp_path):
    suite = make_suite(labels=("ANN", label), seeds=(0,))
    series = Evidence.of(suite, make_records(suite)).figures["accuracy_by_timestep"]
    figure = DRAWINGS["accuracy_by_timestep"](series, looks_of(["ANN", label]))
    figure.savefig(tmp_path / "figure.svg")
    assert "</svg>" in (tmp_path / "figure.svg").read_text("utf-8")


def test_what_the_font_lacks_is_replaced():
    assert drawable("日") == "\ufffd"
    assert drawable("_a$") == r" _a\$"
