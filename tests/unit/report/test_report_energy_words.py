"""What a verdict says of energy beside the comparison itself, and where it says nothing."""

import re

import pytest
from support.reports import make_record, make_records, make_suite, section

from bench.report.page import render_report

# Prices, and so figures, that can be worked out: an accumulate costs 1 pJ, a MAC and every other operation as said.
TABLE = """
title = "Prices of this test"
source = "made up"
node_nm = 1
precision = "fp32"
bits = 32
scope = "what it says"
{more}
[operation_pj]
mac = {mac}
ac = 1.0
add = 0.0
sub = 0.0
mul = 0.0
compare = 0.0
sigmoid = {sigmoid}
"""
MEMORY = '\n[memory]\naccesses = "per-operation"\nword_bits = 32\nprices = { potential = { base_pj = 1e4 } }\n'


def table(folder, name, mac=1.0, sigmoid=0.0, more="", memory=""):
    path = folder / f"{name}.toml"
    path.write_text(TABLE.format(mac=mac, sigmoid=sigmoid, more=more) + memory)
    return str(path)


def sentences(tables, label, records=None, **changes):
    suite = make_suite(**changes)
    bullets = section(render_report(suite, records or make_records(suite), tables), "Verdict").strip().splitlines()
    return next(bullet for bullet in bullets if bullet.startswith(f"* **{label}**"))


NO_MEMORY = "Less energy than ANN is established under no table that prices the memory of both."
NOT_SKIPPED = "Less energy than ANN is established nowhere with zeros skipped."


def test_memory_decides_where_only_tables_without_it_give_less(tmp_path):
    bare, paid = table(tmp_path, "bare", mac=10.0), table(tmp_path, "paid", mac=10.0, memory=MEMORY)
    both, alone = (sentences(tables, "LIF") for tables in ([bare, paid], [bare, bare]))
    sides = re.search(r"computed densely: (.*?); with", both).group(1)
    assert sides == "less under 1 (bare), more under 1 (paid)" and NO_MEMORY in both
    contained = table(tmp_path, "contained", mac=10.0, more='lacks = ["leakage"]')
    assert NO_MEMORY not in sentences([bare, contained], "LIF")  # less there, and it contains memory
    assert NO_MEMORY not in alone  # no table with memory is there to disagree


def test_zeros_decide_where_less_is_established_only_with_all_of_them_computed():
    words = sentences(["horowitz-fp32", "horowitz-int8-acc32"], "CLIF")
    dense, _, skipped = words.partition("; with zeros skipped: ")
    assert "densely: less under 2" in dense and skipped.startswith("more under 2") and NOT_SKIPPED in words
    assert NOT_SKIPPED not in sentences(["horowitz-fp32", "horowitz-int8-acc32"], "LIF")  # less with zeros skipped too


@pytest.mark.parametrize(
    ("mac", "words"),
    [
        # ANN: 3,000 MACs, half of them not zero; CLIF: 2,000 and its spikes, two sigmoids for each of 40 updates
        (0.1, "It would take more than ANN even at no price a sigmoid computed densely and with zeros skipped"),
        (10.0, r"It would take as much as ANN at [\d.,]+ pJ a sigmoid computed densely, at [\d.,]+ pJ a sigmoid with"),
    ],
)
def test_which_price_of_a_sigmoid_would_turn_it(tmp_path, mac, words):
    records = None
    if mac < 1:  # as many spikes as make it dearer than all MACs of the other
        records = []
        for run in make_suite().runs:
            record = make_record(run)
            if run.label == "CLIF":
                stem, fc = record.layers
                fc = fc.model_copy(update={"effective_synops_total": 4000 * fc.samples})
                record = record.model_copy(update={"layers": [stem, fc]})
            records.append(record)
    found = sentences([table(tmp_path, "mine", mac=mac, sigmoid=1.0)], "CLIF", records)
    assert re.search(words, found) and "at no price a sigmoid, " not in found


def test_what_a_static_input_would_save_by_hand(tmp_path):
    # LIF: 2 x 1,000 MACs of a stem that sees one image, of 1 pJ each as an accumulate: 1,000 less.
    mine = table(tmp_path, "mine")
    found = sentences([mine], "LIF")
    dense = float(re.search(r": ([\d.]+) times the energy", found).group(1))
    once = float(re.search(r"computed once, it would be ([\d.]+) times computed densely", found).group(1))
    assert dense - once == pytest.approx(1000 / 3000, abs=0.002)
    assert "computed once" not in sentences(
        [mine],
        "LIF",
        [
            r.model_copy(update={"layers": [each.model_copy(update={"static_input": False}) for each in r.layers]})
            for r in make_records(make_suite())
        ],
    )


@pytest.mark.parametrize(("precision", "said"), [("fp32", True), ("bf16", True)])
def test_a_table_of_fewer_bits_says_that_no_accuracy_was_measured_at_them(precision, said):
    train = {"epochs": 2, "batch_size": 32, "precision": precision, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    suite = make_suite(train=train)
    pages = {
        name: render_report(suite, make_records(suite), [name]) for name in ("horowitz-int8-acc32", "horowitz-fp32")
    }
    words = f"It prices operands of 8 bits. The accuracies were measured as trained, in {precision}"
    assert words in pages["horowitz-int8-acc32"] and "It prices operands" not in pages["horowitz-fp32"]


def test_what_prices_leave_out_is_said_in_the_verdict_and_with_the_table(tmp_path):
    suite = make_suite()
    silent, all_of_it = table(tmp_path, "silent"), table(tmp_path, "whole", more="lacks = []")
    for name, words in {
        "horowitz-fp32": "Its prices leave out memory, addressing, routing and leakage.",
        "lemaire": "Its prices leave out routing and leakage.",
        "loihi": "Its prices leave out leakage.",
        silent: "What its prices leave out is not said.",
        all_of_it: "Its prices leave out nothing of a chip.",
    }.items():
        page = render_report(suite, make_records(suite), [name])
        assert f" {words} No table prices time" in section(page, "Verdict")
    assert "addressing (working out where a spike goes)" in section(
        render_report(suite, make_records(suite), ["horowitz-fp32"]), "Energy"
    )


def test_a_recipe_that_nobody_searched_for_is_called_that():
    suite = make_suite()
    page = section(render_report(suite, make_records(suite)), "Settings")
    assert "No search for the recipe is on record" in page and "No training samples were held out" in page
    held = make_suite(dataset={"name": "digits", "validation_fraction": 0.1})
    page = section(render_report(held, make_records(held)), "Settings")
    assert "No search for the recipe is on record" in page and "held out" not in page
