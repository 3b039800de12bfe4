"""What a report says of runs that diverged, are dead or at chance, and of the machines that made the runs."""

import pytest
from support.reports import at_chance, cells, dead, diverged, make_record, make_records, make_suite, section

from bench.report.evidence.evidence import Evidence
from bench.report.figures.draw import DRAWINGS, draw_figures
from bench.report.figures.drawing import looks_of
from bench.report.page import main_table, render_report
from bench.report.sections.main_values import values

LIF, BASELINE = range(3, 6), range(3)  # places of their records
STATES = {"diverged": diverged, "dead": dead, "at chance": at_chance}


def with_state(records, make, places=LIF):
    return [make(record) if place in places else record for place, record in enumerate(records)]


def table_row(text, label):
    return next(row for row in cells(text) if row[0] == label)


@pytest.fixture(params=STATES)
def state(request):
    return request.param


@pytest.fixture
def unsound(records, state):
    """The records, with every LIF run in one of the three states."""
    return with_state(records, STATES[state])


def test_the_verdict_says_the_state_and_praises_no_energy(suite, unsound, state):
    verdict = section(render_report(suite, unsound), "Verdict")
    bullet = next(line for line in verdict.splitlines() if line.startswith("* **LIF**"))
    assert f"It is not sound: {state} (seed 0: " in bullet and "no advantage and is not compared" in bullet
    assert "less energy" not in bullet and "times the energy" not in bullet
    assert "less energy" in verdict.partition("* **CLIF**")[2]  # the others are judged as before


def test_the_main_table_says_the_state_in_every_form_and_gives_no_ratio(suite, unsound, state):
    evidence = Evidence.of(suite, unsound)
    full = table_row(main_table(evidence), "LIF")
    assert full[3].endswith(f"(n = 3; {state})")
    assert full[-1].endswith(f"({state})") and full[-2].endswith(f"({state})")
    narrow = table_row(main_table(evidence, compact=True), "LIF")
    assert narrow[2].endswith(f"(n = 3; {state})") and narrow[-1] == state
    [row] = [row for row in values(evidence) if row["entry"] == "LIF"]
    assert row["state"] == state and row["horowitz-fp32_total_dense_ratio"] is None
    assert row["horowitz-fp32_total_dense_pj_per_sample"] > 0
    legend = section(render_report(suite, unsound), "Comparison")
    assert "Diverged: the mean training loss of the last epoch is above 10 times" in legend


def test_the_energy_section_holds_such_an_entry_against_nothing(suite, unsound, state):
    energy = section(render_report(suite, unsound), "Energy")
    assert f"* **LIF ({state})** is on neither side." in energy
    assert f"* **LIF ({state})** is held against no bound." in energy
    for line in energy.splitlines():
        if line.startswith(f"| LIF ({state})"):
            assert "×" not in line, line


def test_the_figures_say_the_state_and_draw_no_energy(suite, unsound, state):
    figures = Evidence.of(suite, unsound).figures
    assert [entry["label"] for entry in figures["accuracy_energy"]["entries"]] == ["ANN", "CLIF"]
    assert figures["accuracy_energy"]["unsound"] == [{"label": "LIF", "state": state}]
    for name in ("training_curves", "firing_rate", "accuracy_by_timestep"):
        found = {entry["label"]: entry.get("state") for entry in figures[name]["entries"]}
        assert found["LIF"] == state and found["CLIF"] is None


def test_the_figures_of_unsound_entries_are_drawn(suite, records):
    drawn = draw_figures(Evidence.of(suite, with_state(records, diverged)))
    assert {"accuracy_energy.png", "training_curves.svg"} <= drawn.keys()


def test_a_sound_report_says_nothing_of_states(suite, records):
    report = render_report(suite, records)
    assert not any(word in report for word in ("Diverged", "diverged", "at chance", "not sound"))
    assert "state" not in Evidence.of(suite, records).figures_json


def test_one_of_three_runs_is_enough(suite, records):
    some = with_state(with_state(records, diverged, [3]), at_chance, [4])
    evidence = Evidence.of(suite, some)
    assert "(n = 3; 1 of 3 diverged, 1 of 3 at chance)" in table_row(main_table(evidence), "LIF")[3]
    assert evidence.leading.ratio(evidence.comparison.others[0], "total", "dense") is None


