import csv
import io

import pytest
from support.reports import cells, failed, make_record, make_records, make_suite, section

from bench.errors import BenchError, UnknownNameError
from bench.report.evidence.comparison import compare as compare_runs
from bench.report.evidence.comparison import select
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.frames import layers_frame, neurons_frame, runs_frame
from bench.report.evidence.pricing import DENSE, ZERO_SKIPPING, price
from bench.report.formats.base import format_named
from bench.report.page import main_table, render_report, table_in

# horowitz-fp32: MAC 4.6, AC 0.9, add 0.9 pJ. The sums per sample, in pJ:
#   ANN   dense (1000 + 2000) 4.6 = 13800, zero-skipping (500 + 800) 4.6 = 5980; bias 27, neurons 20 x 0.9 = 18
#   LIF   dense 2000 x 4.6 + 60 x 0.9 = 9254, zero-skipping 1000 x 4.6 + 54 = 4654; bias 54, neurons 40 x 10.1 = 404
#   CLIF  dense 2000 x 4.6 + 20 x 0.9 = 9218, zero-skipping 4618; bias 54, neurons 40 x 56.1 = 2244
EXPECTED_PJ = {
    ("ANN", "total", DENSE): 13845,
    ("ANN", "total", ZERO_SKIPPING): 6025,
    ("ANN", "synapse", DENSE): 13800,
    ("ANN", "synapse", ZERO_SKIPPING): 5980,
    ("LIF", "total", DENSE): 9712,
    ("LIF", "total", ZERO_SKIPPING): 5112,
    ("LIF", "synapse", DENSE): 9254,
    ("LIF", "synapse", ZERO_SKIPPING): 4654,
    ("CLIF", "total", DENSE): 11516,
    ("CLIF", "total", ZERO_SKIPPING): 6916,
    ("CLIF", "synapse", DENSE): 9218,
    ("CLIF", "synapse", ZERO_SKIPPING): 4618,
}


def test_every_number_of_the_main_table_by_hand(suite, records):
    header, *rows = cells(main_table(Evidence.of(suite, records)))
    assert header == [
        "entry",
        "T",
        "parameters",
        "accuracy, % ↑",
        "best epoch, % ↑",
        "Δ to ANN, points (95 % interval) ↑",
        "firing rate ↓",
        "dense MACs per sample, k",
        "effective synops per sample ↓, k",
        "horowitz-fp32 total, nJ ↓ (dense / zero-skipping)",
        "horowitz-fp32 synapses only, nJ ↓ (dense / zero-skipping)",
    ]
    # Differences: -1.2 with sd 0.2, and 0.0333 with sd 0.11547; for their intervals see test_paired_tests_by_hand.
    # Accuracy of CLIF: mean of 90.1, 90.9, 92.1 is 91.0333; squared deviations 0.8711 + 0.0178 + 1.1378, sd 1.0066.
    # Ratios: 9712 / 13845 = 0.7015, 5112 / 6025 = 0.8485; 11516 / 13845 = 0.8318, 6916 / 6025 = 1.1479;
    # 9254 / 13800 = 0.6706, 4654 / 5980 = 0.7783; 9218 / 13800 = 0.6680, 4618 / 5980 = 0.7722.
    assert rows == [
        [
            *("ANN", "1", "1,234", "91.00 ± 1.00 (n = 3)", "92.00 ± 1.00", "baseline", "n/a", "3", "1.300"),
            *("13.85 (1× / 1×)", "13.80 (1× / 1×)"),
        ],
        [
            *("LIF", "2", "1,234", "89.80 ± 0.80 (n = 3)", "90.80 ± 0.80", "-1.20 (-1.92 to -0.48)", "0.2000", "6"),
            *("1.060", "9.712 (0.701× / 0.848×)", "9.254 (0.671× / 0.778×)"),
        ],
        [
            *("CLIF", "2", "1,234", "91.03 ± 1.01 (n = 3)", "92.03 ± 1.01", "+0.03 (-0.38 to +0.45)", "0.0500", "6"),
            *("1.020", "11.52 (0.832× / 1.15×)", "9.218 (0.668× / 0.772×)"),
        ],
    ]


