"""Portable training where it cannot be had, and what it is to a suite: every refusal says what to do."""

from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from support.runs import RUN, SUITE, small_run

from bench import processor
from bench.errors import PortableError
from bench.execute.plan import Settings, check_place
from bench.execute.processes import worker_environment
from bench.processor import LIMITS, PORTABLE, is_portable
from bench.runs.assembly import assemble
from bench.runs.choose import automatic_path, choose_path
from bench.suite.recipe import TrainSpec
from bench.suite.run_spec import RunMeasure
from bench.train.machine.device import algorithms

pytestmark = pytest.mark.usefixtures("unlimited")


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Have this process started with an environment, and have it still."""

    def start(environment, now=None):
        path = tmp_path / "environ"
        path.write_text("".join(f"{name}={value}\0" for name, value in environment.items()))
        monkeypatch.setattr(processor, "STARTED", path)
        for name, value in (environment if now is None else now).items():
            monkeypatch.setenv(name, value)

    return start


def recipe(**changes):
    return TrainSpec.model_validate(RUN.spec.train.model_dump() | changes)


def portable_run():
    run = small_run(RunMeasure())
    return run, run.spec.model_copy(update={"train": run.spec.train.model_copy(update={"portable": True})})


@pytest.mark.parametrize(
    ("device", "threads", "environment", "words"),
    [
        ("cuda:0", 1, PORTABLE, "computes on a CPU, not on cuda:0; use --device cpu"),
        ("cpu", 1, {}, "uses more of the processor than every other has; train with spikebench run"),
        ("cpu", 1, PORTABLE | {"MKL_CBWR": "AVX2"}, "or start Python with ATEN_CPU_CAPABILITY=default"),
        ("cpu", 1, PORTABLE | {"DNNL_MAX_CPU_ISA": "AVX2"}, "uses more of the processor"),
        ("cpu", 2, PORTABLE, "computes with one thread, not 2"),
    ],
)
def test_a_process_that_cannot_compute_portably_says_so(device, threads, environment, words, started, monkeypatch):
    started(environment)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    with pytest.raises(PortableError, match=words), algorithms(None, torch.device(device), portable=True):
        pass
    assert torch.backends.mkldnn.enabled and not torch.are_deterministic_algorithms_enabled()


def test_onednn_and_nnpack_are_off_inside_and_on_again_after(started, monkeypatch):
    started(PORTABLE)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with algorithms(None, torch.device("cpu"), portable=True) as used:
        assert used == "portable" and not torch.backends.mkldnn.enabled and not torch._C._get_nnpack_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.backends.mkldnn.enabled and torch._C._get_nnpack_enabled()


def test_kernels_that_torch_has_chosen_already_are_refused(started, monkeypatch):
    started(PORTABLE)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    with pytest.raises(PortableError, match="uses more"), algorithms(None, torch.device("cpu"), portable=True):
        pass


def test_limits_that_come_after_the_start_are_refused(started, monkeypatch):
    """The C library has chosen its functions by then."""
    started({}, now=PORTABLE)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    with pytest.raises(PortableError, match="uses more"), algorithms(None, torch.device("cpu"), portable=True):
        pass


def test_another_architecture_has_no_portable_arithmetic(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with (
        pytest.raises(PortableError, match="this one is aarch64"),
        algorithms(None, torch.device("cpu"), portable=True),
    ):
        pass


def test_a_worker_has_the_limits_whatever_it_would_inherit(monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    environment = worker_environment("cpu", portable=True)
    assert is_portable(environment) and environment["OMP_NUM_THREADS"] == "1"
    assert {name: environment[name] for name in LIMITS if name in environment} == PORTABLE
    assert worker_environment("cpu")["DNNL_MAX_CPU_ISA"] == "AVX2"


def test_only_a_portable_recipe_is_another_run():
    assert "portable" not in RUN.spec.to_json()["train"]
    keys = [
        RUN.spec.model_copy(update={"train": recipe(**c)}).key for c in ({}, {"portable": False}, {"portable": True})
    ]
    assert keys[0] == keys[1] == RUN.key != keys[2]


def test_a_portable_recipe_is_deterministic():
    with pytest.raises(ValidationError, match="portable training is deterministic; leave deterministic = false out"):
        recipe(portable=True, deterministic=False)
    assert recipe(portable=True, deterministic=True).portable


def test_portable_steps_are_plain_and_say_so_where_others_were_asked_for():
    _, spec = portable_run()
    assembly = assemble(spec)
    assert automatic_path(spec, assembly.dataset, samples=10**9) == "plain"
    assert choose_path("auto", assembly, 10**9) == choose_path("plain", assembly, 10**9) == ("plain", None)
    path, warning = choose_path("fused", assembly, 10)
    assert path == "plain" and "compiled code depends on the processor" in warning


def test_portable_runs_are_refused_on_a_gpu_before_anything_is_started(monkeypatch):
    run, spec = portable_run()
    runs = [run, SimpleNamespace(spec=spec, suite="mini")]
    check_place(runs, Settings(device="cpu"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_place(SUITE.runs, Settings(device="auto"))
    with pytest.raises(
        PortableError, match="--device auto: mini asks for portable training, on a CPU; use --device cpu"
    ):
        check_place(runs, Settings(device="auto"))
