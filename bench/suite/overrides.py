"""Tables of a suite with the overrides of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with changes, tables within it key by key; another synapse has no parameters of the one before."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _replaces(key, old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _replaces(key: str, old: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return key == "synapse" and value.get("name", old.get("name")) != old.get("name")
