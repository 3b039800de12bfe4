"""One run, in this process: what is optional in measuring, and the path that its steps take."""

import contextlib
import json
import os
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from support.runs import small_run
from torch.autograd import DeviceType

import bench.neurons.base
import bench.runs.rehearsal
import bench.runs.run
from bench.measure.power import measure_energy
from bench.neurons.base import CompileError
from bench.runs.assembly import assemble
from bench.runs.choose import automatic_path
from bench.runs.run import Place, run_one
from bench.store.checkpoints import Checkpoints
from bench.store.folder import RunFolder
from bench.suite.load import load_suite
from bench.suite.recipe import TrainSpec
from bench.suite.run_spec import PlannedRun, RunMeasure
from bench.train.loop import Interrupted
from bench.train.machine.device import algorithms
from bench.train.machine.profiling import profile_steps, time_table


@pytest.fixture
def execute(tmp_path):
    def execute(measure, path="auto", name="run", **neuron):
        (tmp_path / name).mkdir(exist_ok=True)
        place = Place(Checkpoints(tmp_path / name / "checkpoint.pt"), tmp_path, path=path)
        return run_one(small_run(measure, **neuron), place)

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
    monkeypatch.setattr(bench.runs.rehearsal, "open_meter", lambda device: contextlib.nullcontext(Meter()))
    monkeypatch.setattr(bench.runs.rehearsal, "measure_energy", partial(measure_energy, window_s=0.01, repeats=2))
    metered = execute(RunMeasure(power=True))
    found = metered.wall_clock["measured_energy"]
    assert found["source"] == "made up" and found["repeats"] == 2
    assert {"j_per_sample", "sd_j_per_sample", "mean_w"} == set(found["training"]) == set(found["inference"])
    apart = {"wall_clock", "measure_key"}
    assert metered.model_dump(exclude=apart) == plain.model_dump(exclude=apart)


def test_without_a_counter_there_is_no_figure(execute, monkeypatch):
    monkeypatch.setattr(bench.runs.rehearsal, "open_meter", lambda device: contextlib.nullcontext(None))
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

    monkeypatch.setattr(bench.neurons.base, "fused_sequence", lambda *_: broken)
    record = execute(RunMeasure(), "fused")
    assert record.provenance["path"] == "plain"
    assert record.provenance["warning"] == "the neurons' loop could not be fused: CompileError: no compiler here"
    monkeypatch.undo()
    plain = execute(RunMeasure(), "plain", "again")
    assert record.history == plain.history


@pytest.mark.parametrize(("label", "tolerance"), [("LIF", 1e-3), ("CLIF", 0.05)])
def test_the_fast_path_trains_along_the_plain_ones_loss_curve(label, tolerance, tmp_path):
    """Three epochs of digits; CLIF's gradient is rounded otherwise, and a spike that flips is felt for a while."""
    run = load_suite("suites/digits.toml").select(label, 0)[0]
    spec = run.spec.model_copy(update={"train": run.spec.train.model_copy(update={"epochs": 3})})
    curves = {}
    for path in ("plain", "fused"):
        (tmp_path / path).mkdir()
        place = Place(Checkpoints(tmp_path / path / "checkpoint.pt"), tmp_path, path=path)
        curves[path] = run_one(PlannedRun("digits", label, 0, spec), place).history
    for plain, fused in zip(*curves.values(), strict=True):
        assert fused.train_loss == pytest.approx(plain.train_loss, rel=tolerance)
        assert fused.test_accuracy_fraction == pytest.approx(plain.test_accuracy_fraction, abs=0.03)
    assert curves["fused"][0].train_loss == pytest.approx(curves["plain"][0].train_loss, rel=1e-4)


def test_a_run_that_goes_on_along_another_path_says_so(tmp_path):
    run, folder = small_run(RunMeasure()), RunFolder(tmp_path)
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        run_one(run, Place(Checkpoints(folder.checkpoint), tmp_path, path="fused"), stop=lambda: next(asked, True))
    record = run_one(run, Place(Checkpoints(folder.checkpoint), tmp_path, path="plain"))
    assert record.provenance["path"] == "fused, then plain"