def test_the_compact_table_has_eight_columns(suite, records):
    header, *rows = cells(main_table(Evidence.of(suite, records), compact=True))
    assert len(header) == 8
    assert rows[1] == [
        *("LIF", "2", "89.80 ± 0.80 (n = 3)", "-1.20 (-1.92 to -0.48)", "0.2000", "1.060", "9.712", "0.701× / 0.848×")
    ]


def test_prices_and_ratios_to_the_last_digit(suite, records):
    comparison = compare_runs(suite, records)
    priced = price(comparison, ["horowitz-fp32"])[0]
    entries = {entry.label: entry for entry in comparison.entries}
    for (label, what, mode), expected in EXPECTED_PJ.items():
        assert priced.mean(entries[label], what, mode) == pytest.approx(expected, rel=1e-12)
        ratio = priced.ratio(entries[label], what, mode)
        assert ratio == pytest.approx(expected / EXPECTED_PJ["ANN", what, mode], rel=1e-12)
    # Over the seeds LIF's second layer costs 36, 54 and 72 pJ: the sd is 18.
    assert priced.summary(entries["LIF"], "total", DENSE).sd == pytest.approx(18.0)


def test_break_even_rate_by_hand(suite, records):
    comparison = compare_runs(suite, records)
    priced = price(comparison, ["horowitz-fp32"])[0]
    ann, lif, clif = comparison.entries
    # The spiking layer costs 54 pJ at rate 0.2, all else 9658 (dense) or 5058 (zero-skipping).
    assert priced.break_even_rate(lif, DENSE) == pytest.approx(0.2 * (13845 - 9658) / 54)
    assert priced.break_even_rate(lif, ZERO_SKIPPING) == pytest.approx(0.2 * (6025 - 5058) / 54)
    assert priced.break_even_rate(clif, ZERO_SKIPPING) == pytest.approx(0.05 * (6025 - 6898) / 18)
    assert priced.break_even_rate(ann, DENSE) is None


def test_csv_has_full_precision_and_leaves_open_what_is_missing(suite, records):
    rows = list(
        csv.DictReader(io.StringIO(table_in(format_named("csv"), Evidence.of(suite, records[:3] + records[6:]))))
    )
    assert [row["entry"] for row in rows] == ["ANN", "LIF", "CLIF"]
    assert float(rows[2]["accuracy_percent_mean"]) == pytest.approx((90.1 + 90.9 + 92.1) / 3, rel=1e-12)
    assert float(rows[2]["horowitz-fp32_total_zero_skipping_ratio"]) == pytest.approx(6916 / 6025, rel=1e-12)
    assert (rows[1]["runs_planned"], rows[1]["runs_done"]) == ("3", "0")
    assert rows[1]["accuracy_percent_mean"] == rows[1]["horowitz-fp32_total_dense_pj_per_sample"] == ""


def test_latex_is_escaped_and_ruled():
    suite = make_suite(labels=("A_N&N", "50% #1", "{x}"))
    text = table_in(format_named("latex"), Evidence.of(suite, make_records(suite)))
    assert r"A\_N\&N" in text and r"50\% \#1" in text and r"\{x\}" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\hline")] == [1, 1, 1, 0]
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [line.replace(r"\&", "").count("&") for line in lines] == [7, 7, 7, 7]


def test_an_unknown_format_and_an_unknown_table_are_errors(suite, records):
    with pytest.raises(BenchError, match="did you mean 'latex'"):
        format_named("latx")
    with pytest.raises(UnknownNameError, match="horowitz-fp32"):
        main_table(Evidence.of(suite, records, tables=["horowitz-fp33"]))


