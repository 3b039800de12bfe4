"""One bit per test sample, as a record stores it: numpy.packbits order, base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import RecordError


def pack_correct(correct: NDArray[Any]) -> str:
    """Return a boolean array [samples] as base64 of its packed bits, the first sample in the highest bit."""
    return base64.b64encode(np.packbits(np.asarray(correct, dtype=bool)).tobytes()).decode("ascii")


def unpack_correct(text: str, samples: int) -> NDArray[np.bool_]:
    """Return the boolean array [samples] that `pack_correct` packed. Raises RecordError for text of another length."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except ValueError as error:
        raise RecordError(f"'correct' is not base64 ({error}); run the suite again") from None
    if packed.size != -(-samples // 8):
        raise RecordError(f"'correct' holds {packed.size} bytes for {samples} test samples; run the suite again")
    return np.unpackbits(packed, count=samples).astype(bool)
