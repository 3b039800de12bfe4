"""Indices say where values go or come from: what is at those places is what the values are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from bench.measure.counting.nests import tensors
from bench.measure.counting.nodes import Value
from bench.measure.counting.ops import REARRANGES

# Which operands are values; the others say where.
_VALUES: dict[str, tuple[int, ...]] = {
    "scatter": (0, 3),
    "gather": (0,),
    "index_select": (0,),
    "index": (0,),
    "index_put": (0, 2),
}


def as_moved(value: Value, where: str, same: bool, mixed: bool) -> Value:
    """Return what numbers show that only went to other places, by the operation `where`, "name #number".

    same: it is a view of them.  mixed: they are spikes, and constants are among them now.
    """
    if mixed:
        value = replace(value, spike=False, consumers=set())
    if value.channels and where.split()[0] in REARRANGES and not same:
        value.consumers.add(where)
        value = replace(value, channels=0, consumers=set())
    return value


def values_at_places(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, value_of: Callable[[Tensor], Value | None]
) -> list[Value] | None:
    """Return what the values show that an operation moves by live indices; None where it moves none so.

    Empty where they are constants, and all that comes out is 0 or 1, as of one-hot codes. Codes of other numbers are
    data made of their indices, as an embedding is.
    """
    if name not in _VALUES:
        return None
    operands = [args[at] for at in _VALUES[name] if at < len(args)]
    found = [value for tensor in tensors([*operands, *kwargs.values()]) if (value := value_of(tensor)) is not None]
    if found:
        return found
    result = next(tensors(out))
    return [] if bool(((result == 0) | (result == 1)).all()) else None
