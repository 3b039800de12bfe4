import random
import re
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.crossed_by_hand import analysed
from support.reports import NEURONS, cells, failed, layer, make_record, make_records, make_suite, packed, section

from bench.records.correct import unpack_correct
from bench.records.source import DataSource
from bench.report.evidence.evidence import Evidence
from bench.report.formats.markdown import Markdown
from bench.report.page import main_table, render_report
from bench.report.sections.counts_of_run import counts


def is_seen(mark):
    return unicodedata.category(mark) not in ("Cf", "Zs")


LABELS = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="|<>`", exclude_categories=("Cc", "Zl", "Zp")),
        min_size=1,
        max_size=30,
    ).filter(lambda label: is_seen(label[0])),
    min_size=3,
    max_size=3,
    unique=True,
)


def verdict_of(suite, records, label):
    bullets = section(render_report(suite, records), "Verdict").strip().splitlines()
    return next(bullet for bullet in bullets if bullet.startswith(f"* **{label}**"))


def test_the_same_bytes_whatever_the_order_of_the_records(suite, records):
    first = render_report(suite, records)
    shuffled = list(records)
    random.Random(1).shuffle(shuffled)
    assert render_report(suite, shuffled) == render_report(suite, [*shuffled, *shuffled]) == first


def test_verdict_of_a_worse_but_cheaper_entry(suite, records):
    assert verdict_of(suite, records, "LIF") == (
        "* **LIF** is less accurate than ANN: -1.20 points (95 % interval -1.92 to -0.48, n = 3). "
        "Under horowitz-fp32 it is estimated to take less energy than ANN: 0.701 times the energy per sample of ANN "
        "computed densely, 0.848 times with zeros skipped on both sides (synapses alone: 0.671 times and 0.778 times). "
        # 1,000 MACs of 4.6 pJ less of 9.712 nJ, over 13.85
        "Were layers that see the same input at every timestep computed once, it would be 0.369 times computed "
        "densely. "
        "Against ANN with 2-bit activations, priced but not trained, it is 2.82 times."
    )
    matched = section(render_report(suite, records), "Energy").partition("matched activation bits")[2]
    [row] = [
        row for row in cells(matched[matched.index("| ") :].partition("\n\n")[0]) if row[:2] == ["horowitz-fp32", "LIF"]
    ]
    assert row[3] == "2" and row[5] == "2.82×"


def test_verdict_says_when_the_saving_is_gone_with_zeros_skipped(suite, records):
    text = verdict_of(suite, records, "CLIF")
    assert "is as accurate as ANN within 0.5 points: +0.03 points (95 % interval -0.38 to +0.45, n = 3)" in text
    assert "less energy than ANN computed densely, but more energy than ANN with zeros skipped" in text
    # Sigmoids: 40 updates x 2 x 18.4 = 1472 pJ of 11516. Without: 10044 / 13845; tenfold: 24764 / 13845.
    assert "at 0 and at 10 times it, the dense figure is 0.725 times and 1.79 times" in text


def test_less_or_more_energy_is_said_of_every_table_with_an_interval_over_seeds():
    suite = make_suite(energy=("horowitz-fp32", "horowitz-memory"))
    records = make_records(suite)
    text = verdict_of(suite, records, "LIF")
    evidence = Evidence.of(suite, records)
    low, high = evidence.energy_interval(evidence.leading, evidence.comparison.entries[1], "dense")
    energies = [b.total_dense_pj_per_sample for b in evidence.leading.breakdowns["LIF"]]
    logs = np.log(np.array(energies) / 13845)
    error = 0.05 / (2 * 2 * 2)  # two entries, two tables, dense and zero-skipping
    half = stats.t.ppf(1 - error / 2, 2) * logs.std(ddof=1) / 3**0.5
    assert (low, high) == pytest.approx((np.exp(logs.mean() - half), np.exp(logs.mean() + half)), rel=1e-9)
    assert "all 2 tables, against ANN computed densely: less under 2 (horowitz-fp32, horowitz-memory); with" in text
    single = make_suite(seeds=(0,), energy=("horowitz-fp32", "horowitz-memory"))
    few = verdict_of(single, make_records(single), "LIF")
    assert "computed densely: not established under 2 (horowitz-fp32, horowitz-memory)" in few


def test_verdict_with_one_seed_establishes_nothing():
    suite = make_suite(seeds=(0,))
    text = verdict_of(suite, make_records(suite), "LIF")
    assert "not established at n = 1: -1.00 points (no interval with one seed, n = 1)" in text
    assert "it is not established over the seeds whether it takes less or more energy than ANN: 0." in text
    assert "estimated to take" not in text


