"""One run, in this process: what is optional in measuring, and the path that its steps take."""

import contextlib
import copy
import itertools
import json
import os
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from support import ROOT
from support.runs import small_run
from torch.autograd import DeviceType

import bench.neurons.base
import bench.runs.metered
import bench.runs.run
from bench.measure.meters import MeterError
from bench.measure.power import measure_energy
from bench.neurons.base import CompileError, Neuron
from bench.neurons.surrogate import derivative_of, spike
from bench.runs.assembly import TrainingSequences, assemble, evaluation_batch
from bench.runs.choose import automatic_path, choose_path
from bench.runs.metered import measure_power
from bench.runs.rehearsal import rehearsal
from bench.runs.run import run_one
from bench.runs.training import Place
from bench.sequences import repeat
from bench.store.checkpoints import Checkpoints
from bench.store.folder import RunFolder
from bench.suite.load import load_suite
from bench.suite.recipe import TrainSpec
from bench.suite.run_spec import RunMeasure
from bench.train.loop import Interrupted
from bench.train.machine import autocast
from bench.train.machine.device import algorithms, is_out_of_memory, use_device
from bench.train.machine.profiling import profile_steps, time_table
from bench.train.step import build_loss, build_optimizer


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
    monkeypatch.setattr(bench.runs.metered, "open_meter", lambda device: contextlib.nullcontext(Meter()))
    monkeypatch.setattr(bench.runs.metered, "measure_energy", partial(measure_energy, window_s=0.01, repeats=2))
    metered = execute(RunMeasure(power=True))
    found = metered.wall_clock["measured_energy"]
    assert found["source"] == "made up" and found["repeats"] == 2
    assert {"j_per_sample", "sd_j_per_sample", "mean_w"} == set(found["training"]) == set(found["inference"])
    apart = {"wall_clock", "measure_key"}
    assert metered.model_dump(exclude=apart) == plain.model_dump(exclude=apart)


@pytest.mark.parametrize(("path", "training_path"), [("plain", "plain"), ("fused", "fused"), ("graphed", "fused")])
def test_measured_energy_says_which_steps_it_is_of(path, training_path, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.runs.metered, "open_meter", lambda device: contextlib.nullcontext(Meter()))
    monkeypatch.setattr(bench.runs.metered, "measure_energy", partial(measure_energy, window_s=0.01, repeats=2))
    assembly = assemble(small_run(RunMeasure()).spec)
    loader = assembly.training_loader(assembly.load(tmp_path, offline=True))
    assert measure_power(assembly, loader, path)["training_path"] == training_path


def test_a_counter_that_fails_costs_the_figure_and_not_the_run(execute, monkeypatch, caplog):
    class Failing(Meter):
        def joules(self):
            raise MeterError("NVML gives no energy any more: Unknown Error")

    monkeypatch.setattr(bench.runs.metered, "open_meter", lambda device: contextlib.nullcontext(Failing()))
    record = execute(RunMeasure(power=True))
    assert "measured_energy" not in record.wall_clock and record.accuracy_fraction > 0
    assert "no energy of the simulation: NVML gives no energy any more: Unknown Error" in caplog.text


def test_without_a_counter_there_is_no_figure(execute, monkeypatch):
    monkeypatch.setattr(bench.runs.metered, "open_meter", lambda device: contextlib.nullcontext(None))
    assert "measured_energy" not in execute(RunMeasure(power=True)).wall_clock


def test_a_new_way_of_measuring_leaves_the_others_keys(execute):
    spec = small_run(RunMeasure()).spec
    assert len({spec.measure_key(m) for m in (RunMeasure(), RunMeasure(power=True), RunMeasure(samples=9))}) == 3
    assert spec.measure_key(RunMeasure()) == spec.measure_key(RunMeasure(power=False, samples=None))


def test_the_path_of_the_neurons_is_recorded_and_is_no_part_of_what_a_run_is(execute):
    plain, fused = (execute(RunMeasure(), path, path) for path in ("plain", "fused"))
    assert (plain.provenance["path"], fused.provenance["path"]) == ("plain", "fused")
    assert fused.key == plain.key and "warning" not in fused.provenance
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


def a_millionth_off(derivative, x):
    return derivative(x) * (1 + 1e-6)


def neurons_of(model):
    return [module for module in model.modules() if isinstance(module, Neuron)]


