"""The comparison of speed: what a step cannot do without, ratios turn by turn, the table, and subjects that fail."""

import json

import pytest
import torch

from bench import load_suite
from bench.errors import BenchError
from bench.models.build import build_model
from bench.sequences import repeat
from bench.speed.compare import Left, SubjectProcess, measure
from bench.speed.job import Block, End, Measured, Spread, Subject, Warm
from bench.speed.roofline import measure_rates, rate, work_of
from bench.speed.steps import Steps
from bench.speed.subjects import subjects_of
from bench.speed.table import comparisons, render, to_json

SUITE = load_suite("suites/digits.toml")
HERE = {"device": "cpu", "offline": True, "path": "auto"}


def subject(label="CLIF", **changes):
    run = SUITE.select(label, 0)[0]
    return Subject(label=label, spec=run.spec, data="data", **HERE).model_copy(update=changes)


def measured(label, seconds, real=None, **changes):
    warm = Warm(
        path="plain",
        device="cpu, 1 thread",
        precision="fp32",
        start_s=1.0,
        steps_per_epoch=10,
        batch_size=32,
        block_steps=7,
    )
    end = End(peak_memory_bytes=5_000_000, flops=4e7, neuron_bytes=6e6, flops_per_s=1e11, bytes_per_s=1e10)
    reals = real or [None] * len(seconds)
    blocks = [Block(synthetic_s=s, real_s=r) for s, r in zip(seconds, reals, strict=True)]
    return Measured(subject(label, **changes), warm, blocks, end)


def parts(results):
    return results.measured, results.left


class Clock:
    """A clock that only work moves."""

    def __init__(self):
        self.now, self.calls = 0.0, 0

    def work(self, *seconds):
        def call():
            self.now += seconds[min(self.calls, len(seconds) - 1)]
            self.calls += 1

        return call

    def __call__(self):
        return self.now


def test_a_rate_is_that_of_the_best_calls_after_the_first():
    """The first call takes 5 s, longer than all the measuring; a call of 2 s is timed alone and ends it."""
    clock = Clock()
    assert rate(8.0, clock.work(5.0, 2.0), clock=clock) == 4.0 and clock.calls == 2
    clock = Clock()  # 0.1 s once, then three of 0.04 s, then three of 0.05 s: 0.37 s
    assert rate(1.0, clock.work(9.0, 0.1, 0.04, 0.04, 0.04, 0.05), clock=clock) == pytest.approx(25.0)
    assert clock.calls == 1 + 1 + 3 + 3


def test_a_rate_that_no_clock_sees_is_none_and_the_roofline_not_available():
    clock = Clock()
    assert rate(1.0, clock.work(0.0), clock=clock) is None
    row = measured("ANN", [0.01])
    row.end.flops_per_s = None
    [compared] = comparisons([row], "ANN")
    assert compared["roofline"] is None
    assert render([row], [], "ANN", 1).splitlines()[2].split("|")[10].strip() == "n/a"


def test_the_work_of_a_step_is_that_of_its_layers_and_neurons():
    """Two stages of 3x3 convolutions on 8x8 images, T = 4, N = 3: worked out by hand."""
    model = build_model("convnet", neuron="lif", in_channels=1, classes=10, image_size=8, width=2, stages=2)
    image = torch.randn(3, 1, 8, 8)
    work = work_of(model, lambda: model(repeat(image, 4)))
    stem = 3 * 2 * 64 * 9  # MACs of one frame: the image needs no gradient, so two products
    second = 4 * 3 * 4 * 16 * 2 * 9
    linear = 4 * 3 * 10 * 4 * 2 * 2
    assert work.flops == 2 * (2 * stem + 3 * (second + linear))
    one, all_ = 4 * 3 * 2 * 64, 4 * (4 * 3 * 2 * 64)  # bytes of the stem's frame, and of T of them
    other = 4 * (4 * 3 * 4 * 16)
    assert work.neuron_bytes == 3 * one + 2 * all_ + 5 * other
    every = work_of(model, lambda: model(torch.stack([image] * 4)))
    assert every.flops == 2 * (2 * 4 * stem + 3 * (second + linear))
    assert not any(module._forward_hooks for module in model.modules())


def test_rates_are_those_of_a_machine():
    rates = measure_rates(torch.device("cpu"), torch.float32)
    assert 1e8 < rates.flops_per_s < 1e15 and 1e7 < rates.bytes_per_s < 1e13


def test_ratios_are_taken_within_a_turn():
    """The machine is ten times slower in the second turn: no ratio moves."""
    ann = measured("ANN", [0.01, 0.1, 0.02])
    clif = measured("CLIF", [0.05, 0.5, 0.1], real=[0.051, 0.51, 0.102])
    theirs = measured("CLIF", [0.1, 1.0, 0.2], peer="spikingjelly", version="9")
    first, second, third = comparisons([ann, clif, theirs], "ANN")
    assert first["limit"] is None and first["faster"] is None
    assert second["limit"] == Spread(*[pytest.approx(1.25)] * 3)  # 5 / (4 x 1)
    assert third["limit"] == Spread(*[pytest.approx(2.5)] * 3)
    assert third["faster"] == Spread(*[pytest.approx(2.0)] * 3)
    assert clif.real_over_synthetic == Spread(*[pytest.approx(1.02)] * 3)
    assert clif.epoch_s == pytest.approx(10 * 0.102) and ann.epoch_s == pytest.approx(10 * 0.02)
    assert clif.images_per_s.median == pytest.approx(320)
    assert second["roofline"] == pytest.approx(0.001 / 0.1)  # 4e7 / 1e11 + 6e6 / 1e10 = 1 ms of a median step of 100