def test_networks_that_are_right_about_the_same_samples_are_as_accurate(suite, records):
    same = [r.model_copy(update={"correct": packed(range(90_000))}) for r in records]
    assert "is as accurate as ANN within 0.5 points: +0.00 points (95 % interval " in verdict_of(suite, same, "LIF")


def test_entries_that_the_suite_compares_have_a_sentence_and_a_row():
    suite = make_suite(contrasts=[["CLIF", "LIF"]])
    report = render_report(suite, make_records(suite))
    assert "* **CLIF** is more accurate than LIF: +1.23 points (95 % interval " in section(report, "Verdict")
    compared = section(report, "Accuracy compared")
    names = [row[0] for row in cells(compared.strip().split("\n\n")[1])]
    assert names == ["comparison", "LIF - ANN", "CLIF - ANN", "CLIF - LIF"]
    assert "all 3 intervals hold at once with 95 % (each is of 98.33 %, Bonferroni)" in compared


def test_all_pairs_share_letters_where_nothing_is_established(suite, records):
    *_, table = section(render_report(suite, records), "Accuracy compared").strip().split("\n\n")
    assert cells(table) == [
        ["entry", "group", "CLIF", "ANN", "LIF"],
        ["CLIF", "a", "", "+0.03", "+1.23"],
        ["ANN", "a", "-0.03", "", "+1.20"],
        ["LIF", "b", "-1.23", "-1.20", ""],
    ]


def test_verdict_of_a_dearer_entry(suite, records):
    dear = [layer("stem", 2, "analog", 9000, 9000, 9000), layer("fc", 2, "binary", 2000, 2000, 40)]
    changed = [r.model_copy(update={"layers": dear}) if r.label == "LIF" else r for r in records]
    assert "more energy than ANN:" in verdict_of(suite, changed, "LIF")


def test_a_silent_layer_is_called_broken(suite, records):
    silent = [records[3].layers[0], layer("fc", 2, "binary", 2000, 2000, 0, input_nonzero_total=0)]
    changed = [*records[:3], records[3].model_copy(update={"layers": silent}), *records[4:]]
    report = render_report(suite, changed)
    assert "Layers that never saw a spike (fc) are broken, not cheap." in report
    assert "**silent** in 1 of 3 runs" in section(report, "Operations per layer")


def test_missing_and_failed_runs_are_listed_with_their_reason(suite, records):
    kept = [*records[:4], failed(suite.runs[4], "the loss is nan in epoch 1 | <b>\nTraceback ..."), *records[6:]]
    report = render_report(suite, kept)
    _, *rows = cells(section(report, "Missing and failed runs"))
    assert rows == [
        ["LIF", "1", suite.runs[4].key, "failed", "the loss is nan in epoch 1 &#124; &lt;b&gt;"],
        ["LIF", "2", suite.runs[5].key, "missing", "not run"],
    ]
    assert "Only 1 of its 3 runs have finished." in verdict_of(suite, kept, "LIF")
    assert "7 of 9 runs finished" in report and "Traceback" not in report


def test_nothing_finished_is_said_and_does_not_crash(suite):
    report = render_report(suite, [])
    assert "No run of this suite has finished" in section(report, "Verdict")
    assert len(cells(section(report, "Missing and failed runs"))) == 10
    assert "figures/" not in report and "0 of 9 runs finished" in report


def test_without_the_baseline_nothing_is_compared(suite, records):
    report = render_report(suite, records[3:])
    assert "No run of the baseline **ANN** has finished" in section(report, "Verdict")
    assert main_table(Evidence.of(suite, records[3:])).count("n/a") > 0


def test_matched_is_said_only_when_digests_agree(suite, records):
    assert "The runs are **matched**" in section(render_report(suite, records), "Match")
    other = records[7].digests.model_copy(update={"sample_order": "another"})
    changed = [*records[:7], records[7].model_copy(update={"digests": other}), records[8]]
    text = section(render_report(suite, changed), "Match")
    assert "**not matched**" in text and "CLIF (seed 1)." in text and " LIF (seed" not in text
    assert "Its initial weights or sample order are not the baseline's" in verdict_of(suite, changed, "CLIF")
    assert "sample order are not" not in verdict_of(suite, changed, "LIF")


