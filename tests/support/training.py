"""A network and data of a few bytes, trained for eighteen steps."""

from pathlib import Path

import torch
from torch import nn

from bench.store.checkpoints import Checkpoints
from bench.suite.recipe import TrainSpec
from bench.train.loop import fit

CPU = torch.device("cpu")
TESTED = {"test_accuracy_fraction": 0.5}


class Data:
    """Two random classes in batches that depend on epoch and step alone."""

    steps = 6

    def batches(self, epoch, start_step=0):
        for step in range(start_step, self.steps):
            generator = torch.Generator().manual_seed(1000 * epoch + step)
            indices = torch.randperm(64, generator=generator)[:8]
            images = torch.randn(8, 1, 4, 4, generator=generator)
            yield indices, images, (images.mean((1, 2, 3)) > 0).long()


class Net(nn.Module):
    """Flatten, dropout, linear: dropout draws from the global generator, which a checkpoint must carry."""

    def __init__(self):
        super().__init__()
        self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(16, 2)

    def forward(self, x):
        return self.linear(self.dropout(x.flatten(2)))


def train(keeper, stop_after=None, watch=lambda progress: None, rate=0.1, test=lambda: TESTED):
    """Train three epochs of six steps; with `stop_after` ask to stop once so many steps were taken."""
    spec = TrainSpec(
        epochs=3, batch_size=8, optimizer={"name": "sgd", "learning_rate": rate}, schedule={"name": "cosine"}
    )
    keeper = Checkpoints(keeper) if isinstance(keeper, Path) else keeper
    torch.manual_seed(0)
    model, steps = Net(), []

    def stop():
        return stop_after is not None and len(steps) >= stop_after

    def encode(images, epoch, step):
        steps.append(step)
        return images.expand(2, *images.shape)

    history = fit(
        model,
        encode,
        Data(),
        spec,
        device=CPU,
        code="today's",
        keeper=keeper,
        test=test,
        watch=watch,
        stop=stop,
    )
    return model, history
