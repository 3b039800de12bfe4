"""Event recordings as frames: T slices of a recording, events counted by pixel and polarity. No event is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Events = NDArray[Any]  # structured, with fields x, t, p and, where the sensor has rows, y; rising in t


@dataclass(frozen=True)
class Framing:
    """How recordings become frames.

    timesteps: slices of a recording.  slices: of equal counts of events, or of equal spans of its time.
    sensor: width, height and polarities of the recordings, pixels.  size: height and width of the frames, pixels; a
    smaller one adds up the events of neighbouring pixels.  binary: 1 where there was any event, in place of counts.
    """

    timesteps: int
    slices: Literal["count", "time"]
    sensor: tuple[int, int, int]
    size: tuple[int, int]
    binary: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a recording's frames: [T, P, H, W]."""
        return self.timesteps, self.sensor[2], *self.size

    def to_json(self) -> Mapping[str, Any]:
        """Return what a cache of such frames is known by."""
        return asdict(self)


def frame(events: Events, framing: Framing) -> NDArray[np.int64]:
    """Return the frames [T, P, H, W] of one recording: how many events met each pixel in each slice.

    Slices are those of tonic's ToFrame (n_event_bins, n_time_bins), and the last one also holds what ToFrame drops: the
    events that are left when the recording is divided by T. A sensor of one polarity takes no notice of p.
    Raises ValueError for an event outside the sensor.
    """
    width, height, polarities = framing.sensor
    slice_of = (
        _slice_by_count(len(events), framing.timesteps)
        if framing.slices == "count"
        else _slice_by_time(events["t"].astype(np.int64), framing.timesteps)
    )
    x = _within(events, "x", width)
    y = _within(events, "y", height) if "y" in (events.dtype.names or ()) else np.zeros_like(x)
    p = _within(events, "p", polarities) if polarities > 1 else np.zeros_like(x)
    rows, columns = framing.size
    place = ((slice_of * polarities + p) * rows + y * rows // height) * columns + x * columns // width
    counts = np.bincount(place, minlength=int(np.prod(framing.shape))).reshape(framing.shape)
    return np.minimum(counts, 1) if framing.binary else counts


def _within(events: Events, name: str, extent: int) -> NDArray[np.int64]:
    values: NDArray[np.int64] = events[name].astype(np.int64)
    outside = values[(values < 0) | (values >= extent)]
    if len(outside):
        raise ValueError(f"an event has {name} = {outside[0]}, and the sensor 0 to {extent - 1}")
    return values


def _slice_by_count(events: int, timesteps: int) -> NDArray[np.int64]:
    """Return the slice of each event: T slices of events // T, the last with the remainder."""
    order = np.arange(events, dtype=np.int64)
    return np.minimum(order // max(1, events // timesteps), timesteps - 1)


def _slice_by_time(t: NDArray[np.int64], timesteps: int) -> NDArray[np.int64]:
    """Return the slice of each event at times t: T spans of the duration // T, the last to the end of the recording."""
    if not len(t):
        return t
    since = t - t[0]
    return np.minimum(since // max(1, int(since[-1]) // timesteps), timesteps - 1)
