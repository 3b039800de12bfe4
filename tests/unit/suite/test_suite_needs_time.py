"""What a suite says to see whether its task needs time: other frames to test on, a gradient through space alone."""

import pytest
from support import ROOT
from support.suites import DATA, entry, problems
from support.toml import as_toml

from bench.report.evidence.needs_time import TimeTest, time_tests
from bench.suite.load import Suite, load_suite
from bench.suite.recipe import TrainSpec

LATENCY = {"encoder": {"name": "latency"}}
SPACE = {"train": {"gradient": "space"}, "unmatched": ["train.gradient"]}


def suite(*entries, **changes):
    return Suite.from_data(DATA | {"entries": [DATA["entries"][0], *entries]} | changes)


def wrong(path, *entries):
    path.write_text(as_toml(DATA | {"entries": [DATA["entries"][0], *entries]}))
    return problems(path)


def test_the_gradient_enters_the_key_where_it_is_through_space_alone():
    plain, space = (suite(entry("LIF", "lif", 4, **more)).select("LIF", 0)[0] for more in ({}, SPACE))
    said = {"train": {"gradient": "time"}, "unmatched": ["train.gradient"]}
    assert "gradient" not in plain.spec.to_json()["train"] and space.spec.to_json()["train"]["gradient"] == "space"
    assert suite(entry("LIF", "lif", 4, **said)).select("LIF", 0)[0].key == plain.key != space.key
    assert TrainSpec.model_validate(space.spec.to_json()["train"]).gradient == "space"  # as a record holds it


def test_other_frames_change_what_is_measured_and_not_what_is_trained():
    runs = [
        suite(entry("LIF", "lif", 4, **LATENCY, **more)).select("LIF", 0)[0]
        for more in ({}, {"tested": []}, {"tested": ["shuffled", "merged"]}, {"tested": ["merged", "shuffled"]})
    ]
    assert len({run.key for run in runs}) == 1
    assert runs[0].measure_key == runs[1].measure_key != runs[2].measure_key == runs[3].measure_key


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (entry("LIF", "lif", 4, tested=["shuffled"]), ".tested: encoder 'direct' repeats one image, and nothing would"),
        (entry("LIF", "lif", 1, tested=["merged"], **LATENCY), ".tested: one frame has no order and is its own mean"),
        (entry("LIF", "lif", 4, tested=["merged"] * 2, **LATENCY), ".tested: a word stands twice in ['merged', "),
        (entry("LIF", "lif", 4, tested=["shufled"], **LATENCY), ".tested[0]: 'shufled' is not a choice; did you mean"),
        (entry("LIF", "lif", 4, train={"gradient": "space"}), 'write unmatched = ["train.gradient"]'),
        (
            entry("LIF", "lif", 4, train={"gradient": "spce"}, unmatched=["train.gradient"]),
            ".train.gradient: 'spce' is not a choice; did you mean 'space'?",
        ),
        (entry("LIF", "lif", 1, **SPACE), ".train.gradient: with one timestep no state passes on in time"),
        (entry("LIF", "relu", 4, **SPACE, **LATENCY), ".train.gradient: in 'relu', which does not spike, no state"),
    ],
)
def test_what_would_change_nothing_is_refused(tmp_path, changed, expected):
    [found] = wrong(tmp_path / "tiny.toml", changed)
    assert found.startswith("entries[1] (LIF)") and expected in found


def test_a_row_has_a_label_of_its_own(tmp_path):
    entries = entry("LIF", "lif", 4, tested=["merged"], **LATENCY), entry("LIF on merged frames", "if", 4)
    [found] = wrong(tmp_path / "tiny.toml", *entries)
    assert "its row would be labelled 'LIF on merged frames', as another entry is" in found


def test_tests_are_of_entries_on_other_frames_and_of_those_that_differ_in_the_gradient_alone():
    tau = {"neuron": {"name": "lif", "tau": 3.0}}
    found = suite(
        entry("LIF", "lif", 4, tested=["merged", "shuffled"], **LATENCY),
        entry("LIF, space", "lif", 4, **SPACE, **LATENCY),
        entry("slow", "lif", 4, **LATENCY) | tau,
        entry("CLIF, space", "clif", 4, **SPACE, **LATENCY),
        entry("CLIF, T = 2", "clif", 2, **LATENCY),
    )
    assert list(time_tests(found)) == [
        TimeTest("LIF", "LIF on merged frames", "merged"),
        TimeTest("LIF", "LIF on shuffled frames", "shuffled"),
        TimeTest("LIF", "LIF, space", "space"),
    ]


def test_the_ablation_suite_has_a_twin_of_lif_and_of_clif():
    ablation = load_suite(ROOT / "suites" / "clif-ablation.toml")
    assert [(each.without, each.label) for each in time_tests(ablation)] == [
        ("LIF, space", "LIF"),
        ("CLIF, space", "CLIF"),
    ]
    neurons = [entry.neuron.name for entry in ablation.spec.entries]
    assert neurons == ["relu", "lif", "clif", "clif-detached", "lif-clif-paths", "lif", "clif"]


def test_a_contrast_may_name_a_row_of_other_frames(tmp_path):
    lif = entry("LIF", "lif", 4, tested=["merged"], **LATENCY)
    clif = entry("CLIF", "clif", 4, tested=["merged"], **LATENCY)
    pair = ["CLIF on merged frames", "LIF on merged frames"]
    path = tmp_path / "tiny.toml"
    path.write_text(as_toml(DATA | {"entries": [DATA["entries"][0], lif, clif], "contrasts": [pair]}))
    assert load_suite(path).spec.contrasts == [pair]
    path.write_text(as_toml(DATA | {"entries": [DATA["entries"][0], lif], "contrasts": [pair]}))
    assert problems(path) == ["contrasts[0]: no entry 'CLIF on merged frames'; did you mean 'LIF on merged frames'?"]