def test_what_has_no_price_is_not_available_rather_than_cheap(tmp_path, suite, records):
    # A table that prices accumulates alone, as a per-synop chip does.
    path = tmp_path / "chip.toml"
    path.write_text(
        'title = "Chip"\nsource = "made up"\nnode_nm = 14\nprecision = "int8"\nscope = "synops"\n'
        "[operation_pj]\nac = 2.0\nadd = 0.0\ncompare = 0.0\nmul = 0.0\nsub = 0.0\nsigmoid = 0.0\n"
    )
    rows = cells(main_table(Evidence.of(suite, records, tables=[str(path)])))[1:]
    assert [row[9:] for row in rows] == [["n/a", "n/a"]] * 3
    text = section(render_report(suite, records, [str(path)]), "Energy")
    assert "stem: mac" in text
    # LIF's spiking layer alone: 60 synops x 2 pJ.
    assert cells(text.split("\n\n| entry   | no price for")[1].split("\n\n")[0])[2][-2:] == ["fc", "120"]


def test_runs_frame_keeps_missing_and_failed_runs_without_numbers(suite, records):
    kept = [records[0], failed(suite.runs[1], "out of memory\nlong traceback"), *records[3:]]
    frame = runs_frame(compare_runs(suite, kept))
    assert list(frame["status"]) == ["done", "failed", "missing"] + ["done"] * 6
    assert list(frame["reason"][1:3]) == ["out of memory", "not run"] and frame["reason"].isna()[0]
    numbers = frame.loc[1:2, "accuracy_percent":]
    assert numbers.isna().all(axis=None)
    assert frame["accuracy_percent"][3] == pytest.approx(89.0)


def test_selection_takes_the_planned_key_and_measure(suite, records):
    stranger = records[0].model_copy(update={"key": "feedfeedfeed", "accuracy_fraction": 0.1})
    otherwise = records[1].model_copy(update={"measure_key": "feedfeedfeed"})
    slots = select(suite, [stranger, otherwise, records[0]])
    assert slots[0].done == records[0]
    assert slots[1].record is None and "measured otherwise" in slots[1].reason
    assert len(slots) == 9 and slots[2].reason == "not run"


def test_a_finished_run_wins_over_a_failed_one(suite, records):
    broken = failed(suite.runs[0], "interrupted")
    assert select(suite, [broken, records[0]])[0].done == select(suite, [records[0], broken])[0].done == records[0]


def test_layer_and_neuron_frames(suite, records):
    comparison = compare_runs(suite, records)
    layers, neurons = layers_frame(comparison), neurons_frame(comparison)
    assert (len(layers), len(neurons)) == (18, 9)
    lif = layers[(layers["entry"] == "LIF") & (layers["layer"] == "fc")]
    assert list(lif["effective_synops_per_sample"]) == [40.0, 60.0, 80.0]
    assert list(neurons[neurons["entry"] == "LIF"]["firing_rate"]) == [0.1, 0.2, 0.3]
    assert layers_frame(compare_runs(suite, [])).empty and neurons_frame(compare_runs(suite, [])).empty


def test_one_seed_has_no_plus_minus():
    suite = make_suite(seeds=(0,))
    _, ann, lif, _ = cells(main_table(Evidence.of(suite, make_records(suite))))
    assert (ann[3], lif[3], lif[5]) == ("90.00 (n = 1)", "89.00 (n = 1)", "-1.00")
    assert "±" not in main_table(Evidence.of(suite, make_records(suite)))


def test_fewer_finished_than_planned_shows(suite, records):
    rows = cells(main_table(Evidence.of(suite, records[:5])))[1:]
    assert rows[1][3] == "89.40 ± 0.57 (n = 2 of 3)"
    assert rows[2][3:6] == ["missing (n = 0 of 3)", "n/a", "n/a"]


def test_a_record_without_counts_leaves_its_entry_open(suite, records):
    bare = make_record(suite.runs[3], samples_counted=None, layers=[], neurons=[], other_ops=[])
    row = cells(main_table(Evidence.of(suite, [*records[:3], bare, *records[4:]])))[2]
    assert row[6:9] == ["n/a", "n/a", "n/a"]
