"""Schema errors in the words of the suite's file."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from bench.errors import nearest
from bench.suite.recipe import TrainSpec
from bench.suite.run_spec import DatasetSpec, ModelSpec
from bench.suite.spec import SuiteSpec

_CHARACTERS = {
    "name": "should be lower-case letters, digits and hyphens",
    "label": "should hold no control characters and none of | < > `, and begin with a visible one",
}

OVERRIDABLE: Mapping[str, type[BaseModel]] = {"dataset": DatasetSpec, "model": ModelSpec, "train": TrainSpec}


def explain(item: Any, data: Mapping[str, Any], prefix: Sequence[str | int] = ()) -> str:
    """Say what pydantic found: where in the file, what is wrong, and the nearest known word."""
    location = (*prefix, *item["loc"])
    where, kind = key_path(location, data), item["type"]
    if kind == "extra_forbidden":
        return f"{where}: unknown key; {nearest(str(location[-1]), _known_keys(location[:-1]))}"
    if kind == "missing":
        return f"{where}: missing"
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", str(item["ctx"]["expected"]))
        return f"{where}: '{item['input']!s:.60}' is not a choice; {nearest(str(item['input']), words)}"
    if kind in ("model_type", "dict_type"):
        return f"{where}: should be a table of keys and values, not {item['input']!r:.60}"
    if kind == "string_pattern_mismatch":
        return f"{where}: {_CHARACTERS['name' if where in ('name', 'smaller') else 'label']}, not {item['input']!r:.60}"
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "should", 1)
    if kind == "value_error":
        return f"{where}: {message}"
    return f"{where}: {message}, not {item['input']!r:.60}"


def key_path(location: Sequence[str | int], data: Any) -> str:
    """Return where in a suite something stands, with the label of the entry that it belongs to."""
    text, here = "", data
    for part in location:
        here = here[part] if _holds(here, part) else None
        if isinstance(part, int):
            text += f"[{part}]"
            label = here.get("label") if isinstance(here, dict) else None
            text += f" ({label:.60})" if isinstance(label, str) else ""
        else:
            text += f".{part:.60}" if text else f"{part:.60}"
    return text


def _holds(here: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, dict) and part in here


def _known_keys(location: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] | None = SuiteSpec
    if len(location) > 2 and location[0] == "entries" and location[2] in OVERRIDABLE:
        model, location = OVERRIDABLE[str(location[2])], location[3:]
    for part in location:
        if isinstance(part, str):
            field = model.model_fields.get(part) if model else None
            model = next(_models(field.annotation), None) if field else None
    return list(model.model_fields) if model else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)
