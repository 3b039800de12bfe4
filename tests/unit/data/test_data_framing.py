"""Frames of recordings: no event lost or counted twice, equal slices, agreement with tonic's ToFrame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.event_files import random_events
from tonic.transforms import ToFrame

from bench.data.recordings.framing import Framing, frame

SENSOR = (7, 5, 2)  # width, height, polarities: no two alike


def framing(timesteps=4, slices="count", sensor=SENSOR, size=None, binary=False):
    return Framing(timesteps, slices, sensor, size or (sensor[1], sensor[0]), binary)


@st.composite
def recordings(draw):
    count, duration = draw(st.integers(1, 60)), draw(st.sampled_from([1, 3, 50, 100_000]))
    return random_events(count, SENSOR, draw(st.integers(0, 2**32 - 1)), duration)


@settings(max_examples=200, deadline=None)
@given(recordings(), st.integers(1, 20), st.sampled_from(["count", "time"]), st.sampled_from([(5, 7), (2, 3), (1, 1)]))
def test_every_event_is_in_exactly_one_place(events, timesteps, slices, size):
    frames = frame(events, framing(timesteps, slices, size=size))
    assert frames.shape == (timesteps, 2, *size) and frames.sum() == len(events)
    expected = np.zeros_like(frames)
    for index, event in enumerate(events):  # the definition, event by event
        if slices == "count":
            slot = index // max(1, len(events) // timesteps)
        else:
            span = max(1, int(events["t"][-1] - events["t"][0]) // timesteps)
            slot = int(event["t"] - events["t"][0]) // span
        row, column = event["y"] * size[0] // SENSOR[1], event["x"] * size[1] // SENSOR[0]
        expected[min(slot, timesteps - 1), event["p"], row, column] += 1
    assert np.array_equal(frames, expected)


@settings(max_examples=100, deadline=None)
@given(recordings(), st.integers(1, 20))
def test_slices_by_count_hold_equal_counts_and_the_last_one_the_rest(events, timesteps):
    counts = frame(events, framing(timesteps)).sum((1, 2, 3))
    each = len(events) // timesteps
    if each:
        assert counts[:-1].tolist() == [each] * (timesteps - 1) and counts[-1] == each + len(events) % timesteps
    else:  # fewer events than slices: one each, as far as they go
        assert counts.tolist() == [1] * len(events) + [0] * (timesteps - len(events))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_it_is_tonics_to_frame_by_count(timesteps, each, seed):
    events = random_events(timesteps * each, SENSOR, seed)
    theirs = ToFrame(sensor_size=SENSOR, n_event_bins=timesteps)(events.copy())
    assert np.array_equal(frame(events, framing(timesteps)), theirs)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(2, 100), st.integers(0, 2**32 - 1))
def test_it_is_tonics_to_frame_by_time_and_what_that_drops_is_in_the_last_slice(timesteps, count, seed):
    events = random_events(count, SENSOR, seed, duration=10_000)
    span = int(events["t"][-1] - events["t"][0]) // timesteps
    if span == 0:
        return
    ours = frame(events, framing(timesteps, "time"))
    theirs = ToFrame(sensor_size=SENSOR, n_time_bins=timesteps)(events.copy())
    dropped = events[events["t"] >= events["t"][0] + span * timesteps]
    assert len(dropped) >= 1  # at least the last event, always
    for event in dropped:
        theirs[-1, event["p"], event["y"], event["x"]] += 1
    assert np.array_equal(ours, theirs)


def test_what_is_left_over_by_count_is_in_the_last_slice_too():
    events = random_events(4 * 6 + 3, SENSOR)
    ours, theirs = frame(events, framing(4)), ToFrame(sensor_size=SENSOR, n_event_bins=4)(events.copy())
    for event in events[-3:]:
        theirs[-1, event["p"], event["y"], event["x"]] += 1
    assert np.array_equal(ours, theirs)


def test_binary_frames_say_whether_there_was_an_event():
    events = random_events(400, SENSOR)
    counts, binary = (frame(events, framing(3, binary=binary)) for binary in (False, True))
    assert counts.max() > 1 and np.array_equal(binary, counts > 0)


def test_a_smaller_frame_adds_up_neighbouring_pixels():
    events = random_events(500, (128, 128, 2))
    full = frame(events, framing(2, sensor=(128, 128, 2)))
    small = frame(events, framing(2, sensor=(128, 128, 2), size=(64, 64)))
    assert np.array_equal(small, full.reshape(2, 2, 64, 2, 64, 2).sum((3, 5)))


def test_a_sensor_without_rows_and_polarities_takes_no_notice_of_them():
    events = random_events(50, (10, 1, 2))[["t", "x", "p"]]
    frames = frame(events, framing(5, "time", sensor=(10, 1, 1)))
    assert frames.shape == (5, 1, 1, 10)
    assert frames.sum((0, 1, 2)).tolist() == np.bincount(events["x"], minlength=10).tolist()


@pytest.mark.parametrize(("name", "value", "most"), [("x", 7, 6), ("x", -1, 6), ("y", 5, 4), ("p", 2, 1)])
def test_an_event_outside_the_sensor_is_refused(name, value, most):
    events = random_events(5, SENSOR)
    events[name][2] = value
    with pytest.raises(ValueError, match=f"an event has {name} = {value}, and the sensor 0 to {most}"):
        frame(events, framing())
