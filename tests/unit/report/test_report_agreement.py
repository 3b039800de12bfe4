"""Whatever the records say: sentence, tables and figure of a report never disagree."""

import functools
import re

import numpy as np
import pytest
from support.reports import cells, fold_of_seed, make_record, make_suite, section

from bench.records.correct import pack_correct
from bench.report.evidence.evidence import Evidence
from bench.report.page import render_page

LABELS = ("ANN", "ANN, small", "LIF", "CLIF")
ENTRIES = [
    {"label": "ANN", "neuron": {"name": "relu"}, "timesteps": 1},
    {"label": "ANN, small", "neuron": {"name": "relu"}, "timesteps": 1, "model": {"width": 4}, "unmatched": ["model"]},
    {"label": "LIF", "neuron": {"name": "lif"}, "timesteps": 2},
    {"label": "CLIF", "neuron": {"name": "clif"}, "timesteps": 2},
]
PAIRS = [["CLIF", "LIF"], ["ANN, small", "ANN"]]  # what the one gains on the other
SIGNED = ((1, "CLIF"), (-1, "LIF"), (-1, "ANN, small"), (1, "ANN"))
GAINS = {
    ("larger", False): " in accuracy is larger than ANN, small - ANN: ",
    ("larger", True): " in accuracy is larger than ANN, small - ANN, though equal within 0.5 points: ",
    ("smaller", False): " in accuracy is smaller than ANN, small - ANN: ",
    ("smaller", True): " in accuracy is smaller than ANN, small - ANN, though equal within 0.5 points: ",
    (None, True): " in accuracy is as large as ANN, small - ANN within 0.5 points: ",
    (None, False): " against ANN, small - ANN: whether it is larger or smaller in accuracy is not established at n = ",
}
SAMPLES = 300
WORDS = {
    ("better", False): "is more accurate than {}: ",
    ("better", True): "is more accurate than {}, though equal within 0.5 points: ",
    ("worse", False): "is less accurate than {}: ",
    ("worse", True): "is less accurate than {}, though equal within 0.5 points: ",
    (None, True): "is as accurate as {} within 0.5 points: ",
    (None, False): "against {}: a difference in accuracy is not established at n = ",
}


@functools.cache
def made(number):
    """The evidence of a number, and the page that is made of it."""
    evidence = random_evidence(number)
    return evidence, render_page(evidence)


def random_evidence(number):
    """A suite of four entries with random accuracies, synops and spikes, some runs of which have failed.

    From number 40 on each seed has test samples of its own.
    """
    rng = np.random.default_rng(number)
    contrasts = [[], [["CLIF", "LIF"]], [["LIF", "ANN, small"], ["CLIF", "LIF"]]][rng.integers(3)]
    by_fold = number >= 40
    seeds, dataset = range(rng.integers(1, 12 if by_fold else 5)), {"name": "digits"}
    suite = make_suite(
        entries=ENTRIES,
        seeds=seeds,
        energy=("horowitz-fp32", "horowitz-int8"),
        contrasts=contrasts,
        interactions=[PAIRS] if number % 2 else [],
        dataset=dataset | ({"test_split": "folds"} if by_fold else {}),
    )
    level = rng.uniform(0.3, 1.0)
    accuracy = {label: min(1.0, level + rng.normal(0, 0.05)) for label in LABELS}
    scale = {label: rng.uniform(0.05, 3.0) for label in LABELS}
    spread, alike, failing = rng.uniform(0, 0.5), rng.random() < 0.5, rng.choice([0.0, 0.1])
    hard, records = rng.random(SAMPLES), []
    for run in suite.runs:
        record = make_record(run)
        if by_fold:  # the entries of a seed have its samples in common
            hard = np.random.default_rng([number, run.seed]).random(SAMPLES)
        right = (hard if alike else rng.random(SAMPLES)) < accuracy[run.label] + rng.normal(0, 0.01)
        happen = min(1.0, scale[run.label] * np.exp(rng.normal(0, spread)) / 3)
        layers = [
            each.model_copy(update={"effective_synops_total": int(each.dense_macs_valid_total * happen)})
            for each in record.layers
        ]
        share = float(right.mean())
        changes = {"layers": layers, "correct": pack_correct(right), "test_samples": SAMPLES}
        changes |= {"accuracy_fraction": share, "best_accuracy_fraction": share}
        changes |= {"fold": fold_of_seed(run.seed)} if by_fold else {}
        if rng.random() < failing:
            changes |= {"status": "failed", "error": "out of memory"}
        records.append(record.model_copy(update=changes))
    return Evidence.of(suite, records)


def table_after(text, words):
    """The rows of the first table of a section whose header begins with `words`, by their first cell."""
    block = next(block for block in text.split("\n\n") if re.match(rf"\| {words} *\|", block.strip()))
    header, *rows = cells(block.strip())
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


