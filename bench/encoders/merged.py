"""All events of a recording in one frame."""

from __future__ import annotations

from bench.encoders.frames import Frames


class Merged(Frames):
    """All events of a recording in one frame, at timesteps = 1: a cheaper network that does not see time."""

    name = "merged"
    single = True
