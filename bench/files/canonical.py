"""JSON in one form only, so that equal values give equal bytes, and checksums over it. Standard library alone."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

from bench.errors import RecordError

CHECKSUM = "checksum"
MAX_DEPTH = 64


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces, 2.0 written as 2, so equal values give equal bytes."""
    return json.dumps(_integers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _integers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {str(key): _integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_integers(item) for item in value]
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
        data = json.loads(text, parse_constant=_refuse)
        if sum(1 for _ in itertools.islice(levels(data), MAX_DEPTH + 1)) > MAX_DEPTH:
            raise RecursionError
        canonical_json(data).encode()  # no half of a character
    except RecursionError:
        raise RecordError(f"{where}: corrupt: not JSON (nested too deeply)") from None
    except (ValueError, OverflowError) as error:
        raise RecordError(f"{where}: corrupt: not JSON ({error})") from None
    return data


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number that a record may hold")


def checked(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block with its checksum in it."""
    return block | {CHECKSUM: _checksum(block)}


def unchecked(block: Any, where: str) -> dict[str, Any]:
    """Return a block without its checksum. Raises RecordError, naming `where`, where that does not match."""
    rest = {name: value for name, value in block.items() if name != CHECKSUM} if isinstance(block, dict) else {}
    if not isinstance(block, dict) or block.get(CHECKSUM) != _checksum(rest):
        raise RecordError(f"{where} was changed or cut short: its checksum does not match")
    return rest


def _checksum(block: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(block).encode()).hexdigest()[:16]