@pytest.mark.parametrize("number", range(70))
def test_sentence_table_and_figure_agree(number):
    evidence, page = made(number)
    comparison, verdict = evidence.comparison, section(page, "Verdict")
    main = table_after(section(page, "Comparison"), "entry")
    delta = next((name for name in main["ANN"] if name.startswith("Δ to ANN")), None)
    points = {point["label"]: point for point in evidence.figures.get("accuracy_energy", {}).get("entries", [])}
    for label, point in points.items():
        assert main[label]["accuracy, % ↑"].startswith(f"{point['accuracy_percent_mean']:.2f}")
    if not comparison.baseline.done:
        assert "nothing can be compared" in verdict
        return
    compared = table_after(section(page, "Accuracy compared"), "comparison")
    for (one, other), found in comparison.contrasts.items():
        row = compared[f"{one} - {other}"]
        if found.mean is None:
            assert row["established"] == "not established" and row["p"] == "n/a"
            continue
        lines = [line for line in verdict.splitlines() if line.startswith(f"* **{one}** ")]
        said = lines[0] if other == "ANN" else next(line for line in lines if f" {other}" in line and line != lines[0])
        if row["established"] == "not established":
            direction, equal = None, False
        else:
            direction = next((word for word in ("better", "worse") if word in row["established"]), None)
            equal = "as accurate" in row["established"]
        assert f"**{one}** " + WORDS[direction, equal].format(other) in said
        assert row["difference, points ↑"] in said
        assert (direction is None) or int(row["n"]) >= 3
        if row["95 % interval"] != "n/a":
            low, high = map(float, row["95 % interval"].split(" to "))
            assert f"95 % interval {low:+.2f} to {high:+.2f}, n = {row['n']}" in said
            if other == "ANN":
                assert main[one][delta] == f"{row['difference, points ↑']} ({row['95 % interval']})"
            # to the digits that are shown: an end at 0.00 may lie on either side
            if int(row["n"]) >= 3 and 0 not in (low, high):
                assert (direction == "better") == (low > 0) and (direction == "worse") == (high < 0)
            p = row["p"]
            if direction is not None:
                assert p.startswith("<") or float(p) <= 0.05
            elif int(row["n"]) >= 3:
                assert not p.startswith("<") and float(p) >= 0.05


@pytest.mark.parametrize("number", range(1, 70, 2))
def test_what_is_said_of_a_difference_of_differences_is_what_the_table_shows(number):
    evidence, page = made(number)
    [found] = evidence.comparison.interactions.values()
    if not evidence.comparison.baseline.done:
        return
    row = table_after(section(page, "Accuracy compared"), "comparison")["(CLIF - LIF) - (ANN, small - ANN)"]
    verdict = section(page, "Verdict").splitlines()
    [said] = [line for line in verdict if line.startswith("* **CLIF - LIF** ")]
    if found.mean is None:
        assert row["established"] == "not established" and "has no finished seed with ANN, small - ANN" in said
        return
    words, nothing = row["established"], row["established"] == "not established"
    direction = None if nothing else next((word for word in ("larger", "smaller") if word in words), None)
    assert f"**CLIF - LIF**{GAINS[direction, 'as large' in words]}" in said and row["difference, points ↑"] in said
    assert nothing or int(row["n"]) >= 3
    if row["95 % interval"] != "n/a":
        low, high = map(float, row["95 % interval"].split(" to "))
        assert f"95 % interval {low:+.2f} to {high:+.2f}, n = {row['n']}" in said
        if int(row["n"]) >= 3 and 0 not in (low, high):
            assert (direction == "larger") == (low > 0) and (direction == "smaller") == (high < 0)
    # The mean is that of the four accuracies, of the seeds that have all.
    done = [(entry.label, run) for entry in evidence.comparison.entries for run in entry.done]
    accuracy = {(label, run.seed): 100 * run.accuracy_fraction for label, run in done}
    gains = [sum(sign * accuracy[label, seed] for sign, label in SIGNED) for seed in found.seeds]
    assert found.mean == pytest.approx(np.mean(gains), abs=1e-9) and found.by_seed == pytest.approx(gains, abs=1e-9)


@pytest.mark.parametrize("number", range(70))
def test_what_is_said_of_energy_is_what_the_tables_show(number):
    evidence, page = made(number)
    comparison, verdict = evidence.comparison, section(page, "Verdict")
    if not comparison.baseline.done:
        return
    for priced in evidence.prices:
        table = section(page, "Energy").split(f"### {priced.name}\n")[1].split("###")[0]
        header, *rows = cells(next(block for block in table.split("\n\n") if block.strip().startswith("| entry, ")))
        column = {"dense": header.index("total, dense") + 1, "skipped": header.index("total, zero-skipping") + 1}
        break_even = section(page, "Energy").partition("### Break-even\n")[2]
        for row in rows:
            said = next((line for line in verdict.splitlines() if line.startswith(f"* **{row[0]}** ")), "")
            clause = re.search(
                r"all 2 tables, against ANN computed densely: (.*?); with zeros skipped: (.*?)\.(?: |$)", said
            )
            if clause is None:
                continue
            for words, mode in zip(clause.groups(), ("dense", "skipped"), strict=True):
                sides = {
                    name: side
                    for side, names in re.findall(r"(\w[\w ]*?) under \d \((.*?)\)", words)
                    for name in names.split(", ")
                }
                cell, side = row[column[mode]], sides[priced.name]
                if "(" not in cell:
                    assert side == "not established"
                    continue
                ends = re.search(r"\((.*)× to (.*)×\)", cell).groups()
                low, high = (float(end.replace(",", "")) for end in ends)
                expected = "less" if high < 1 else "more" if low > 1 else "not established"
                assert side == expected or 1.0 in (low, high) or (side == "as much" and low == high)
                line = next(
                    (line for line in break_even.splitlines() if line.startswith(f"* **{row[0]}** fires")), None
                )
                if line is None:  # nothing spikes
                    continue
                where = line.split("with zeros skipped on both sides")[mode == "skipped"]
                apart = {"less": "the side of less energy", "more": "the side of more energy"}
                clauses = [clause for clause in where.split("; ") if priced.name in clause]
                assert any(apart.get(side, "not told apart from break-even over the seeds") in each for each in clauses)
