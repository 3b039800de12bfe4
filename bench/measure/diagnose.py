"""How a trained network's spiking neurons work: gradient through time, membrane against threshold, dead units."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError, DataError, RunFailedError
from bench.measure.counting.tape import first_tensor
from bench.measure.mode import measuring
from bench.neurons.base import is_neuron
from bench.records.diagnostics import Diagnostics, LayerDiagnostics, Membrane

SAMPLES = 256  # the first so many of the test split
BINS_FROM, BINS_PER_UNIT, BINS = -3.0, 8, 48  # of u - theta; powers of two, so that every edge is exact
NEGLIGIBLE = 0.01  # of a surrogate's height, 1


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
    tallies: dict[str, _Tally] = {}
    seen, timesteps = 0, 0
    with measuring(model), torch.enable_grad(), _random_states_kept(model), _Watch(neurons) as watch:
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
            for (name, call), gradient in zip(_named(watch.calls), gradients, strict=True):
                tallies.setdefault(name, _Tally(name, call)).add(call, gradient)
            watch.calls.clear()
            seen, timesteps = seen + x.shape[1], x.shape[0]
    if not seen:
        raise DataError("there is nothing to diagnose on: the data has no samples")
    return Diagnostics(samples=seen, timesteps=timesteps, layers=[tally.result() for tally in tallies.values()])


def _gradients(loss: Tensor, currents: list[Tensor]) -> list[Tensor | None]:
    if not loss.requires_grad:  # no neuron lets a gradient through
        return [None] * len(currents)
    return list(torch.autograd.grad(loss, currents, allow_unused=True))


class _Call:
    """One forward pass of one neuron layer: its input current, what `fire` received and its output."""

    def __init__(self, name: str, neuron: Any, current: Tensor) -> None:
        self.name, self.neuron, self.current = name, neuron, current
        self.fired: list[tuple[Tensor, Tensor]] = []  # u - theta, surrogate derivative
        self.spikes = current.new_zeros(())


class _Watch:
    """Hooks on neuron layers and wrappers of their `fire`, for as long as the `with` block lasts."""

    def __init__(self, neurons: dict[str, nn.Module]) -> None:
        self.neurons = neurons
        self.calls: list[_Call] = []
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> _Watch:
        with contextlib.ExitStack() as undo:
            for name, neuron in self.neurons.items():
                undo.callback(neuron.register_forward_pre_hook(self._before(name), with_kwargs=True).remove)
                undo.callback(neuron.register_forward_hook(self._after).remove)
                self._wrap_fire(neuron, undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()
        self.calls.clear()

    def _before(self, name: str) -> Callable[..., Any]:
        def hook(neuron: nn.Module, args: Any, kwargs: Any) -> Any:
            x = first_tensor((args, kwargs))
            if x is None:
                raise BenchError(f"{name}: a neuron layer should be called with its input current [T, N, ...]")
            # An alias of its own: where x also feeds a shortcut, that path is no part of the neuron's gradient.
            current = x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
            self.calls.append(_Call(name, neuron, current))
            swapped = [current if value is x else value for value in args]
            return tuple(swapped), {key: current if value is x else value for key, value in kwargs.items()}

        return hook

    def _after(self, neuron: nn.Module, args: Any, output: Any) -> None:
        spikes = first_tensor(output)
        call = self._open_call(neuron)
        if spikes is not None and call is not None:
            call.spikes = spikes.detach()

    def _wrap_fire(self, neuron: nn.Module, undo: contextlib.ExitStack) -> None:
        fire = getattr(neuron, "fire", None)
        if not callable(fire):
            return
        own = vars(neuron).get("fire")

        def observed(u_minus_threshold: Tensor) -> Tensor:
            call = self._open_call(neuron)
            if call is not None:
                call.fired.append((u_minus_threshold.detach(), _derivative(fire, u_minus_threshold)))
            spikes: Tensor = fire(u_minus_threshold)
            return spikes

        def restore() -> None:
            if own is None:
                del vars(neuron)["fire"]
            else:
                vars(neuron)["fire"] = own

        vars(neuron)["fire"] = observed
        undo.callback(restore)

    def _open_call(self, neuron: nn.Module) -> _Call | None:
        return next((call for call in reversed(self.calls) if call.neuron is neuron), None)


def _derivative(fire: Callable[[Tensor], Tensor], u_minus_threshold: Tensor) -> Tensor:
    """The derivative that the backward pass will use, asked of `fire` itself: a neuron may bring its own."""
    probe = u_minus_threshold.detach().requires_grad_()
    spikes = fire(probe)
    if not spikes.requires_grad:
        return torch.zeros_like(probe)
    return torch.autograd.grad(spikes.sum(), probe)[0]


def _named(calls: list[_Call]) -> Iterator[tuple[str, _Call]]:
    """Name each call by its module; a module that a network uses again has a number from the second use on."""
    uses: dict[str, int] = {}
    for call in calls:
        uses[call.name] = uses.get(call.name, 0) + 1
        label = call.name or _word(call.neuron)
        yield (label if uses[call.name] == 1 else f"{label} #{uses[call.name]}"), call


def _word(neuron: Any) -> str:
    return str(getattr(neuron, "name", type(neuron).__name__))


class _Tally:
    """Sums over the batches of one layer, in float64."""

    def __init__(self, name: str, call: _Call) -> None:
        timesteps, _, *shape = call.current.shape
        self.name, self.neuron, self.units = name, _word(call.neuron), math.prod(shape)
        self.samples, self.timesteps = 0, timesteps
        device = call.current.device
        self.gradient_squares = torch.zeros(timesteps, dtype=torch.float64, device=device)
        self.spikes = torch.zeros(self.units, dtype=torch.int64, device=device)
        self.bins = torch.zeros(BINS + 2, dtype=torch.int64, device=device)
        # Of u, u^2, derivative, derivative not 0, derivative not negligible.
        self.sums = torch.zeros(5, dtype=torch.float64, device=device)
        self.updates = 0

    def add(self, call: _Call, gradient: Tensor | None) -> None:
        self.samples += call.current.shape[1]
        if gradient is not None:
            self.gradient_squares += gradient.double().square().flatten(1).sum(1)
        self.spikes += (call.spikes != 0).flatten(2).sum((0, 1)) if self.units > 1 else (call.spikes != 0).sum()
        for u, derivative in call.fired:
            self._add_membrane(u, derivative)

    def _add_membrane(self, u: Tensor, derivative: Tensor) -> None:
        if not bool(u.isfinite().all()):
            raise RunFailedError(f"{self.name}: membrane potentials are not finite")
        place = (u.flatten() * BINS_PER_UNIT).floor() - BINS_FROM * BINS_PER_UNIT
        self.bins += torch.bincount(place.clamp(-1, BINS).long() + 1, minlength=BINS + 2)
        wide, slope = u.double(), derivative.double()
        parts = (wide, wide.square(), slope, slope != 0, slope.abs() > NEGLIGIBLE)
        self.sums += torch.stack([part.sum(dtype=torch.float64) for part in parts])
        self.updates += u.numel()

    def result(self) -> LayerDiagnostics:
        return LayerDiagnostics(
            name=self.name,
            neuron=self.neuron,
            units=self.units,
            gradient_norm_by_timestep=(self.gradient_squares / self.samples).sqrt().tolist(),
            dead_units=int((self.spikes == 0).sum()),
            saturated_units=int((self.spikes == self.samples * self.timesteps).sum()),
            membrane=self._membrane() if self.updates else None,
        )

    def _membrane(self) -> Membrane:
        mean, square, derivative, support, active = (self.sums / self.updates).tolist()
        below, *bins, above = self.bins.tolist()
        return Membrane(
            updates=self.updates,
            mean=mean,
            standard_deviation=math.sqrt(max(0.0, square - mean**2)),
            bins_from=BINS_FROM,
            bins_to=BINS_FROM + BINS / BINS_PER_UNIT,
            histogram=bins,
            updates_below=below,
            updates_above=above,
            within_support_fraction=support,
            surrogate_active_fraction=active,
            surrogate_mean_derivative=derivative,
        )


@contextlib.contextmanager
def _random_states_kept(model: nn.Module) -> Iterator[None]:
    """A neuron that fires at random, or asks twice, must not move the run's random numbers."""
    device = next(model.parameters(), torch.empty(0)).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