def test_nothing_is_compared_with_an_unsound_baseline(suite, records, state):
    make = diverged if state == "dead" else STATES[state]  # a baseline of ReLU does not spike
    report = render_report(suite, with_state(records, make, BASELINE))
    verdict = section(report, "Verdict")
    assert verdict.strip().startswith("* **ANN**, the baseline, is not sound: ")
    assert verdict.count("Its energy is not compared: ANN is not sound.") == 2
    assert "less energy" not in verdict
    assert "on neither side (the baseline is not sound)" in section(report, "Energy")


def test_what_a_diverged_training_leaves_is_not_sound_with_another_neuron_either():
    entries = [
        {"label": "ANN", "neuron": {"name": "relu"}, "timesteps": 1},
        {"label": "CLIF", "neuron": {"name": "clif"}, "timesteps": 2, "deploy": {"name": "lif"}},
    ]
    suite = make_suite(entries=entries)
    evidence = Evidence.of(suite, with_state(make_records(suite), diverged, range(3, 6)))
    assert [entry.state for entry in evidence.comparison.entries][1:] == ["diverged"] * 2


MACHINE = {"processor": "Core i5", "instructions": "AVX2", "kernels": "AVX2", "onednn": "3.7.1", "mkl": "2024.2"}
KIND = "AVX2, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0"


def made_on(record, **changes):
    return record.model_copy(update={"provenance": record.provenance | {"machine": MACHINE | changes}})


def match_of(suite, records):
    return section(render_report(suite, records), "Match")


def test_one_kind_of_machine_is_one_line_and_none_recorded_is_none(suite, records):
    here = [made_on(record, processor=f"Core i{place}") for place, record in enumerate(records)]
    assert f"All finished runs were made on one kind of machine: {KIND}." in match_of(suite, here)
    assert "machine" not in match_of(suite, records)


def test_kinds_of_machine_are_named_by_seed_where_they_differ(suite, records):
    mixed = [
        made_on(record, **({"instructions": "AVX-512"} if place == 3 else {})) for place, record in enumerate(records)
    ]
    found = match_of(suite, mixed)
    assert (
        "**The runs were made on different kinds of machine.** Entries of one seed are compared across them: seed 0."
        in found
    )
    rows = cells(found[found.index("| seed   | kind") :])
    other = KIND.replace("AVX2,", "AVX-512,", 1)
    assert rows[1:] == [
        ["0", KIND, "ANN, CLIF"],
        ["0", other, "LIF"],
        ["1", KIND, "ANN, LIF, CLIF"],
        ["2", KIND, "ANN, LIF, CLIF"],
    ]


def test_runs_that_do_not_name_their_machine_are_named(suite, records):
    found = match_of(suite, [made_on(record) if record.label == "ANN" else record for record in records])
    assert "Not every run says what kind of machine made it" in found
    rows = cells(found[found.index("| seed   | kind") :])
    assert ["0", KIND, "ANN"] in rows and ["2", "not recorded", "LIF, CLIF"] in rows


def test_seeds_made_apart_are_on_different_kinds_though_none_is_compared_across(suite, records):
    apart = [made_on(record, **({"kernels": "AVX512"} if record.seed == 2 else {})) for record in records]
    found = match_of(suite, apart)
    assert "different kinds of machine" in found and "compared across" not in found


def test_what_is_not_drawn_is_named_below_the_figure_on_lines_that_are_not_cut(records):
    suite = make_suite(labels=("ANN", "LIF", *(f"a deep network of LIF number {n}" for n in range(6))))
    found = [make_record(run) for run in suite.runs]
    evidence = Evidence.of(suite, [record if record.label in ("ANN", "LIF") else diverged(record) for record in found])
    series = evidence.figures["accuracy_energy"]
    note = DRAWINGS["accuracy_energy"](series, looks_of([entry.label for entry in suite.spec.entries])).get_supxlabel()
    assert note.count("(diverged)") == 6 and "not drawn: a deep network of LIF number 0 (diverged)" in note
    assert max(map(len, note.splitlines())) <= 120