def test_a_profile_is_written_and_changes_nothing_of_the_run(tmp_path):
    records = []
    for name, profile in (("bare", False), ("profiled", True)):
        (tmp_path / name).mkdir()
        folder = RunFolder(tmp_path / name)

        def inspect(*step, folder=folder):
            found = profile_steps(*step)
            folder.write_profile(found.table, found.write_trace)

        records.append(
            run_one(
                small_run(RunMeasure()),
                Place(Checkpoints(folder.checkpoint), tmp_path),
                inspect=inspect if profile else None,
            )
        )
    bare, profiled = (record.model_copy(update={"wall_clock": {}}) for record in records)
    assert bare == profiled
    assert not list((tmp_path / "bare").glob("profile*"))
    title, _, *lines = (tmp_path / "profiled" / "profile.txt").read_text().splitlines()
    assert title == "path: plain; 10 steps"
    shares = {line[:52].strip(): float(line.split()[-1].rstrip("%")) for line in lines}
    assert shares.pop("a step") == 100 and sum(shares.values()) == pytest.approx(100, abs=2)
    assert "convolution_backward" in shares
    trace = json.loads((tmp_path / "profiled" / "profile.json").read_text())
    assert any("convolution" in event.get("name", "") for event in trace["traceEvents"])


def test_the_path_is_a_function_of_spec_and_data_alone():
    paths = {}
    for name in ("digits", "fashion", "cifar10"):
        for run in load_suite(f"suites/{name}.toml").select(seed=0):
            dataset = assemble(run.spec).dataset
            paths[name, run.label] = automatic_path(run.spec, dataset, dataset.train_samples)
    assert paths["digits", "CLIF"] == paths["fashion", "ANN"] == paths["cifar10", "ANN"] == "plain"
    assert paths["fashion", "LIF"] == paths["fashion", "CLIF"] == paths["cifar10", "PLIF"] == "fused"
    run = load_suite("suites/fashion.toml").select("LIF", 0)[0]
    assert automatic_path(run.spec, assemble(run.spec).dataset, 100) == "plain"  # of a subset that is over in no time


def event(name, device_us, parent=None, device_type=DeviceType.CPU):
    return SimpleNamespace(
        name=name, self_device_time_total=device_us, self_cpu_time_total=1.0, cpu_parent=parent, device_type=device_type
    )


def test_on_a_gpu_each_kernel_is_counted_once_and_by_its_operator():
    compiled = event("CompiledFunctionBackward", 0.0)
    graph = event("## Call CompiledFxGraph abc ##", 0.0, compiled)
    events = [
        event("aten::conv2d", 300.0),
        event("sm90_xmma_gemm", 300.0, device_type=DeviceType.CUDA),
        compiled,
        graph,
        event("triton_poi_fused_0", 100.0, graph),
    ]
    rows = {line[:52].strip(): line.split()[-2:] for line in time_table(events, on_gpu=True).splitlines()[1:]}
    assert rows == {
        "conv2d": ["0.030", "75.0%"],
        "fused neurons, backward": ["0.010", "25.0%"],
        "a step": ["0.040", "100.0%"],
    }


def test_the_same_run_gives_the_same_bytes_and_says_which_algorithms_were_in_force(execute):
    first, second = execute(RunMeasure(), name="first"), execute(RunMeasure(), name="second")
    lines = [record.model_copy(update={"wall_clock": {}}).to_json() for record in (first, second)]
    assert lines[0] == lines[1] and first.provenance["algorithms"] == "deterministic"
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("device", "wish", "expected"),
    [
        ("cpu", None, True),
        ("cpu", False, False),
        ("cpu", True, True),
        ("cuda", None, False),
        ("cuda", True, True),
    ],
)
def test_algorithms_are_deterministic_on_a_cpu_and_where_asked_for(device, wish, expected, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with algorithms(wish, torch.device(device)) as used:
        assert torch.are_deterministic_algorithms_enabled() is expected
        assert used == ("deterministic" if expected else "any")
    assert not torch.are_deterministic_algorithms_enabled()
    assert (os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8") is (device == "cuda" and expected)


def test_only_a_written_wish_for_determinism_makes_another_run():
    run = small_run(RunMeasure())

    def key(**wish):
        train = TrainSpec.model_validate(run.spec.train.model_dump() | wish)
        return run.spec.model_copy(update={"train": train}).key

    assert key() == key(deterministic=None) == run.key and "deterministic" not in run.spec.to_json()["train"]
    assert len({run.key, key(deterministic=True), key(deterministic=False)}) == 3


def test_a_dead_network_is_named(execute, caplog):
    assert execute(RunMeasure(), name="alive").dead == []
    caplog.clear()
    record = execute(RunMeasure(), threshold=1e9, name="dead")
    assert record.dead == ["stages.0.neuron"] and record.status == "done"
    assert [entry.getMessage() for entry in caplog.records] == [
        "dead: no neuron fired in stages.0.neuron; is the threshold too high?"
    ]
