"""The same numbers on a GPU: neurons, networks and one run from suite to record."""

from pathlib import Path

import pytest
import torch

from bench import build_model, count_operations, load_suite
from bench.registry import create, plugins
from bench.store import RunFolder

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
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
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
    from bench.run import Place, run_one

    suite = load_suite(SUITE)
    run = suite.select(label, 0)[0]
    train = run.spec.train.model_copy(update={"precision": precision, "channels_last": True, "epochs": 10})
    spec = run.spec.model_copy(update={"train": train})
    run = type(run)(run.suite, label, 0, spec)
    (tmp_path / "run").mkdir()
    place = Place(RunFolder(tmp_path / "run"), tmp_path, device="cuda:0")
    record = run_one(run, place)
    assert record.accuracy_fraction > 0.9
    assert record.wall_clock["peak_memory_bytes"] > 0 and "NVIDIA" in record.provenance["device"]
