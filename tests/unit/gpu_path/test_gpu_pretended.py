"""The program on a pretended GPU: devices are never mixed, and every number is the CPU's."""

import pytest
import torch
from support.pretended_gpu import GPU, NAME, pretended_gpu
from support.runs import small_run

from bench.measure.evaluate import evaluate
from bench.models.layers import AdaptiveAvgPool2d
from bench.runs.run import run_one
from bench.runs.training import Place
from bench.suite.run_spec import PlannedRun, RunMeasure
from bench.train.machine import autocast
from bench.train.pace import Sums


class Nowhere:
    """A keeper that keeps nothing."""

    def load(self):
        return iter(())

    def refuse(self, error):
        raise error

    def save(self, state):
        pass


def record(label, device, folder, **changes):
    run = small_run(RunMeasure(diagnostics=True), label)
    train = run.spec.train.model_copy(update=changes)
    run = PlannedRun(run.suite, label, 0, run.spec.model_copy(update={"train": train}), run.measure)
    return run_one(run, Place(Nowhere(), folder, device=str(device), path="plain"))


def made(found):
    """What the numbers of a record are, without the machine that made them."""
    return found.model_dump(exclude={"provenance", "wall_clock"})


AUGMENT = ["random-crop", "cutout", "mixup"]


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16", "augment": AUGMENT}], ids=["fp32", "bf16-augmented"])
@pytest.mark.parametrize("label", ["ANN", "LIF", "CLIF"])
def test_a_run_gives_the_cpus_record(label, changes, tmp_path, monkeypatch):
    monkeypatch.setattr(
        autocast, "multiplies_bf16", lambda: True
    )  # as a GPU does: both sides round in the same kernels
    expected = record(label, "cpu", tmp_path, deterministic=False, **changes)
    with pretended_gpu():
        found = record(label, GPU, tmp_path, deterministic=False, **changes)
    assert found.provenance["device"] == NAME
    assert made(found) == made(expected) and not found.dead


def test_two_devices_do_not_mix():
    with pretended_gpu():
        x = torch.ones(2, device=GPU)
        assert x.device == GPU and (x + torch.tensor(1.0)).tolist() == [2.0, 2.0]
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(2)
        with pytest.raises(TypeError, match="cuda:0"):
            x.numpy()
        assert x.cpu().device.type == "cpu"


@pytest.fixture
def tf32():
    """The two settings of TF32, both on."""
    kinds = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [kind.allow_tf32 for kind in kinds]
    for kind in kinds:
        kind.allow_tf32 = True
    yield kinds
    for kind, allowed in zip(kinds, before, strict=True):
        kind.allow_tf32 = allowed


def test_evaluation_is_in_full_float32_and_leaves_the_settings_as_they_were(tf32):
    seen = []

    class Look(torch.nn.Linear):
        def forward(self, x):
            seen.append([kind.allow_tf32 for kind in tf32])
            return super().forward(x)

    with pretended_gpu():
        model = Look(2, 2).to(GPU)
        evaluate(model, [(torch.ones(1, 3, 2), torch.zeros(3, dtype=torch.long))])
    assert seen == [[False, False]]
    assert [kind.allow_tf32 for kind in tf32] == [True, True]


class Logged(torch.utils._python_dispatch.TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, kinds, args=(), kwargs=None):
        self.names.add(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("side", [1, 2, 10])
@pytest.mark.parametrize("deterministic", [False, True])
def test_pooling_to_a_size_has_a_deterministic_backward_pass_where_one_is_asked_for(deterministic, side):
    generator = torch.Generator().manual_seed(0)
    images, cotangent = (torch.randn(2, 3, 4, n, n, generator=generator) for n in (side, 7))
    pool = AdaptiveAvgPool2d((7, 7))
    expected = images.clone().requires_grad_()
    pool(expected).backward(cotangent)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        with pretended_gpu(), Logged() as logged:
            found = images.to(GPU).requires_grad_()
            pooled = pool(found)
            pooled.backward(cotangent.to(GPU))
            pooled, gradient = pooled.detach().cpu(), found.grad.cpu()
    finally:
        torch.use_deterministic_algorithms(before)
    assert ("_adaptive_avg_pool2d_backward" not in logged.names) == deterministic
    torch.testing.assert_close(pooled, pool(images), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient, expected.grad, rtol=1e-5, atol=1e-5)


def test_sums_that_nobody_asked_for_yet_are_waited_for():
    with pretended_gpu():
        sums = Sums(GPU)
        sums.total += torch.tensor([6.0, 1.0, 2.0], dtype=torch.float64, device=GPU)
        assert sums.means(wait=False) == (3.0, 0.5)
