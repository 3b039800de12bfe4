"""What a class of others has to be: the contract of each kind, imported only when such a class was."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from bench.plugins.signature import PACKAGE

# Kind -> classes, one of which is inherited from. Some neurons of other libraries keep the contract without Neuron. A
# kind that is not here says by itself what it takes.
CONTRACTS = {
    "neuron": ("bench.neurons.base.Neuron", "torch.nn.Module"),
    "surrogate": ("bench.neurons.surrogate.Surrogate",),
    "synapse": ("bench.synapses.base.Synapse",),
    "encoder": ("bench.encoders.base.Encoder",),
    "model": ("torch.nn.Module",),
    "dataset": ("bench.data.base.Dataset",),
    "augmentation": (
        "bench.data.augmentations.base.ImageAugmentation",
        "bench.data.augmentations.base.MixingAugmentation",
    ),
    "optimizer": ("bench.train.optimizers.base.Optimizer",),
    "schedule": ("bench.train.schedules.base.Schedule",),
    "loss": ("bench.train.losses.base.Loss",),
    "rule": ("bench.energy.rules.base.Rule",),
    "convention": ("bench.energy.conventions.base.Convention",),
}


def breach(kind: str, cls: type) -> str:
    """Say what keeps a class from being a plug-in of this kind, or nothing: its base class, or methods it lacks."""
    names = CONTRACTS.get(kind, ())
    contracts = tuple(map(_imported, names))
    if not contracts:
        return ""
    if not issubclass(cls, contracts):
        return f"{cls.__name__} should inherit from {' or '.join(names)}"
    missing = sorted({*_unwritten(cls, contracts), *getattr(cls, "__abstractmethods__", ())})
    return f"{cls.__name__} has no {', '.join(f'`{name}`' for name in missing)}" if missing else ""


def _imported(name: str) -> type:
    module, _, cls = name.rpartition(".")
    found: type = getattr(importlib.import_module(module), cls)
    return found


def _unwritten(cls: type, contracts: tuple[type, ...]) -> Iterator[str]:
    """Yield the methods that a base of ours, or a contract, leaves to the class, and that it leaves as they are."""
    for base in cls.__mro__:
        if base in contracts or base.__module__.partition(".")[0] == PACKAGE.name:
            for name, method in vars(base).items():
                if inspect.getattr_static(cls, name) is method and _is_left_to_others(method):
                    yield name


def _is_left_to_others(method: Any) -> bool:
    function = method.__func__ if isinstance(method, staticmethod) else method
    if not isinstance(function, FunctionType) or function.__name__.startswith("__"):
        return False
    [node] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    match node:
        case ast.FunctionDef(body=[*_, ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name)))]):
            return name == "NotImplementedError"
    return False
