"""One run tested on other frames, and one trained with the gradient through space alone, in this process."""

import numpy as np
import pytest
import torch
from support.runs import small_run
from torch import nn

from bench.errors import ParameterError
from bench.neurons import CLIF, LIF
from bench.plugins.trust import trusting
from bench.records.correct import unpack_correct
from bench.runs.assembly import assemble
from bench.runs.recipe import refusals
from bench.runs.run import run_one
from bench.runs.training import Place
from bench.store.checkpoints import Checkpoints
from bench.suite.fields import PluginSpec
from bench.suite.run_spec import ModelSpec, PlannedRun, RunMeasure

LATENCY = PluginSpec(name="latency")


def coded(measure=None, gradient="time", train=None, **changes):
    """A run of latency-coded digits that takes a second."""
    run = small_run(measure or RunMeasure())
    train = run.spec.train.model_copy(update={"gradient": gradient} | (train or {}))
    spec = run.spec.model_copy(update={"encoder": LATENCY, "train": train} | changes)
    return PlannedRun(run.suite, run.label, run.seed, spec, run.measure)


def test_other_frames_are_tested_on_the_same_network_and_training_differs_by_its_gradient(tmp_path):
    records, learns = {}, {"model": ModelSpec(name="convnet", width=8, stages=2)}  # more than to guess one class
    learns |= {"train": {"epochs": 2, "batch_size": 64}}
    for name, run in {
        "tested": coded(RunMeasure(tested=["merged", "shuffled"]), **learns),
        "space": coded(gradient="space", **learns),
    }.items():
        (tmp_path / name).mkdir()
        records[name] = run_one(run, Place(Checkpoints(tmp_path / name / "checkpoint.pt"), tmp_path))
    found, space = records["tested"], records["space"]
    assert [each.frames for each in found.tested] == ["merged", "shuffled"] and space.tested == []
    own = unpack_correct(found.correct, 360)
    for each in found.tested:
        right = unpack_correct(each.correct, each.test_samples)
        assert each.accuracy_fraction == each.accuracy_by_timestep[-1] == right.sum() / 360
        assert len(each.accuracy_by_timestep) == 4 and not np.array_equal(right, own)
    assert found.digests.initial_weights == space.digests.initial_weights
    assert found.digests.sample_order == space.digests.sample_order
    assert found.history[0].train_loss != space.history[0].train_loss


def neurons_of(spec):
    return [module for module in assemble(spec).model.modules() if hasattr(module, "cuts_time")]


def test_every_neuron_of_the_network_is_cut_and_that_of_a_deployment_is_not():
    spec = coded(gradient="space").spec
    assert [type(neuron) for neuron in neurons_of(spec)] == [LIF] and all(n.cuts_time for n in neurons_of(spec))
    deployed = neurons_of(spec.deploying(PluginSpec(name="clif")))
    assert [type(neuron) for neuron in deployed] == [CLIF] and not deployed[0].cuts_time
    assert not neurons_of(coded().spec)[0].cuts_time


class Foreign(nn.Module):
    """A neuron that keeps no contract of ours, and its state where it likes."""

    def forward(self, x):
        return (x > 1).float()


class OwnLoop(LIF):
    """A LIF that steps through time by itself."""

    def forward(self, x):
        return torch.stack([self.step(current, self.initial_state(current))[0] for current in x])


@pytest.mark.parametrize("name", ["Foreign", "OwnLoop"])
def test_a_time_loop_of_others_is_refused_by_name_before_training(name):
    neuron = PluginSpec(name=f"{__name__}:{name}")
    words = f"train.gradient = 'space': neuron '{name}' steps through time by itself"
    with trusting([__name__]):
        assert refusals(coded(neuron=neuron).spec) == []
        [refused] = refusals(coded(gradient="space", neuron=neuron).spec)
        assert refused.startswith(words)
        with pytest.raises(ParameterError, match=words):
            assemble(coded(gradient="space", neuron=neuron).spec)
        assert refusals(coded(gradient="space").spec, neuron) == []  # deployed: nothing is trained with it
