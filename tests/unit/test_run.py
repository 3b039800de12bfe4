"""One run, in this process: what is optional in measuring."""

import contextlib
import functools

import pytest

import bench.neurons.base
import bench.run
from bench.measure.power import measure_energy
from bench.neurons.base import CompileError
from bench.run import Place, run_one
from bench.spec import PlannedRun, RunMeasure
from bench.store import RunFolder
from bench.suite import load_suite


def small_run(measure, label="LIF"):
    run = load_suite("suites/digits.toml").select(label, 0)[0]
    model = run.spec.model.model_validate({"name": "convnet", "width": 4, "stages": 1})
    train = run.spec.train.model_copy(update={"epochs": 1, "batch_size": 200})
    spec = run.spec.model_copy(update={"model": model, "train": train})
    return PlannedRun("digits", label, 0, spec, measure)


@pytest.fixture
def execute(tmp_path):
    def execute(measure, path="auto", name="run"):
        (tmp_path / name).mkdir(exist_ok=True)
        place = Place(RunFolder(tmp_path / name), tmp_path, path=path)
        return run_one(small_run(measure), place)

    return execute


class Meter:
    """Ten joules more at each look."""

    source = "made up"
    spent = 0.0

    def joules(self):
        self.spent += 10.0
        return self.spent

    def about(self):
        return {"device": "nowhere"}


def test_measured_energy_is_kept_with_the_clock_and_changes_no_number(execute, monkeypatch):
    plain = execute(RunMeasure())
    monkeypatch.setattr(bench.run, "open_meter", lambda device: contextlib.nullcontext(Meter()))
    monkeypatch.setattr(bench.run, "measure_energy", functools.partial(measure_energy, window_s=0.01, repeats=2))
    metered = execute(RunMeasure(power=True))
    found = metered.wall_clock["measured_energy"]
    assert found["source"] == "made up" and found["repeats"] == 2
    assert {"j_per_sample", "sd_j_per_sample", "mean_w"} == set(found["training"]) == set(found["inference"])
    apart = {"wall_clock", "measure_key"}
    assert metered.model_dump(exclude=apart) == plain.model_dump(exclude=apart)


def test_without_a_counter_there_is_no_figure(execute, monkeypatch):
    monkeypatch.setattr(bench.run, "open_meter", lambda device: contextlib.nullcontext(None))
    assert "measured_energy" not in execute(RunMeasure(power=True)).wall_clock


def test_a_new_way_of_measuring_leaves_the_others_keys(execute):
    spec = small_run(RunMeasure()).spec
    assert len({spec.measure_key(m) for m in (RunMeasure(), RunMeasure(power=True), RunMeasure(samples=9))}) == 3
    assert spec.measure_key(RunMeasure()) == spec.measure_key(RunMeasure(power=False, samples=None))


def test_the_path_of_the_neurons_is_recorded_and_moves_no_number_beyond_rounding(execute):
    plain, fused = (execute(RunMeasure(), path, path) for path in ("plain", "fused"))
    assert (plain.provenance["path"], fused.provenance["path"]) == ("plain", "fused")
    assert fused.key == plain.key and "warning" not in fused.provenance
    assert fused.history[0].train_loss == pytest.approx(plain.history[0].train_loss, rel=1e-4)
    assert fused.digests == plain.digests


def test_neurons_that_cannot_be_fused_run_plain_and_the_record_says_why(execute, monkeypatch):
    def broken(*_):
        raise CompileError("no compiler here\nand a long story")

    monkeypatch.setattr(bench.neurons.base, "_fused_sequence", lambda *_: broken)
    record = execute(RunMeasure(), "fused")
    assert record.provenance["path"] == "plain"
    assert record.provenance["warning"] == "the neurons' loop could not be fused: CompileError: no compiler here"
    monkeypatch.undo()
    plain = execute(RunMeasure(), "plain", "again")
    assert record.history == plain.history
