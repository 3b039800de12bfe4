"""Does this task need time? What entries lose without it, by the rule of every comparison, and what is claimed."""

import json

import numpy as np
import pytest
from support.crossed_by_hand import interval
from support.recomputed import Row
from support.recomputed_cells import Checked, tables_of
from support.recomputed_report import Reckoned
from support.recomputed_time import compare_time
from support.reports import TEST_SAMPLES, cells, make_record, make_suite, packed, section

from bench.records.correct import unpack_correct
from bench.records.record import Rearranged, RunRecord
from bench.report.diff import diff
from bench.report.evidence.comparison import compare
from bench.report.evidence.evidence import Evidence
from bench.report.page import render_report
from bench.report.sections import needs_time

HEADING = "Does this task need time?"
NO_CLAIM = "no claim about temporal gradients can be made here"
ANN = {"label": "ANN", "neuron": {"name": "relu"}, "timesteps": 1}
LIF = {"label": "LIF", "neuron": {"name": "lif"}, "timesteps": 2, "encoder": {"name": "latency"}}
TESTED = LIF | {"tested": ["shuffled", "merged"]}
SPACE = LIF | {"label": "LIF, space", "train": {"gradient": "space"}, "unmatched": ["train.gradient"]}
# Points lost by seed; LIF itself gets 89,000, 89,800 and 90,600 of 100,000 test samples right.
SHUFFLED, MERGED = (2.0, 2.1, 1.9), (0.01, 0.0, -0.01)


def right(lost, seed):
    """The bits of LIF's own samples but some of the last, or some more."""
    return packed(range(2, 2 + 89_000 + 800 * seed - round(lost * TEST_SAMPLES / 100)))


def rearranged(frames, lost, seed):
    accuracy = (89_000 + 800 * seed) / TEST_SAMPLES - lost / 100
    bits = right(lost, seed)
    return Rearranged(
        frames=frames,
        accuracy_fraction=accuracy,
        accuracy_by_timestep=[accuracy, accuracy],
        correct=bits,
        test_samples=TEST_SAMPLES,
    )


def records_of(suite, shuffled=SHUFFLED, merged=MERGED, space=(0.0, 0.0, 0.0)):
    found = []
    for run in suite.runs:
        record = make_record(run)
        lost = {"shuffled": shuffled[run.seed], "merged": merged[run.seed]}
        extra = [rearranged(frames, lost[frames], run.seed) for frames in run.measure.tested]
        changes = {"tested": extra} if extra else {}
        if run.label == "LIF, space":
            changes |= {"correct": right(space[run.seed], run.seed)}
        found.append(record.model_copy(update=changes))
    return found


def rows_of(page):
    table = [line for line in section(page, HEADING).splitlines() if line.startswith("|")]
    return cells("\n".join(table))[1:]


def bits(records, label, frames=None):
    own = [record for record in records if record.label == label]
    if frames:
        own = [next(each for each in record.tested if each.frames == frames) for record in own]
    return np.stack([unpack_correct(each.correct, TEST_SAMPLES) for each in own]).astype(int)


def test_rows_hold_accuracies_and_corrected_differences():
    suite = make_suite(entries=[ANN, TESTED, SPACE])
    records = records_of(suite)
    page = render_report(suite, records)
    own, *others = rows_of(page)
    assert own == ["LIF", "as trained", "89.80 ± 0.80", "3", "", "", ""]
    assert [row[:4] for row in others] == [
        ["LIF on shuffled frames", "frames shuffled", "87.80 ± 0.85", "3"],
        ["LIF on merged frames", "frames merged", "89.80 ± 0.81", "3"],
        ["LIF, space", "trained with the gradient through space alone", "89.80 ± 0.80", "3"],
    ]
    assert [row[4] for row in others] == ["-2.00", "+0.00", "+0.00"]
    assert [row[6] for row in others] == ["worse", "as accurate", "as accurate"]
    # Two with the baseline and these three.
    for row, frames in zip(others[:2], ("shuffled", "merged"), strict=True):
        mean, low, high = interval(bits(records, "LIF", frames), bits(records, "LIF"), 5)
        assert row[4] == f"{mean:+.2f}" and row[5] == f"{low:+.2f} to {high:+.2f}"
    compared = section(page, "Accuracy compared")
    assert "all 5 intervals hold at once" in compared
    names = ["LIF - ANN", "LIF, space - ANN", "LIF on shuffled frames - LIF", "LIF on merged frames - LIF"]
    assert [line.split("|")[1].strip() for line in compared.splitlines() if " - " in line.partition("|")[2]][:5] == [
        *names,
        "LIF, space - LIF",
    ]


@pytest.mark.parametrize(
    ("entries", "lost", "said", "verdict"),
    [
        (
            [TESTED],
            {"shuffled": MERGED},
            f"no fall is established (frames shuffled or frames merged): {NO_CLAIM}.",
            f"Without time no fall in accuracy is established: {NO_CLAIM}.",
        ),
        (
            [TESTED],
            {},
            f"a fall is established (frames shuffled); nothing was trained without gradients through time, and so "
            f"{NO_CLAIM}.",
            "Without time a fall in accuracy is established for LIF (frames shuffled); nothing was trained without",
        ),
        (
            [TESTED, SPACE],
            {},
            "a fall is established (frames shuffled); but not where it was trained without gradients through time, and "
            f"so {NO_CLAIM}.",
            "for LIF (frames shuffled); but not where it was trained without gradients through time, and so no claim",
        ),
        (
            [TESTED, SPACE],
            {"space": SHUFFLED},
            "a fall is established (frames shuffled, trained with the gradient through space alone).",
            "is established for LIF (frames shuffled, trained with the gradient through space alone).",
        ),
        (
            [LIF, SPACE],
            {},
            f"no fall is established (trained with the gradient through space alone): {NO_CLAIM}.",
            f"Without time no fall in accuracy is established: {NO_CLAIM}.",
        ),
    ],
)
def test_no_more_is_claimed_than_was_lost(entries, lost, said, verdict):
    suite = make_suite(entries=[ANN, *entries])
    page = render_report(suite, records_of(suite, **lost))
    assert f"* **LIF**: {said}" in section(page, HEADING)
    assert verdict in section(page, "Verdict")


