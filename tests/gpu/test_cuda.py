"""The same numbers on a GPU: neurons, networks and one run from suite to record."""

from pathlib import Path

import pytest
import torch

from bench import build_model, count_operations, load_suite
from bench.plugins.registry import create, plugins
from bench.runs.run import run_one
from bench.runs.training import Place
from bench.speed.job import Subject
from bench.speed.steps import Steps
from bench.store.checkpoints import Checkpoints
from bench.train.loop import Interrupted

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
NEURONS = sorted(plugins("neuron"))
SUITE = Path(__file__).parents[2] / "suites" / "digits.toml"


def forward_backward(neuron, x, cotangent):
    x = x.clone().requires_grad_()
    spikes = neuron(x)
    spikes.backward(cotangent)
    return spikes.detach().cpu(), x.grad.cpu()


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_neurons_give_the_cpus_spikes_and_gradients(name, compiled):
    generator = torch.Generator().manual_seed(0)
    x, cotangent = (torch.randn(6, 8, 16, 5, 5, generator=generator) for _ in range(2))
    expected = forward_backward(create("neuron", name), x, cotangent)
    neuron = create("neuron", name).cuda().train()
    neuron.use_fused(compiled)
    found = forward_backward(neuron, x.cuda(), cotangent.cuda())
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("neuron", ["relu", "lif", "clif"])
def test_a_network_counts_what_it_counts_on_the_cpu(neuron):
    model = (
        build_model("convnet", neuron=neuron, in_channels=1, classes=10, image_size=8, weight_seed=0).double().eval()
    )
    x = torch.rand(4, 16, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = count_operations(model, [x], input_kind="analog")
    found = count_operations(model.cuda(), [x.cuda()], input_kind="analog")
    assert found == expected


@pytest.mark.parametrize("label", ["ANN", "CLIF"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_trains_on_the_gpu(label, precision, tmp_path):
    suite = load_suite(SUITE)
    run = suite.select(label, 0)[0]
    train = run.spec.train.model_copy(update={"precision": precision, "channels_last": True, "epochs": 10})
    spec = run.spec.model_copy(update={"train": train})
    run = type(run)(run.suite, label, 0, spec)
    (tmp_path / "run").mkdir()
    place = Place(Checkpoints(tmp_path / "run" / "checkpoint.pt"), tmp_path, device="cuda:0")
    record = run_one(run, place)
    assert record.accuracy_fraction > 0.9
    assert record.wall_clock["peak_memory_bytes"] > 0 and "NVIDIA" in record.provenance["device"]


def digits_run(label, epochs, **changes):
    run = load_suite(SUITE).select(label, 0)[0]
    train = run.spec.train.model_copy(update={"epochs": epochs, **changes})
    return type(run)(run.suite, label, 0, run.spec.model_copy(update={"train": train}))


@pytest.mark.parametrize("label", ["ANN", "CLIF"])
def test_a_graphed_step_trains_along_the_eager_loss_curve(label, tmp_path):
    """The rate of one-cycle moves at every step: a graph that kept the first one would leave the curve."""
    curves = {}
    for path in ("fused", "graphed"):
        (tmp_path / path).mkdir()
        place = Place(Checkpoints(tmp_path / path / "checkpoint.pt"), tmp_path, device="cuda:0", path=path)
        record = run_one(digits_run(label, 4), place)
        assert record.provenance["path"] == path and "warning" not in record.provenance
        curves[path] = record.history
    for eager, graphed in zip(curves["fused"], curves["graphed"], strict=True):
        assert graphed.train_loss == pytest.approx(eager.train_loss, rel=0.05)


def test_a_graphed_training_goes_on_after_a_stop(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    run = digits_run("LIF", 3)
    whole = run_one(
        run, Place(Checkpoints(tmp_path / "whole" / "checkpoint.pt"), tmp_path, device="cuda:0", path="graphed")
    )
    asked = iter([False] * 30 + [True])
    place = Place(Checkpoints(tmp_path / "parts" / "checkpoint.pt"), tmp_path, device="cuda:0", path="graphed")
    with pytest.raises(Interrupted):
        run_one(run, place, stop=lambda: next(asked, True))
    parts = run_one(run, place)
    assert parts.digests == whole.digests
    assert parts.history[-1].train_loss == pytest.approx(whole.history[-1].train_loss, rel=0.1)


def test_fp16_is_not_graphed_and_the_record_says_why(tmp_path):
    place = Place(Checkpoints(tmp_path / "checkpoint.pt"), tmp_path, device="cuda:0", path="graphed")
    record = run_one(digits_run("LIF", 1, precision="fp16"), place)
    assert record.provenance["path"] == "fused" and "fp16" in record.provenance["warning"]


@pytest.mark.parametrize("path", ["fused", "graphed"])
def test_speed_is_measured_on_the_gpu(path):
    run = load_suite(SUITE).select("CLIF", 0)[0]
    subject = Subject(label="CLIF", spec=run.spec, data="data", offline=True, device="cuda:0", path=path)
    steps = Steps(subject)
    assert steps.path == path and steps.block().real_s > 0
    assert steps.end(roofline=True).flops_per_s > 1e11


@pytest.mark.parametrize("label", ["ANN", "CLIF"])
def test_deterministic_training_gives_the_same_bytes_where_it_is_asked_for(label, tmp_path):
    lines = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        place = Place(Checkpoints(tmp_path / name / "checkpoint.pt"), tmp_path, device="cuda:0")
        record = run_one(digits_run(label, 2, deterministic=True), place)
        assert record.provenance["algorithms"] == "deterministic"
        lines.append(record.model_copy(update={"wall_clock": {}}).to_json())
    assert lines[0] == lines[1]
    plain = run_one(digits_run(label, 1), Place(Checkpoints(tmp_path / "checkpoint.pt"), tmp_path, device="cuda:0"))
    assert plain.provenance["algorithms"] == "any"
