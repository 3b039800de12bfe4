"""The kinds of value that a suite may hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from bench.plugins import registry


class Strict(BaseModel):
    """A table of a suite: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]

Positive = Annotated[float, Field(gt=0.0)]

NonNegative = Annotated[float, Field(ge=0.0)]

Count = Annotated[int, Field(ge=1, le=1_000_000)]

_PRINTABLE = r"^[^\p{Cc}\p{Cf}\p{Z}|<>`][^\p{Cc}\p{Zl}\p{Zp}|<>`]*$"  # no row is broken; something to see

MOST_ENTRIES, MOST_SEEDS, MOST_RUNS, MOST_TABLES = 1000, 1000, 10_000, 100

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]

Label = Annotated[str, Field(min_length=1, max_length=60, pattern=_PRINTABLE)]

Title = Annotated[str, Field(min_length=1, max_length=120, pattern=_PRINTABLE)]


class PluginSpec(Strict):
    """A plug-in by name, with its parameters beside the name: `{ name = "lif", tau = 2.0 }`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    name: str

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as written, defaults not filled in."""
        return dict(self.model_extra or {})


class PluginUse(NamedTuple):
    """A plug-in that a run uses, with its parameters as written."""

    kind: str
    name: str
    params: dict[str, Any]


def with_named(uses: Iterable[PluginUse]) -> tuple[PluginUse, ...]:
    """Return these plug-ins and those that their parameters name, as a neuron's may its surrogate."""
    found = list(uses)
    for use in found:  # which grows
        others = (PluginUse(kind, name, {}) for kind, name in registry.references(*use))
        found += [other for other in others if other not in found]
    return tuple(found)
