"""Every number of the main table, of energy and of accuracy compared, recomputed from records with no code of ours."""

import ast
import json
import re

import numpy as np
import pytest
from support import ROOT
from support.recomputed import counts, table_called
from support.recomputed_cells import tables_of
from support.recomputed_energy import energy
from support.recomputed_records import contradictions
from support.recomputed_report import SECTIONS, Reckoned

from bench.energy.estimate import estimate_energy, load_table
from bench.records.correct import pack_correct
from bench.records.lines import read_records
from bench.records.source import Fold
from bench.report.page import render_report
from bench.suite.load import load_suite

# How many cells a report has at the least of those that are recomputed: an empty comparison agrees with anything.
CELLS = {
    "cifar10-small": 609,
    "clif-ablation": 1524,
    "clif-tau": 2391,
    "clif-timesteps": 1954,
    "digits": 782,
    "digits-folds": 866,
    "digits-opponents": 2537,
    "digits-tuned": 1645,
    "fashion": 846,
    "n-mnist-small": 1430,
    "neurons": 2594,
    "temporal-gradient": 595,
}
NAMES = ("entry", "where", "layer", "graded layer", "reference")  # columns of names that may end in a digit

# Tables whose rules are recomputed; the others are of chips that have a price per synop or per update.
PRICED = (
    *("horowitz-fp16", "horowitz-fp32", "horowitz-int8", "horowitz-int8-acc32", "horowitz-int32", "horowitz-memory"),
    *("lemaire", "lemaire-regression", "yan-2024-22nm"),
)


def page_of(suite):
    return (ROOT / f"reports/{suite}/report.md").read_text("utf-8")


