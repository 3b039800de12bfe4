"""How a trained network's spiking neurons work: gradient through time, membrane against threshold, dead units."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import DataError, RunFailedError
from bench.measure.mode import measuring
from bench.measure.tally import Tally
from bench.measure.watch import Watch, named
from bench.neurons.base import is_neuron
from bench.records.diagnostics import Diagnostics

SAMPLES = 256  # the first so many of the test split


def spiking_neurons(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that keep the neuron contract and spike, by name."""
    return {name: module for name, module in model.named_modules() if is_neuron(module) and bool(module.spiking)}


def diagnose(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, samples: int = SAMPLES
) -> Diagnostics | None:
    """Diagnose `model` on the first `samples` of batches of (x [T, N, ...], labels [N]); None where nothing spikes.

    Runs in eval mode and float32, with the gradients of autograd. Parameters get no gradient; training flags, `fire`
    and random-number states are as before afterwards. Raises RunFailedError when logits or membranes are not finite,
    DataError when there is no sample.
    """
    neurons = spiking_neurons(model)
    if not neurons:
        return None
    tallies: dict[str, Tally] = {}
    seen, timesteps = 0, 0
    with measuring(model), torch.enable_grad(), _random_states_kept(model), Watch(neurons) as watch:
        for batch, batch_labels in batches:
            if seen >= samples:
                break
            device = next(model.parameters(), batch).device
            x = batch[:, : samples - seen].to(device)
            labels = batch_labels[: x.shape[1]].to(device)
            watch.calls.clear()
            logits = model(x)
            if not bool(logits.isfinite().all()):
                raise RunFailedError("the network's outputs are not finite")
            # The sum, so that each sample has the gradient of its own loss whatever the batch.
            loss = functional.cross_entropy(logits[-1], labels, reduction="sum")
            gradients = _gradients(loss, [call.current for call in watch.calls])
            for (name, call), gradient in zip(named(watch.calls), gradients, strict=True):
                tallies.setdefault(name, Tally(name, call)).add(call, gradient)
            watch.calls.clear()
            seen, timesteps = seen + x.shape[1], x.shape[0]
    if not seen:
        raise DataError("there is nothing to diagnose on: the data has no samples")
    return Diagnostics(samples=seen, timesteps=timesteps, layers=[tally.result() for tally in tallies.values()])


def _gradients(loss: Tensor, currents: list[Tensor]) -> list[Tensor | None]:
    if not loss.requires_grad:  # no neuron lets a gradient through
        return [None] * len(currents)
    return list(torch.autograd.grad(loss, currents, allow_unused=True))


@contextlib.contextmanager
def _random_states_kept(model: nn.Module) -> Iterator[None]:
    """A neuron that fires at random, or asks twice, must not move the run's random numbers."""
    device = next(model.parameters(), torch.empty(0)).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