def test_the_roofline_takes_the_best_that_any_subject_saw_of_the_device():
    slow, fast = measured("ANN", [0.01]), measured("CLIF", [0.01])
    fast.end.flops_per_s = 2e11
    assert [row["roofline"] for row in comparisons([slow, fast], "ANN")] == [pytest.approx(0.08)] * 2


def test_the_limit_is_per_image_where_batches_differ():
    ann, clif = measured("ANN", [0.01]), measured("CLIF", [0.05])
    clif.warm.batch_size = 16
    assert clif.over(ann, 4).median == pytest.approx(2.5)  # 0.05 / 16 over 4 x 0.01 / 32


@pytest.mark.long
def test_a_subject_that_dies_in_its_turn_costs_the_others_nothing(monkeypatch):
    """Its process is killed before its second turn: the other's turns are all there, and the reason is said."""
    real_turn, turns = SubjectProcess.turn, []

    def turn(self):
        turns.append(self.subject.label)
        if turns.count("LIF") == 2 and self.subject.label == "LIF":
            self.kill()
        return real_turn(self)

    monkeypatch.setattr(SubjectProcess, "turn", turn)
    kept = []
    found = measure(
        [subject("LIF"), subject("ANN")], 3, keep=lambda so_far: kept.append(to_json(*parts(so_far), "ANN", 3))
    )
    assert [(row.subject.label, len(row.blocks)) for row in found.measured] == [("LIF", 1), ("ANN", 3)]
    assert [item.why for item in found.left] == ["LIF (spikebench): killed by SIGKILL; is there enough memory?"]
    assert [[len(entry["synthetic_step_s"]) for entry in each["entries"]] for each in kept] == [
        *([1], [1, 1], [1, 2], [1, 3], [1, 3], [1, 3])  # every turn, the end of the one that lived, and the end
    ]
    page = render(*parts(found), "ANN", 3)
    assert "LIF (spikebench): 1 of 3 turns." in page and "Failed: LIF (spikebench): killed by SIGKILL" in page
    assert turns == ["LIF", "ANN", "LIF", "ANN", "ANN"]


def test_the_table_says_what_is_missing():
    rows = [measured("ANN", [0.01]), measured("CLIF", [0.05], peer="spikingjelly", version="9")]
    rows[0].warm.no_data = "data/x: not found"
    left = [Left(subject("LIF", peer="snntorch", version="1"), "LIF (snntorch 1): no such neuron")]
    page = render(rows, left, "ANN", 1)
    cells = [cell.strip() for cell in page.splitlines()[3].split("|")]
    assert cells[1:4] == ["CLIF", "spikingjelly 9", "4"] and cells[5] == "640"
    assert "No real data path: data/x: not found" in page
    assert "Not measured: LIF (snntorch 1): no such neuron" in page
    whole = to_json(rows, left, "ANN", 1)
    assert json.loads(json.dumps(whole))["entries"][1]["synthetic_step_s"] == [0.05]
    assert whole["not_measured"] == [{"label": "LIF", "neurons": "snntorch 1", "why": left[0].why}]


def test_only_an_entry_brings_the_baseline(monkeypatch, tmp_path):
    monkeypatch.setattr("bench.speed.subjects.version_of", lambda peer: "7")
    place = {**HERE, "data": tmp_path}
    found = subjects_of(SUITE, "LIF", ["spikingjelly"], **place)
    assert [(item.label, item.by) for item in found] == [
        ("ANN", "spikebench"),
        ("LIF", "spikebench"),
        ("LIF", "spikingjelly 7"),
    ]
    assert [item.label for item in subjects_of(SUITE, None, [], **place)] == ["ANN", "LIF", "PLIF", "CLIF"]


def test_an_unknown_library_is_named(tmp_path):
    with pytest.raises(BenchError, match=r"--against spikejelly: unknown library; did you mean 'spikingjelly'\?"):
        subjects_of(SUITE, None, ["spikejelly"], data=tmp_path, **HERE)


def test_steps_train_on_synthetic_and_on_real_batches():
    steps = Steps(subject("LIF"))
    before = [parameter.detach().clone() for parameter in steps.learner.model.parameters()]
    block = steps.block()
    assert block.synthetic_s > 0 and block.real_s > 0
    assert steps.steps_per_epoch == 1437 // 32 and steps.path == "plain"
    assert any(not torch.equal(old, new) for old, new in zip(before, steps.learner.model.parameters(), strict=True))


def test_without_data_there_are_synthetic_steps_and_a_reason(tmp_path):
    run = load_suite("suites/fashion.toml").select("ANN", 0)[0]
    spec = run.spec.model_copy(update={"train": run.spec.train.model_copy(update={"batch_size": 2})})
    steps = Steps(subject("ANN", spec=spec, data=str(tmp_path)))
    assert steps.block().real_s is None and str(tmp_path) in steps.no_data
    assert steps.steps_per_epoch == 30_000


@pytest.mark.long
def test_a_subject_that_fails_leaves_the_others_measured():
    """One whose network does not fit the images, and one whose process dies of a library that is not there."""
    spec = subject("CLIF").spec
    deep = spec.model.model_validate({"name": "convnet", "stages": 9})
    unfit = subject("CLIF", spec=spec.model_copy(update={"model": deep}))
    said = []
    found, left = parts(measure([subject("ANN"), unfit, subject("LIF", peer="nolib", version="0")], 2, said.append))
    assert [(row.subject.label, len(row.blocks)) for row in found] == [("ANN", 2)]
    assert found[0].end.peak_memory_bytes > 1e7 and found[0].end.flops > 0
    first, second = (item.why for item in left)
    assert first.startswith("CLIF (spikebench): ") and "9 stages halve an image of 8x8 to nothing" in first
    assert second == "LIF (nolib 0): KeyError: 'nolib'"
    assert said[-1] == "turn 2 of 2"
