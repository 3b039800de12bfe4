"""JSON in one form only, so that equal values give equal bytes, and checksums over it. Standard library alone."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from bench.errors import RecordError

CHECKSUM = "checksum"
MAX_DEPTH = 64


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces, 2.0 written as 2, so equal values give equal bytes."""
    return _ENCODER.encode(_integers(value))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_PLAIN = (str, int, bool, type(None))


def _integers(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {str(key): item if type(item) in _PLAIN else _integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else _integers(item) for item in value]
    return value


def levels(value: Any) -> Iterator[list[Any]]:
    """Yield the values of nested dicts and lists level by level, from the outermost."""
    level = [value]
    while level:
        yield level
        inside = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [inner for values in inside for inner in values]


def parsed(text: str, where: str) -> Any:
    """Return what a JSON text holds. Raises RecordError, naming `where`, where canonical JSON cannot say it again."""
    try:
        data = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if sum(1 for _ in itertools.islice(levels(data), MAX_DEPTH + 1)) > MAX_DEPTH:
            raise RecursionError
        (canonical_json(data) if "\\u" in text else text).encode()  # no half of a character
    except RecursionError:
        raise RecordError(f"{where}: corrupt: not JSON (nested too deeply)") from None
    except (ValueError, OverflowError) as error:
        raise RecordError(f"{where}: corrupt: not JSON ({error})") from None
    return data


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number that a record may hold")


def _finite(word: str) -> float:
    value = float(word)
    if math.isinf(value):
        _refuse(word)
    return value


def sealed_json(block: Mapping[str, Any], **beside: str) -> str:
    """Return a block as canonical JSON with its checksum in it.

    beside: more values of the object, each canonical JSON already, of which the checksum is not.
    """
    texts = {name: canonical_json(value) for name, value in block.items()}
    return _joined(texts | {CHECKSUM: canonical_json(_checksum(_joined(texts)))} | beside)


def unchecked(block: Any, where: str) -> dict[str, Any]:
    """Return a block without its checksum. Raises RecordError, naming `where`, where that does not match."""
    rest = {name: value for name, value in block.items() if name != CHECKSUM} if isinstance(block, dict) else {}
    if not isinstance(block, dict) or block.get(CHECKSUM) != _checksum(canonical_json(rest)):
        raise RecordError(f"{where} was changed or cut short: its checksum does not match")
    return rest


def _joined(texts: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{canonical_json(name)}:{texts[name]}" for name in sorted(texts)) + "}"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
