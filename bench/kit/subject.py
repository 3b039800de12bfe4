"""The neuron under test, as its makers hand it over: its schema, and fresh instances of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.errors import ParameterError
from bench.neurons.base import Neuron
from bench.plugins import registry
from bench.plugins.trust import trusting_also


class Broken(Exception):
    """A line of the contract is not kept; the message says how it shows."""


class Unpolished(Broken):
    """A rule of this package that makes no neuron wrong: somebody else's who breaks it is told so, and that is all."""


class Skipped(Exception):
    """A line of the contract cannot be tested here; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A neuron class with the parameters that it is tested with."""

    info: registry.PluginInfo
    cls: type[Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    training: bool = True  # the mode that its neurons are in

    def make(self, x: Tensor, **more: Any) -> Any:
        """Construct a fresh one for sequences like x [T, N, C, ...], in the precision of x.

        Raises ParameterError for a value that its constructor refuses.
        """
        harness = {"_channels": x.shape[2]} if "_channels" in self.info.harness else {}
        try:
            neuron = self.cls(**self.params, **more, **harness)
        except ValueError as error:
            raise ParameterError(f"neuron '{self.info.name}': {error}") from error
        if isinstance(neuron, Neuron):
            neuron.train(self.training)
        return neuron.double() if isinstance(neuron, Neuron) and x.dtype == torch.float64 else neuron

    @property
    def threshold(self) -> float:
        """The threshold that its parameters name, 1 where they name none: the scale of sensible inputs."""
        found = self.info.resolve(self.params).get("threshold", 1.0)
        return float(found) if isinstance(found, int | float) and found > 0 else 1.0


def subject_of(neuron: str | type[Any], params: Mapping[str, Any] | None = None) -> Subject:
    """Find a neuron by name, as `package.module:Class`, or from the class itself. `package.module` is imported.

    Raises UnknownNameError or ParameterError for a name or parameters that do not exist, and ParameterError for the
    name of an installed neuron whose code is not trusted.
    """
    if isinstance(neuron, str):
        info = registry.find("neuron", neuron)
        with trusting_also(modules_said(neuron)):
            cls = info.load()
    else:
        cls = neuron
        source = inspect.getsourcefile(cls)
        info = registry.describe("neuron", f"{cls.__module__}:{cls.__name__}", Path(str(source)))
    wrong = info.problems(params or {})
    if wrong:
        raise ParameterError("\n".join(f"{key}: {message}" for key, message in wrong.items()))
    return Subject(info, cls, dict(params or {}))


def modules_said(neuron: str | type[Any]) -> list[str]:
    """Return the module that `package.module:Class` says: who says it wants it imported. A plain name says none."""
    module, colon, _ = neuron.partition(":") if isinstance(neuron, str) else ("", "", "")
    return [module] if colon else []


def drive(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return input currents [T, N, ...] of both signs around a threshold of 1."""
    generator = torch.Generator().manual_seed(seed)
    return (1.5 * torch.randn(shape, generator=generator, dtype=torch.float64) + 0.5).to(dtype)


def loop(neuron: Any, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Step through x [T, N, ...] one timestep at a time: (outputs, the state after each)."""
    state, outputs, states = tuple(neuron.initial_state(x[0])), [], []
    for current in x:
        out, state = neuron.step(current, state)
        outputs.append(out)
        states.append(tuple(state))
    return torch.stack(outputs), states


def polish(condition: bool, message: str) -> None:
    """Raise Unpolished with `message` unless `condition` holds."""
    if not condition:
        raise Unpolished(message)


def require(condition: bool, message: str) -> None:
    """Raise Broken with `message` unless `condition` holds."""
    if not condition:
        raise Broken(message)
