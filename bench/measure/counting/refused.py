"""Networks that torch runs where nothing can look in: said in words, or run so that they can be looked into."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from bench.errors import BenchError
from bench.measure.counting.roles import counted_modules, within
from bench.measure.mode import measuring

_WRAPPED = ("BatchedTensorImpl", "TensorWrapper")  # what torch.func makes of a tensor: it has no memory of its own


@contextlib.contextmanager
def countable(model: Any) -> Iterator[None]:
    """`measuring`, with what was compiled run as it was written. Raises BenchError for what cannot be counted."""
    _check(model)
    flags = {module: module.training for module in model.modules()}
    with contextlib.ExitStack() as stack:
        if "torch._dynamo" in sys.modules:  # which is of 300 MiB, and there where anything was compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            stack.enter_context(measuring(model))
        except NotImplementedError as error:
            for module, training in flags.items():
                module.training = training
            raise BenchError(
                f"{type(model).__name__}: cannot be put into eval mode ({error}), as what torch.export made; give the "
                "network that it was made from"
            ) from None
        try:
            yield
        except NotImplementedError as error:
            if not any(word in str(error) for word in _WRAPPED):
                raise
            raise BenchError(
                "the network calls its layers in torch.vmap, or in another transform of torch.func, where nothing can "
                "look in; call them on whole batches instead, as fc(x) for torch.vmap(fc)(x)"
            ) from None


def _check(model: Any) -> None:
    if not isinstance(model, nn.Module):
        kind = model.__name__ if isinstance(model, type) else type(model).__name__
        what = "the class" if isinstance(model, type) else "a"
        raise BenchError(
            f"the model should be a torch.nn.Module, not {what} {kind}; call a function in the forward of one"
        )
    kinds: Any = torch.jit  # torch does not say that it hands on what a trace is
    roles = counted_modules(model)
    for name, module in model.named_modules():
        scripted = isinstance(module, torch.jit.ScriptModule) and not isinstance(module, kinds.TracedModule)
        if scripted and not any(within(name, outer) for outer in roles):
            what = f"'{name}' of the network" if name else "the network"
            raise BenchError(
                f"{what} is a ScriptModule, as torch.jit.script and torch.jit.load make them, and nothing can look "
                "into it; give the module that it was made from"
            )