def records_of(suite):
    lines = (ROOT / f"reports/{suite}/records.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def changed(suite, label, change):
    """The records with something changed in those of an entry, as text."""
    records = records_of(suite)
    change(next(record for record in records if record["label"] == label))
    return "\n".join(map(json.dumps, records))


def test_every_committed_report_is_recomputed():
    assert set(CELLS) == {path.parent.name for path in (ROOT / "reports").glob("*/records.jsonl")}


@pytest.mark.parametrize("suite", CELLS)
def test_every_number_of_a_report_is_that_of_its_records(suite):
    reckoned = Reckoned(suite, page_of(suite))
    checked = reckoned.compare()
    assert checked.disagreements == []
    assert checked.cells >= CELLS[suite]
    assert reckoned.left_over() == {}


@pytest.mark.parametrize("suite", CELLS)
def test_records_agree_with_themselves(suite):
    done = [record for record in records_of(suite) if record["status"] == "done"]
    assert done
    for record in done:
        assert list(contradictions(record)) == []
        if record.get("deployed"):
            assert list(contradictions(record | record["deployed"] | {"history": []})) == []


def test_the_recomputation_imports_nothing_of_the_package():
    for path in [path for name in ("recomputed*", "*_by_hand") for path in (ROOT / "tests/support").glob(f"{name}.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            allowed = {"math", "itertools", "re", "json", "base64", "tomllib", "functools", "statistics", "dataclasses"}
            allowed |= {"collections", "numpy", "scipy", "support"}
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


@pytest.mark.parametrize("which", (0, -1), ids=("first", "last"))
@pytest.mark.parametrize("suite", ("cifar10-small", "temporal-gradient", "n-mnist-small"))
def test_one_unit_more_or_less_in_the_last_digit_of_any_cell_is_noticed(suite, which):
    """Of the first and of the last number in each cell, all cells at once: each of them has to disagree.

    A number half-way between two roundings agrees with both of them, and with no third.
    """
    as_printed = Reckoned(suite, page_of(suite))
    as_printed.compare()
    between = places(as_printed, "between")
    for unit in (1, -1):
        noticed, changes = noticed_and_changed(suite, which, unit)
        assert noticed <= changes and changes - noticed <= between
        assert len(changes) > CELLS[suite] / 2


def places(reckoned, name):
    """The cells of a page that are in such a set of their table."""
    tables = ((path, at, table) for path, found in reckoned.page.items() for at, table in enumerate(found))
    return {(path, at, *place) for path, at, table in tables for place in getattr(table, name)}


def noticed_and_changed(suite, which, unit):
    """Which cells disagree, and which were changed by a unit in the last digit of one of their numbers."""
    reckoned, changes = Reckoned(suite, page_of(suite)), set()
    for path, tables in reckoned.page.items():
        for at, table in enumerate(tables) if path[0] in SECTIONS else ():
            for row, column in table.left_over:
                cell = table.rows[row][column]
                found = list(re.finditer(r"\d(?=e|[^\d.,]|$|,\s)", cell))
                if found and table.header[column] not in NAMES:
                    end = found[which].start()
                    table.rows[row][column] = f"{cell[:end]}{(int(cell[end]) + unit) % 10}{cell[end + 1 :]}"
                    changes.add((path, at, row, column))
    reckoned.compare()
    return places(reckoned, "wrong"), changes


def records_by_fold():
    """Records of `digits-folds` as they might be: with the counts of runs of `digits`, and random bits, by run."""
    suite, rng = load_suite(ROOT / "suites/digits-folds.toml"), np.random.default_rng(0)
    kept = {(record.label, record.seed): record for record in read_records(ROOT / "reports/digits/records.jsonl")}
    for run in suite.runs:
        size, level = 360 - (run.seed % 5 > 1), 0.99 - 0.03 * (run.label == "PLIF")
        right = np.arange(size) < level * size + rng.normal(0, 2)
        one = {"repetition": run.seed // 5, "fold": run.seed % 5, "folds": 5, "test": f"samples{run.seed}"}
        changes = {"key": run.key, "measure_key": run.measure_key, "seed": run.seed, "spec": run.spec.to_json()}
        changes |= {"fold": Fold(train_samples=1797 - size, **one), "accuracy_fraction": float(right.mean())}
        changes |= {"correct": pack_correct(rng.permutation(right)), "test_samples": size, "correct_by_timestep": None}
        yield kept[run.label, run.seed % 3].model_copy(update=changes)


def test_every_number_of_a_report_by_fold_is_that_of_its_records():
    suite, records = load_suite(ROOT / "suites/digits-folds.toml"), list(records_by_fold())
    page, text = render_report(suite, records), "\n".join(record.to_json() for record in records)
    reckoned = Reckoned("digits-folds", page, text)
    checked = reckoned.compare()
    assert checked.disagreements == [] and checked.cells >= CELLS["digits"]
    assert reckoned.left_over() == {}
    assert "settled" in page and "seeds of about" in page and " each |" in page
    strayed = [json.loads(line) for line in text.splitlines()]
    strayed[-1]["fold"]["test"] = "samples of others"
    again = Reckoned("digits-folds", page, "\n".join(map(json.dumps, strayed)))
    assert again.compare().disagreements


def more_spikes(record):
    record["neurons"][-1]["spikes_total"] += record["neurons"][-1]["spikes_total"] // 500


def fewer_synops(record):
    record["layers"][1]["effective_synops_total"] -= record["layers"][1]["effective_synops_total"] // 500


def another_operation(record):
    record["neurons"][0]["ops_per_update"]["add"] += 1


def another_parameter(record):
    record["parameters"] += 1


def one_more_right(record):
    record["correct"] = record["correct"].replace("/", "f", 1)


def one_channel_more(record):
    record["layers"][0]["output_shape"][0] += 1


def another_bias(record):
    record["other_ops"][0]["ops_per_sample"]["add"] *= 2


def a_failed_run(record):
    record["status"] = "failed"


CHANGES = (
    *(more_spikes, fewer_synops, another_operation, another_parameter, one_more_right),
    *(one_channel_more, another_bias, a_failed_run),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_record_that_says_something_else_is_noticed(change):
    text = changed("cifar10-small", "CLIF", change)
    assert Reckoned("cifar10-small", page_of("cifar10-small"), text).compare().disagreements


def figures_of(breakdown):
    """What the product reckons, by the names of the recomputation."""
    found = {
        ("total", "dense"): breakdown.total_dense_pj_per_sample,
        ("total", "zero-skipping"): breakdown.total_zero_skipping_pj_per_sample,
        ("synapse", "dense"): breakdown.synapse_dense_pj_per_sample,
        ("synapse", "zero-skipping"): breakdown.synapse_zero_skipping_pj_per_sample,
        "cached": breakdown.total_cached_pj_per_sample,
        ("driven", "dense"): breakdown.figure("per_spike", "dense"),
        ("driven", "zero-skipping"): breakdown.figure("per_spike", "zero_skipping"),
        "sigmoid at 0": breakdown.total_sigmoid_free_pj_per_sample,
        "sigmoid at 10": breakdown.total_sigmoid_tenfold_pj_per_sample,
    }
    return found | {name: part for name, part in breakdown.parts.items() if name != "synapse"}


@pytest.mark.parametrize("suite", CELLS)
def test_energy_agrees_far_beyond_the_digits_that_are_printed(suite):
    """Under every table whose rules are recomputed, beside the suite's own: small terms do not show in four digits."""
    records = [record for record in read_records(ROOT / f"reports/{suite}/records.jsonl") if record.counts]
    by_key = {run["key"]: run for run in records_of(suite)}
    for name in PRICED:
        table = load_table(name)
        for record in records:
            run = by_key[record.key]
            theirs, ours = figures_of(estimate_energy(record.counts, table)), energy(counts(run), table_called(name))
            assert {what for what, pj in ours.items() if pj is None} == {w for w, pj in theirs.items() if pj is None}
            priced = {what: pj for what, pj in theirs.items() if pj is not None}
            assert {what: ours[what] for what in priced} == pytest.approx(priced, rel=1e-12)


def test_tables_of_a_page():
    page = "## A\n\n| x | y |\n|:--|--:|\n| a | 1 |\n\n### B\n| z |\n|--|\n| 2 |\n"
    found = tables_of(page)
    assert found["A",][0].rows == [["a", "1"]]
    assert found["A", "B"][0].header == ["z"]
