"""One run, in this process: what is optional in measuring."""

import contextlib
import functools

import pytest

import bench.run
from bench.measure.power import measure_energy
from bench.run import Place, run_one
from bench.spec import MeasureSpec, PlannedRun
from bench.store import RunFolder
from bench.suite import load_suite


def small_run(measure, label="LIF"):
    run = load_suite("suites/digits.toml").select(label, 0)[0]
    model = run.spec.model.model_validate({"name": "convnet", "width": 4, "stages": 1})
    train = run.spec.train.model_copy(update={"epochs": 1, "batch_size": 200})
    spec = run.spec.model_copy(update={"model": model, "train": train})
    return PlannedRun("digits", label, 0, spec, spec.key, spec.measure_key(measure))


@pytest.fixture
def execute(tmp_path):
    def execute(measure):
        (tmp_path / "run").mkdir(exist_ok=True)
        return run_one(small_run(measure), measure, Place(RunFolder(tmp_path / "run"), tmp_path))

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
    plain = execute(MeasureSpec())
    monkeypatch.setattr(bench.run, "open_meter", lambda device: contextlib.nullcontext(Meter()))
    monkeypatch.setattr(bench.run, "measure_energy", functools.partial(measure_energy, window_s=0.01, repeats=2))
    metered = execute(MeasureSpec(power=True))
    found = metered.wall_clock["measured_energy"]
    assert found["source"] == "made up" and found["repeats"] == 2
    assert {"j_per_sample", "sd_j_per_sample", "mean_w"} == set(found["training"]) == set(found["inference"])
    apart = {"wall_clock", "measure_key"}
    assert metered.model_dump(exclude=apart) == plain.model_dump(exclude=apart)


def test_without_a_counter_there_is_no_figure(execute, monkeypatch):
    monkeypatch.setattr(bench.run, "open_meter", lambda device: contextlib.nullcontext(None))
    assert "measured_energy" not in execute(MeasureSpec(power=True)).wall_clock


def test_a_new_way_of_measuring_leaves_the_others_keys(execute):
    spec = small_run(MeasureSpec()).spec
    assert len({spec.measure_key(m) for m in (MeasureSpec(), MeasureSpec(power=True), MeasureSpec(samples=9))}) == 3
    assert spec.measure_key(MeasureSpec()) == spec.measure_key(MeasureSpec(power=False, samples=None))
