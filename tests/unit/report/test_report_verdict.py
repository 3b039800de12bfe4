"""What a verdict may say where runs, seeds or samples are missing, and near the edges of its rule."""

from dataclasses import replace

import numpy as np
import pytest
from support.reports import make_records, make_suite, section

from bench.energy.estimate import estimate_energy
from bench.records.correct import pack_correct
from bench.report.evidence.comparison import compare
from bench.report.evidence.crossed import Components, Difference
from bench.report.evidence.evidence import Evidence
from bench.report.evidence.pricing import price, turning_price
from bench.report.formats.text import p_value
from bench.report.page import render_report
from bench.report.sections.cells import interval


def verdict_of(suite, records, label):
    bullets = section(render_report(suite, records), "Verdict").strip().splitlines()
    return next(bullet for bullet in bullets if bullet.startswith(f"* **{label}**"))


def test_contrasts_are_said_where_the_baseline_has_not_finished():
    suite = make_suite(contrasts=[["CLIF", "LIF"]])
    records = [r for r in make_records(suite) if r.label != "ANN"]
    verdict = section(render_report(suite, records), "Verdict")
    assert "No run of the baseline" in verdict
    assert "* **CLIF** is more accurate than LIF: +1.23 points (95 % interval +0.21 to +2.25, n = 3)." in verdict


def test_seeds_with_other_test_samples_are_left_out_by_name():
    suite = make_suite(labels=("ANN", "LIF"), seeds=(0, 1, 2, 3))
    odd = [
        r.model_copy(update={"correct": pack_correct(np.arange(100) < 80), "test_samples": 100}) if r.seed == 0 else r
        for r in make_records(suite)
    ]
    text = verdict_of(suite, odd, "LIF")
    assert "n = 3)" in text
    assert "Seed 0: not compared, as the test samples are not those of the other seeds." in text
    bare = [r.model_copy(update={"correct": None}) for r in make_records(suite)]
    assert "has no finished seed with ANN on the same test samples" in verdict_of(suite, bare, "LIF")


def test_an_energy_ratio_has_the_interval_of_the_seeds_that_both_have():
    suite = make_suite(labels=("ANN", "LIF"), seeds=range(6))
    records = []
    for record in make_records(suite):
        if record.label == "ANN" and record.seed > 2:
            continue
        if record.label == "LIF":  # more than the baseline in its seeds, hardly anything in the others
            layers = [
                each.model_copy(update={"effective_synops_total": 400_000 + record.seed if record.seed < 3 else 1})
                for each in record.layers
            ]
            record = record.model_copy(update={"layers": layers})
        records.append(record)
    text = verdict_of(suite, records, "LIF")
    assert "more energy than ANN" in text and "less energy than ANN" not in text


def test_no_pair_is_told_apart_by_letters_that_the_verdict_does_not_tell_apart():
    labels = ("ANN", "LIF", "CLIF", "A", "B", "C", "D", "E")
    suite = make_suite(labels=labels)
    records = [record for record in make_records(suite) if record.label in ("ANN", "LIF")]
    comparison = Evidence.of(suite, records).comparison
    [contrast], [pair] = (
        [found for names, found in each.items() if set(names) == {"ANN", "LIF"}]
        for each in (comparison.contrasts, comparison.pairs)
    )
    assert pair.alpha == pytest.approx(0.05 / 28) and contrast.alpha == pytest.approx(0.05 / 7)
    assert pair.high - pair.low > contrast.high - contrast.low


def test_ends_of_intervals_show_on_which_side_of_zero_they_are():
    def of(low, high):
        parts = Components(3, 1000.0, 1.0, 1.0, 1.0)
        found = Difference((0, 1, 2), (0.0,) * 3, (low + high) / 2, parts)
        scale = (high - low) / 2 / found.half_width()
        squares = dict.fromkeys(("of_seeds", "of_samples", "rest"), scale**2)
        return interval(replace(found, components=replace(parts, **squares)))

    assert of(-1.0, 1.0) == "-1.00 to +1.00"
    assert of(0.004, 2.0) == "+0.004 to +2.000"
    assert of(-2.0, -0.0003) == "-2.0000 to -0.0003"
    assert (p_value(0.04999), p_value(0.0502), p_value(0.051)) == ("0.0500", "0.0502", "0.051")


def test_at_its_turning_price_a_sigmoid_makes_an_entry_take_as_much_as_the_baseline():
    suite = make_suite()
    comparison = compare(suite, make_records(suite))
    [priced] = price(comparison, ["horowitz-fp32"])
    clif = comparison.entries[2]
    for mode in ("dense", "zero_skipping"):
        found = turning_price(priced, clif, mode)
        prices = priced.table.operation_pj | {"sigmoid": found}
        table = priced.table.model_copy(update={"operation_pj": prices})
        totals = [
            np.mean([estimate_energy(record.counts, table).figure("total", mode) for record in entry.done])
            for entry in (clif, comparison.baseline)
        ]
        assert totals[0] == pytest.approx(totals[1])
    # Sigmoids: 1472 of 11516 pJ; the baseline 13845: (13845 - 10044) / 1472 of 18.4 pJ.
    assert turning_price(priced, clif, "dense") == pytest.approx(18.4 * (13845 - 10044) / 1472)
    assert turning_price(priced, comparison.entries[1], "dense") is None  # LIF has none
    text = verdict_of(suite, make_records(suite), "CLIF")
    assert "It would take as much as ANN at 47.5 pJ a sigmoid computed densely, at " in text
    assert "with zeros skipped; the table has 18.4 pJ." in text


def test_the_verdict_says_once_what_the_prices_of_the_first_table_rest_on():
    suite = make_suite()
    verdict = section(render_report(suite, make_records(suite)), "Verdict")
    assert verdict.count("Prices of horowitz-fp32: 4 quoted second-hand, 13 assumed.") == 1