def test_two_seeds_establish_nothing():
    suite = make_suite(entries=[ANN, TESTED], seeds=(0, 1))
    page = render_report(suite, records_of(suite))
    assert f"**LIF**: no fall is established (frames shuffled or frames merged): {NO_CLAIM}." in section(page, HEADING)


def test_a_baseline_is_tested_too_and_compared_with_its_twin_once():
    suite = make_suite(entries=[TESTED, SPACE])
    records = records_of(suite, space=SHUFFLED)
    comparison = compare(suite, records)
    assert list(comparison.contrasts) == [
        ("LIF, space", "LIF"),
        ("LIF on shuffled frames", "LIF"),
        ("LIF on merged frames", "LIF"),
    ]
    assert comparison.contrast("LIF", "LIF, space").mean == -comparison.contrast("LIF, space", "LIF").mean == 2.0
    page = render_report(suite, records)
    assert [row[4] for row in rows_of(page)] == ["", "-2.00", "+0.00", "-2.00"]
    assert "**LIF on shuffled frames**" not in page  # said in one sentence, not in a bullet of its own
    turned = make_suite(entries=[SPACE, LIF])
    assert rows_of(render_report(turned, records_of(turned, space=SHUFFLED)))[1][4] == "-2.00"


def test_nothing_is_said_where_nothing_is_tested_and_what_has_not_run_is_no_zero():
    suite = make_suite()
    evidence = Evidence.of(suite, [make_record(run) for run in suite.runs])
    assert needs_time.section(evidence) == [] and needs_time.sentence(evidence.comparison) is None
    suite = make_suite(entries=[ANN, TESTED])
    page = render_report(suite, [record for record in records_of(suite) if record.label == "ANN"])
    assert [row[2:] for row in rows_of(page)] == [
        ["n/a", "0", "", "", ""],
        *[["n/a", "0", "n/a", "n/a", "not established"]] * 2,
    ]


def test_a_record_keeps_what_was_tested_and_one_without_has_no_word_of_it():
    suite = make_suite(entries=[ANN, TESTED])
    ann, lif = (next(r for r in records_of(suite) if r.label == label) for label in ("ANN", "LIF"))
    assert RunRecord.from_json(lif.to_json()) == lif and [each.frames for each in lif.tested] == ["merged", "shuffled"]
    assert '"tested"' not in ann.to_json()


def test_the_section_is_what_another_computation_says():
    suite = make_suite(entries=[ANN, TESTED, SPACE])
    records = [json.loads(record.to_json()) for record in records_of(suite)]
    page = tables_of(render_report(suite, records_of(suite)))
    other = Reckoned.__new__(Reckoned)  # of records that lie in no file
    other.spec = {"train": {}, "entries": [ANN, TESTED, SPACE]}
    other.rows = [
        Row(label, 2, 3, {record["seed"]: record for record in records if record["label"] == label})
        for label in ("ANN", "LIF", "LIF, space")
    ]
    other.page, other.checked, other.margin, other.contrasts = page, Checked(), 0.5, [None] * 5
    compare_time(other)
    [table] = page[HEADING,]
    assert other.checked.disagreements == [] and len(table.rows) == 4 and not table.left_over and not table.wrong
    table.rows[1][4] = "-1.99"
    compare_time(other)
    assert table.wrong == {(1, 4)}


def test_diff_shows_another_accuracy_on_other_frames():
    suite = make_suite(entries=[ANN, TESTED])
    before, after = records_of(suite), records_of(suite, merged=(1.0, 1.0, 1.0))
    assert "No measured number differs." in diff(before, before)
    found = diff(before, after)
    assert "1 of 20 measured numbers differ." in found
    [changed] = [row for row in cells(found.partition("\n\n")[2])[1:] if not row[1].startswith("training")]
    assert changed[0] == "LIF on merged frames" and changed[2:4] == ["89.8000", "88.8000"]


def test_a_baseline_alone_is_compared_with_itself_on_other_frames_where_the_suite_asks():
    labels = ("LIF", "LIF on shuffled frames", "LIF on merged frames")
    lif, shuffled, merged = labels
    suite = make_suite(entries=[TESTED], baseline=lif, seeds=(0, 1, 2), interactions=[[[lif, shuffled], [merged, lif]]])
    records = records_of(suite)
    [((pair, other), found)] = compare(suite, records).interactions.items()
    assert (pair, other) == ((lif, shuffled), (merged, lif))
    # Of the seeds 2, 2.1 and 1.9 points lost, and 0.01, 0 and -0.01 of them: 2 - -0.01 and so on.
    assert found.by_seed == pytest.approx([2.0 + 0.01, 2.1, 1.9 - 0.01])
    verdict = section(render_report(suite, records), "Verdict")
    assert "**LIF - LIF on shuffled frames** in accuracy is larger than LIF on merged frames - LIF: +2.00" in verdict
    assert "nothing to compare" not in verdict