def test_a_record_without_digests_is_not_matched(suite, records):
    changed = [records[0].model_copy(update={"digests": None}), *records[1:]]
    assert "ANN (seed 0)" in section(render_report(suite, changed), "Match")


def test_declared_differences_are_listed():
    entries = [
        {"label": "ANN", "neuron": {"name": "relu"}, "timesteps": 1},
        {
            "label": "LIF",
            "neuron": {"name": "lif", "tau": 2.0},
            "timesteps": 2,
            "train": {"epochs": 3},
            "unmatched": ["train.epochs"],
        },
    ]
    suite = make_suite(entries=entries)
    report = render_report(suite, make_records(suite))
    assert "It is not matched by declaration: train.epochs." in report
    assert cells(section(report, "Settings").strip().split("\n\n")[1])[2][4] == "train.epochs = 3"


def test_of_the_recipe_only_what_its_parts_take_is_a_setting(records):
    recipe = {"epochs": 2, "batch_size": 32, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    changed = make_suite(train=recipe | {"schedule": {"name": "cosine"}, "loss": {"name": "tet-one-hot"}})
    rows = dict(cells(section(render_report(changed, records), "Settings").strip().split("\n\n")[-1]))
    parts = ("train.optimizer.", "train.schedule.", "train.loss.")
    assert {name: value for name, value in rows.items() if name.startswith(parts)} == {
        "train.optimizer.name": "sgd",
        "train.optimizer.learning_rate": "0.1",
        "train.optimizer.momentum": "0.9",
        "train.optimizer.nesterov": "no",
        "train.optimizer.weight_decay": "0",
        "train.schedule.name": "cosine",
        "train.schedule.warmup_epochs": "0",
        "train.loss.name": "tet-one-hot",
        "train.loss.label_smoothing": "0",
        "train.loss.mse_weight": "0.05",
    }


def test_deviations_from_a_published_recipe_close_the_settings(suite, records):
    heading = "### Deviations from the published recipe"
    assert heading not in render_report(suite, records)
    changed = make_suite(deviations=["no warm-up; *published*: 5 epochs", "batches of 32; published: 64"])
    told = section(render_report(changed, records), "Settings").partition(heading)[2]
    assert told.strip().splitlines() == ["* no warm-up; \\*published\\*: 5 epochs", "* batches of 32; published: 64"]


def test_every_setting_is_there_defaults_too(suite, records):
    text = section(render_report(suite, records), "Settings")
    rows = dict(cells(text.strip().split("\n\n")[-1]))
    assert rows["train.optimizer.learning_rate"] == "0.1" and rows["train.optimizer.momentum"] == "0.9"
    assert rows["train.schedule.name"] == "constant" and rows["train.precision"] == "fp32"
    assert rows["model.width"] == "8" and rows["model.stages"] == "2"
    assert rows["measure.samples"] == "the whole test split"
    assert "lif(surrogate = rectangle, tau = 2)" in text


def test_accuracy_after_each_timestep(suite, records):
    header, ann, lif, _ = cells(section(render_report(suite, records), "Accuracy after t timesteps").split("\n\n")[0])
    assert header[1:] == ["t = 1", "t = 2"]
    assert ann == ["ANN", "91.00 ± 1.00", ""]
    assert lif == ["LIF", "79.80 ± 0.80", "89.80 ± 0.80"]


def test_paired_tests_by_hand(suite, records):
    text = section(render_report(suite, records), "Accuracy compared")
    _, lif, clif = cells(text.strip().split("\n\n")[1])
    right = {
        label: [unpack_correct(r.correct, r.test_samples) for r in records if r.label == label] for label in NEURONS
    }
    for label, row, sd, words in (("LIF", lif, "0.20", "worse"), ("CLIF", clif, "0.12", "as accurate")):
        mean, low, high, p = analysed(right[label], right["ANN"], comparisons=2)
        interval = f"{low:+.2f} to {high:+.2f}"
        assert row == [f"{label} - ANN", "3", f"{mean:+.2f}", sd, interval, f"{p:.3f}", words]
    # At 2 degrees of freedom and 2.5 % Student's t is 6.205: 6.205 x 0.2 / sqrt 3 = 0.716, and the samples' share.
    assert lif[4] == "-1.92 to -0.48"
    _, lif, clif = cells(text.strip().split("\n\n")[3])
    assert lif[3] == clif[3] == "settled" and float(lif[2]) < float(lif[1])


def test_mcnemar_rows(suite, records):
    # ANN: samples 0 to 89,999 right. LIF: 2 to 89,001; CLIF: 2 to 90,101.
    rows = cells(section(render_report(suite, records), "Sample by sample").strip().split("\n\n")[-1])
    assert rows[1] == ["LIF", "0", "1000", "0", "< 0.001"] and len(rows) == 7
    assert rows[4] == ["CLIF", "0", "2", "102", "< 0.001"]


def test_layer_table_by_hand(suite, records):
    text = section(render_report(suite, records), "Operations per layer")
    assert "Counted on 10 test samples." in text
    header, stem, fc = cells(text.split("### LIF")[1].split("###")[0])
    assert header[4:8] == [
        *("dense MACs, k", "valid dense MACs, k", "effective synops, k", "synops if cached once, k"),
    ]
    assert stem == ["stem", "linear", "analog", "0.5000", "2", "1.800", "1", "0.5000", ""]
    assert fc == ["fc", "linear", "binary", "0.5000", "4", "4", "0.06000", "", ""]


def test_neuron_table_by_hand(suite, records):
    text = section(render_report(suite, records), "Neurons")
    _, row = cells(text.split("### LIF")[1].split("###")[0])
    # Learned tau 2, 3, 4 over the seeds; rates 0.1, 0.2, 0.3; spikes per sample 4, 8, 12.
    operations = "1 add, 1 compare, 2 mul, 1 sub"
    assert row == ["neuron", "lif", operations, "tau = 3", "20", "0.2000", "8", "1"]
    header, relu = cells(text.split("### ANN")[1].split("###")[0])
    assert header[5] == "non-zero outputs, fraction" and relu[5] == "0.2500"


def test_energy_split_and_scope(suite, records):
    text = section(render_report(suite, records), "Energy")
    assert "Node: 45 nm. Precision: fp32." in text and "ISSCC 2014" in text and "*sigmoid*: has no agreed price" in text
    split = text.split("Where it goes, dense:")[1].strip().split("\n\n")[0]
    header, _, lif, clif = cells(split)
    found = dict(zip(header, lif, strict=True))
    assert (found["synapse"], found["bias"], found["neuron"], found["memory"]) == ("9.254", "0.05400", "0.4040", "n/a")
    assert dict(zip(header, clif, strict=True))["neuron"] == "2.244"
    sigmoid = cells(text.split("Where it goes, dense:")[1].strip().split("\n\n")[1])
    assert sigmoid[3] == ["CLIF", "10.04 (0.725×)", "11.52 (0.832×)", "24.76 (1.79×)"]


def test_spikes_per_synapse_by_hand(suite, records):
    # 60 synops per sample over 4000 dense MACs / 2 timesteps.
    rows = cells(section(render_report(suite, records), "Energy").strip().split("\n\n")[-1])
    assert rows[1:] == [["LIF", "0.03000", "20.00"], ["CLIF", "0.01000", "5.00"]]


def test_graded_layers_are_priced_per_level_with_macs_beside(suite, records):
    graded = layer("fc", 2, "graded", 2000, 2000, 40, graded_acs_total=1000, input_unit=0.5, input_levels=4)
    changed = [r.model_copy(update={"layers": [r.layers[0], graded]}) if r.label == "LIF" else r for r in records]
    text = section(render_report(suite, changed), "Energy")
    # 100 ACs per sample x 0.9 pJ; 40 synops x 4.6 pJ.
    assert cells(re.search(r"\| entry   \| graded layer.*?(?=\n\n)", text, re.S)[0])[1] == ["LIF", "fc", "90", "184"]


def test_what_was_not_counted_is_named(suite, records):
    changed = [records[0].model_copy(update={"not_counted": ["attention: MultiHead"]}), *records[1:]]
    report = render_report(suite, changed)
    assert cells(section(report, "Not counted"))[1] == ["ANN", "attention: MultiHead"]
    assert "n/a: not all work of ANN was counted (synapses alone: n/a and n/a)" in verdict_of(suite, changed, "LIF")


def test_provenance_names_the_runs_that_differ(suite, records):
    changed = [records[0].model_copy(update={"provenance": {"commit": "fff-dirty", "device": "GPU"}}), *records[1:]]
    rows = cells(section(render_report(suite, changed), "Provenance"))[1:]
    assert ["commit", "fff-dirty", "ANN (seed 0)"] in rows
    assert ["code digest", "c0de", "all finished"] in rows
    assert ["versions.torch", "2.11.0", "ANN (seed 1, 2); LIF (seed 0, 1, 2); CLIF (seed 0, 1, 2)"] in rows


def test_wall_clock_is_only_where_it_is_labelled(suite, records):
    report = render_report(suite, records)
    other = [r.model_copy(update={"wall_clock": {"train_s": 77.0}}) for r in records]
    before, after = report.split("## Cost of the simulation"), render_report(suite, other).split("## Cost of the sim")
    assert before[0] == after[0]
    assert before[1].split("## Provenance")[1] == after[1].split("## Provenance")[1]
    assert "says nothing about their energy" in report


def test_the_command_that_makes_it_again(suite, records):
    command = "spikebench run suites/tiny.toml && spikebench report suites/tiny.toml"
    assert f"\n{command}\n" in section(render_report(suite, records), "Reproduce")
    first = [record for record in records if record.seed == 0]
    seed = "spikebench run suites/tiny.toml --seed 0 && spikebench report suites/tiny.toml"
    assert seed in section(render_report(suite, first), "Reproduce")
    more = section(render_report(suite, records, [*suite.spec.energy, "lemaire"]), "Reproduce")
    assert f"{command} --table lemaire\n" in more


def test_a_suite_of_the_baseline_alone(records):
    suite = make_suite(labels=("ANN",))
    report = render_report(suite, records)
    assert "no entry beside its baseline" in report and "Sample by sample" not in report


@settings(max_examples=15, deadline=None)
@given(LABELS)
def test_odd_labels_break_no_table_and_start_no_html(labels):
    suite = make_suite(labels=labels, seeds=(0,))
    broken = failed(suite.runs[2], labels[2])
    report = render_report(suite, [*[make_record(run) for run in suite.runs[:2]], broken])
    plain = render_report(make_suite(seeds=(0,)), [])
    for block in re.findall(r"(?:^\|.*\n)+", report, re.M):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "<" not in report.replace("< 0.001", "") and ">" not in report.replace("&gt;", "")
    headings = [line for line in report.splitlines() if line.startswith("## ")]
    assert set(line for line in plain.splitlines() if line.startswith("## ")) <= set(headings)


def test_measured_energy_stands_apart_and_only_where_a_counter_was_read():
    suite = make_suite()
    records = make_records(suite)
    assert "Measured energy of the simulation" not in render_report(suite, records)
    joules = {
        "source": "NVML total energy counter",
        "device": "Some GPU",
        "driver": "580.1",
        "sm_clock_mhz": 1980,
        "memory_clock_mhz": 3201,
        "idle_w": 75.0,
        "window_s": 5.0,
        "repeats": 3,
        "training": {"j_per_sample": 0.004, "sd_j_per_sample": 0.0001, "mean_w": 400.0},
        "inference": {"j_per_sample": 0.001, "sd_j_per_sample": 0.00002, "mean_w": 300.0},
    }
    first = records[0].model_copy(update={"wall_clock": records[0].wall_clock | {"measured_energy": joules}})
    text = render_report(suite, [first, *records[1:]])
    section = text.partition("Measured energy of the simulation")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ANN")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[2].startswith("4 ± 0.1") and cells[3].startswith("1 ± 0.02") and cells[4] == "75"
    assert cells[5] == "NVML total energy counter, Some GPU, 580.1" and cells[6] == "1980 / 3201"


def test_names_in_a_record_are_no_markup(suite, records):
    odd = "<b>|[c](http://c)`*"
    first = records[3]
    changed = first.model_copy(
        update={
            "layers": [layer.model_copy(update={"name": odd, "kind": odd}) for layer in first.layers],
            "neurons": [n.model_copy(update={"neuron": odd, "ops_per_update": {odd: 1.0}}) for n in first.neurons],
            "other_ops": [o.model_copy(update={"name": odd, "ops_per_sample": {odd: 1.0}}) for o in first.other_ops],
        }
    )
    for page in (render_report(suite, [*records[:3], changed, *records[4:]]), Markdown().blocks(counts(changed))):
        assert "<b>" not in page and "](http" not in page.replace(r"\](http", "")
        for block in re.findall(r"(?:^\|.*\n)+", page, re.M):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_keys_of_the_provenance_that_look_alike_are_listed_in_order(suite, records):
    odd = records[0].model_copy(update={"provenance": {"a.b": 1, "a": {"b": "x"}, "commit": "c"}})
    rows = [line for line in render_report(suite, [odd, *records[1:]]).splitlines() if line.startswith("| a.b")]
    assert [row.split("|")[2].strip() for row in rows] == ["1", "x"]


def test_a_finished_run_without_counts_has_a_row_all_the_same(suite, records):
    bare = records[3].model_copy(update={"samples_counted": None, "layers": [], "neurons": [], "other_ops": []})
    assert "\n| LIF " in render_report(suite, [*records[:3], bare, *records[4:]])


def test_accuracies_of_more_timesteps_than_the_suite_asks_are_left_out(suite, records):
    long = records[3].model_copy(update={"accuracy_by_timestep": [0.5] * 9000})
    page = render_report(suite, [*records[:3], long, *records[4:]])
    assert "t = 2" in page and "t = 3" not in page


def with_data(record, **changes):
    fields = {"recordings": {"test": 1_000, "train": 9_000}, "complete": 10_000, "files": "abc"} | changes
    return record.model_copy(update={"data": DataSource(**fields)})


def test_recordings_are_counted_and_a_subset_is_called_one(suite, records):
    assert "Recordings of" not in render_report(suite, records)
    whole = render_report(suite, [with_data(record) for record in records])
    assert "\n\nRecordings of digits: 9,000 to train, 1,000 to test, of 10,000.\n\n" in whole
    assert "subset" not in whole and "The runs are **matched**" in whole
    parts = {"recordings": {"test": 10, "train": 90, "validation": 5}}
    subset = render_report(suite, [with_data(record, **parts) for record in records])
    assert (
        "\n\n**A subset of the data, not comparable with results on all of it.** "
        "Recordings of digits: 90 to train, 5 to validate, 10 to test, of 10,000.\n\n"
    ) in subset


def test_runs_on_other_recordings_are_not_matched(suite, records):
    changed = [with_data(record, files="other" if record.label == "LIF" else "abc") for record in records]
    text = section(render_report(suite, changed), "Match")
    assert "**not matched**" in text and "LIF (seed 0), LIF (seed 1), LIF (seed 2)" in text
    assert "recordings other" in text and "recordings abc" in text


def test_held_out_accuracy_is_a_section_of_its_own_where_there_is_one(suite, records):
    heading = "Accuracy on the held-out part of training"
    assert heading not in render_report(suite, records)
    last = [replace(r.history[-1], validation_accuracy_fraction=0.8 + r.seed / 100) for r in records]
    held = [r.model_copy(update={"history": [r.history[0], row]}) for r, row in zip(records, last, strict=True)]
    rows = cells(section(render_report(suite, [*held[:3], *records[3:]]), heading))
    assert rows[-1] == ["ANN", "3", "81.00 ± 1.00"] and not any(row[0] in ("LIF", "CLIF") for row in rows)


def test_the_reference_of_energy_is_the_cheapest_network_without_spikes_that_is_not_less_accurate():
    entries = [
        {"label": "ANN", "neuron": {"name": "relu"}, "timesteps": 1},
        {"label": "Small", "neuron": {"name": "relu"}, "timesteps": 1, "model": {"width": 4}, "unmatched": ["model"]},
        {"label": "LIF", "neuron": {"name": "lif"}, "timesteps": 2},
    ]
    suite = make_suite(entries=entries)
    records = []
    for run in suite.runs:
        record = make_record(run)
        if run.label == "Small":  # a tenth of the work
            layers = [
                each.model_copy(update={"dense_macs_total": each.dense_macs_total // 10}) for each in record.layers
            ]
            record = record.model_copy(update={"layers": layers, "other_ops": []})
        records.append(record)
    text = verdict_of(suite, records, "LIF")
    small, lif = (
        [unpack_correct(r.correct, r.test_samples) for r in records if r.label == label] for label in ("Small", "LIF")
    )
    mean, low, high, _ = analysed(small, lif, comparisons=3)
    assert (
        "Small takes least energy of the entries without spikes that are not established as less accurate than LIF "
        f"({mean:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}, n = 3)."
    ) in text
    assert text.index("more energy than Small") < text.index("less energy than ANN")
    [_, row] = cells(
        section(render_report(suite, records), "Energy").split("intervals as above:\n\n")[1].split("\n\n")[0]
    )
    assert row[:3] == ["LIF", "Small", f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"] and row[3].count("×") == 6
    # what is established as less accurate is no reference
    worse = [
        r.model_copy(update={"correct": packed(range(80_000)), "accuracy_fraction": 0.8}) if r.label == "Small" else r
        for r in records
    ]
    assert "takes least energy" not in verdict_of(suite, worse, "LIF")
    assert "intervals as above" not in section(render_report(suite, worse), "Energy")
