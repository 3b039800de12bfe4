"""Neuron layers watched while a network runs: their input current, what `fire` receives, their spikes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.nests import first_tensor


class Call:
    """One forward pass of one neuron layer: its input current, what `fire` received and its output."""

    def __init__(self, name: str, neuron: Any, current: Tensor) -> None:
        self.name, self.neuron, self.current = name, neuron, current
        self.fired: list[tuple[Tensor, Tensor]] = []  # u - theta, surrogate derivative
        self.spikes = current.new_zeros(())

    @property
    def word(self) -> str:
        """What the neuron is called."""
        return str(getattr(self.neuron, "name", type(self.neuron).__name__))


class Watch:
    """Hooks on neuron layers and wrappers of their `fire`, for as long as the `with` block lasts."""

    def __init__(self, neurons: dict[str, nn.Module]) -> None:
        self.neurons = neurons
        self.calls: list[Call] = []
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Watch:
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
            self.calls.append(Call(name, neuron, current))
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

    def _open_call(self, neuron: nn.Module) -> Call | None:
        return next((call for call in reversed(self.calls) if call.neuron is neuron), None)


def _derivative(fire: Callable[[Tensor], Tensor], u_minus_threshold: Tensor) -> Tensor:
    """The derivative that the backward pass will use, asked of `fire` itself: a neuron may bring its own."""
    probe = u_minus_threshold.detach().requires_grad_()
    spikes = fire(probe)
    if not spikes.requires_grad:
        return torch.zeros_like(probe)
    return torch.autograd.grad(spikes.sum(), probe)[0]


def named(calls: list[Call]) -> Iterator[tuple[str, Call]]:
    """Name each call by its module; a module that a network uses again has a number from the second use on."""
    uses: dict[str, int] = {}
    for call in calls:
        uses[call.name] = uses.get(call.name, 0) + 1
        label = call.name or call.word
        yield (label if uses[call.name] == 1 else f"{label} #{uses[call.name]}"), call
