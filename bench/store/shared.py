"""Many records in memory: what is equal in all of them is held once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from bench.records.record import RunRecord

_DESCRIBING = ("resolved", "provenance", "fvcore_macs", "reasons")  # dicts that the seeds of an entry have in common


class Shared:
    """What the records seen so far have in common. A record is frozen, so nobody sees that a part is another's too."""

    def __init__(self) -> None:
        self._dicts: dict[str, Any] = {}
        self._parts: dict[str, BaseModel] = {}
        self._fields: dict[type[BaseModel], list[set[str]]] = {}  # which fields were given, as pydantic keeps them

    def of(self, record: RunRecord, label: str) -> RunRecord:
        """Return a record, called `label`, of which as much as possible is shared with those seen before."""
        changes: dict[str, Any] = {name: self._dict(getattr(record, name)) for name in _DESCRIBING}
        changes["spec"] = {name: self._dict(value) for name, value in record.spec.items()}
        changes["other_ops"] = [self._part(other) for other in record.other_ops]
        held = record.model_copy(update={name: value for name, value in changes.items() if value} | {"label": label})
        self._share_fields([held])
        return held

    def _dict(self, value: Any) -> Any:
        return self._dicts.setdefault(json.dumps(value), value) if isinstance(value, dict) else value

    def _part(self, part: BaseModel) -> BaseModel:
        return self._parts.setdefault(part.model_dump_json(), part)

    def _share_fields(self, values: Iterable[Any]) -> None:
        for value in values:
            if isinstance(value, BaseModel):
                known, own = self._fields.setdefault(type(value), []), value.model_fields_set
                same = next((each for each in known if each == own), None)
                if same is None:
                    known.append(own)
                else:
                    object.__setattr__(value, "__pydantic_fields_set__", same)
                self._share_fields(value.__dict__.values())
            elif isinstance(value, list):
                self._share_fields(value)