def gradient(model, loss, sequence, labels):
    """The loss of a batch, and its gradient by all parameters as one vector."""
    model.zero_grad()
    value = loss.of(model(sequence), labels)
    value.backward()
    return value.item(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("label", ["LIF", "CLIF"])
def test_the_fast_path_takes_the_plain_ones_steps(label):
    """Eight steps of digits in float64, each from the plain path's weights, so that no difference is handed on.

    A gradient is then a sum of at most batch x pixels x timesteps = 32 x 64 x 4 = 2^13 terms, rounded by 2^-53 each:
    2^-40 of it, whatever the order of the sum, and 2^-30 leaves room for the condition of three layers. A surrogate
    that is off by a millionth (2^-20) is seen.
    """
    spec = load_suite("suites/digits.toml").select(label, 0)[0].spec
    assembly = assemble(spec)
    plain = assembly.model.double().train()
    fused, wrong = copy.deepcopy(plain), copy.deepcopy(plain)
    for neuron in neurons_of(fused):
        neuron.use_fused(True)
    for neuron in neurons_of(wrong):
        neuron.fire = partial(spike, derivative=partial(a_millionth_off, derivative_of(neuron.surrogate)))
    loss, optimizer = build_loss(spec.train.loss), build_optimizer(plain, spec.train.optimizer, torch.device("cpu"))
    batches = TrainingSequences(assembly, assembly.training_loader(assembly.load(ROOT, offline=True))).batches(0)
    for _, sequence, labels in itertools.islice(batches, 8):
        sequence = repeat(sequence[0].double(), spec.timesteps)
        for model in (fused, wrong):
            model.load_state_dict(plain.state_dict())
        expected_loss, expected = gradient(plain, loss, sequence, labels)
        for model, is_wrong in ((fused, False), (wrong, True)):
            found_loss, found = gradient(model, loss, sequence, labels)
            assert found_loss == pytest.approx(expected_loss, rel=2**-30)
            assert ((found - expected).norm() > 2**-30 * expected.norm()) == is_wrong
        optimizer.step()


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


@pytest.mark.parametrize(
    ("shape", "cpu", "gpu"),
    [
        ((1, 8, 8), 500, 1000),
        ((3, 32, 32), 50, 976),
        ((3, 64, 64), 50, 244),
        ((3, 224, 224), 50, 50),
        ((8, 2, 34, 34), 54, 54),
    ],
)
def test_a_gpu_is_evaluated_on_in_larger_batches(shape, cpu, gpu):
    assert evaluation_batch(shape, torch.device("cpu")) == cpu
    assert evaluation_batch(shape, torch.device("cuda:0")) == gpu


def test_a_gpu_without_a_number_is_the_first(monkeypatch):
    used = []
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    for name in ("cuda", "cuda:1", "cpu"):
        use_device(torch.device(name))
    assert used == [0, 1]


def raised_from(cause):
    error = RuntimeError("backend compiler failed")
    error.__cause__ = cause
    return error


def compiling(inner):
    """An error as torch.compile raises it of one in its backend: without a cause."""
    error = RuntimeError("backend='inductor' raised:")
    error.inner_exception = inner
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be ..."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (raised_from(torch.OutOfMemoryError("CUDA out of memory")), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("CUDA driver error: out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried ..."), True),
        (CompileError("LIF: torch.compile failed"), False),
        (raised_from(compiling(torch.OutOfMemoryError("CUDA out of memory"))), True),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error: out of memory"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_that_say_that_memory_is_used_up_are_known(error, expected):
    assert is_out_of_memory(error) == expected


def test_neurons_are_compiled_once_where_bf16_is_in_float32_too(monkeypatch, tmp_path):
    """What tries whether they can be fused compiles what the steps then use."""
    compiled = []

    def keep(graph, inputs, **_):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(autocast, "multiplies_bf16", lambda: False)
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: original(f, backend=keep, **options))
    bench.neurons.base.fused_sequence.cache_clear()
    spec = small_run(RunMeasure(), "CLIF").spec
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"precision": "bf16"})})
    assembly = assemble(spec)
    assert choose_path("fused", assembly, 100) == ("fused", None) and compiled
    tried = len(compiled)
    step = rehearsal(assembly, assembly.training_loader(assembly.load(tmp_path, offline=True)))
    step()
    step()
    assert len(compiled) == tried
    bench.neurons.base.fused_sequence.cache_clear()
