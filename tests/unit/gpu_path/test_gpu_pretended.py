"""The program on a pretended GPU: devices are never mixed, and every number is the CPU's."""

import pytest
import torch
from support.pretended_gpu import GPU, NAME, pretended_gpu
from support.runs import small_run

from bench.runs.run import Place, run_one
from bench.suite.run_spec import PlannedRun, RunMeasure


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
def test_a_run_gives_the_cpus_record(label, changes, tmp_path):
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
