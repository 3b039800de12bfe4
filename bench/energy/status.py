"""What a price rests on: whether it was read in the source that the table names, quoted by others, or assumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.errors import nearest

READ, QUOTED, ASSUMED = "read in the source", "quoted second-hand", "assumed"
STATUSES = (READ, QUOTED, ASSUMED)
NOT_SAID = "not said"  # of a table that says no status
DEFAULT = "default"  # of all prices that are not named


def checked_statuses(value: Mapping[str, str], prices: Iterable[str]) -> None:
    """Raise ValueError for what is no status, or of no price that the table has."""
    names = [*prices, DEFAULT]
    for name, status in value.items():
        if name not in names:
            raise ValueError(f"status.{name:.60}: the table has no such price; {nearest(name, names)}")
        if status not in STATUSES:
            raise ValueError(f"status.{name}: unknown status '{status:.60}'; {nearest(status, STATUSES)}")


def by_status(statuses: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the prices of each status that occurs, from what was read to what nobody says.

    >>> by_status({"ac": "assumed", "mac": "quoted second-hand", "add": "assumed"})
    {'quoted second-hand': ['mac'], 'assumed': ['ac', 'add']}
    """
    found = {status: [name for name, said in statuses.items() if said == status] for status in (*STATUSES, NOT_SAID)}
    return {status: names for status, names in found.items() if names}


def in_numbers(statuses: Mapping[str, str]) -> str:
    """Return how many prices are of which status.

    >>> in_numbers({"ac": "assumed", "mac": "quoted second-hand", "add": "assumed"})
    '1 quoted second-hand, 2 assumed'
    """
    return ", ".join(f"{len(names)} {status}" for status, names in by_status(statuses).items())
