"""Ctrl-C, and the SIGTERM by which a cluster takes its machine back: held back where they would break what runs."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM); what handles a Ctrl-C handles it too."""


def terminate_like_interrupt() -> None:
    """From now on let SIGTERM raise Terminated, so that every run saves its checkpoint first.

    Once: who ends a process often asks twice (`timeout` and clusters ask it and then its group), and it is under way.
    """
    signal.signal(signal.SIGTERM, _raise)


def _raise(number: int, frame: FrameType | None) -> None:
    if number != signal.SIGTERM:
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let a Ctrl-C or a SIGTERM wait until the end of the block, which then raises what it would have raised.

    What the process ignores, as one in the background of a script does Ctrl-C, it goes on to ignore.
    """
    asked: list[int] = []
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, frame: asked.append(number)) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        _raise(asked[0], None)
