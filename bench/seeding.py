"""Seeds by purpose: every random stream of a run comes from hash(purpose, seed) and never from the neuron."""

from __future__ import annotations

import hashlib


def seed_for(purpose: str, *parts: int) -> int:
    """Return a 63-bit seed for a named purpose ("weights", "order", "augment" ...) and integers such as seed and epoch.

    >>> seed_for("order", 0) == seed_for("order", 0), seed_for("order", 0) == seed_for("weights", 0)
    (True, False)
    """
    text = ":".join([purpose, *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
