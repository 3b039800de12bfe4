"""A network and data of a few bytes, trained for eighteen steps."""

from pathlib import Path

import torch
from torch import nn

from bench.models.synapses import put_synapses
from bench.store.checkpoints import Checkpoints
from bench.suite.recipe import TrainSpec
from bench.train.keeper import Saving
from bench.train.learner import Learner
from bench.train.loop import fit

CPU = torch.device("cpu")
TESTED = {"test_accuracy_fraction": 0.5}


class Data:
    """Two random classes in batches of sequences that depend on epoch and step alone; it counts those it gave."""

    steps = 6

    def __init__(self):
        self.given = 0

    def batches(self, epoch, start_step=0):
        for step in range(start_step, self.steps):
            generator = torch.Generator().manual_seed(1000 * epoch + step)
            indices = torch.randperm(64, generator=generator)[:8]
            images = torch.randn(8, 1, 4, 4, generator=generator)
            self.given += 1
            yield indices, images.expand(2, *images.shape), (images.mean((1, 2, 3)) > 0).long()


class Net(nn.Module):
    """Flatten, dropout, linear: dropout draws from the global generator, which a checkpoint must carry."""

    def __init__(self):
        super().__init__()
        self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(16, 2)

    def forward(self, x):
        return self.linear(self.dropout(x.flatten(2)))


def train(keeper, stop_after=None, watch=lambda progress: None, rate=0.1, test=lambda: TESTED, synapse=None, **when):
    """Train three epochs of six steps; with `stop_after` ask to stop once so many steps were taken. when: to save.

    synapse: of the network, its name and its parameters.
    """
    spec = TrainSpec(
        epochs=3, batch_size=8, optimizer={"name": "sgd", "learning_rate": rate}, schedule={"name": "cosine"}
    )
    keeper = Checkpoints(keeper) if isinstance(keeper, Path) else keeper
    torch.manual_seed(0)
    model, data = Net(), Data()
    if synapse is not None:
        put_synapses(model, *synapse)
    history = fit(
        Learner(model, spec, CPU),
        data,
        Saving(keeper, **when),
        origin={"training": "today's"},
        test=test,
        watch=watch,
        stop=lambda: stop_after is not None and data.given >= stop_after,
    )
    return model, history
