"""The cache of frames: made once, whole or made again, wide enough, and one process makes it for all."""

import multiprocessing
import os
import resource
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.data.recordings.frame_cache import cache_key, cached_frames, frames_folder
from bench.data.recordings.framing import Framing
from bench.errors import DataError

FRAMING = Framing(3, "count", (4, 4, 2), (4, 4), False)


class Made:
    """Recordings of given highest counts; remembers which were asked for."""

    def __init__(self, *highest):
        self.highest, self.asked = highest, []

    def __call__(self, index):
        self.asked.append(index)
        frames = np.arange(96).reshape(3, 2, 4, 4) % 5 + index
        frames[0, 0, 0, 0] = self.highest[index]
        return frames

    def expected(self):
        return np.stack([Made(*self.highest)(index) for index in range(len(self.highest))])


def get(folder, made, name="n-mnist-train-0"):
    return cached_frames(folder, name, FRAMING, len(made.highest), made)


def test_frames_are_made_once_and_then_read(tmp_path):
    made = Made(1, 2, 3)
    first = get(tmp_path / "deep" / "frames", made)
    again = get(tmp_path / "deep" / "frames", made)
    assert made.asked == [0, 1, 2]
    assert np.array_equal(first, made.expected()) and np.array_equal(again, made.expected())
    assert isinstance(again, np.memmap) and again.dtype == np.uint8


@pytest.mark.parametrize(
    ("highest", "dtype"), [(255, np.uint8), (256, np.int16), (32_767, np.int16), (32_768, np.int32)]
)
def test_counts_are_kept_exactly_however_high(tmp_path, highest, dtype):
    made = Made(1, highest, 2)
    frames = get(tmp_path, made)
    assert frames.dtype == dtype and np.array_equal(frames, made.expected())


def test_writing_to_frames_leaves_the_file_alone(tmp_path):
    made = Made(1)
    get(tmp_path, made)[:] = 9
    assert np.array_equal(get(tmp_path, made), made.expected()) and made.asked == [0]


def damage_each_way():
    def cut(path):
        os.truncate(path, path.stat().st_size - 1)

    def empty(path):
        os.truncate(path, 0)

    def flip(path):
        content = bytearray(path.read_bytes())
        content[-7] ^= 1
        path.write_bytes(content)

    def no_sum(path):
        path.with_suffix(".sum").unlink()

    def bad_sum(path):
        path.with_suffix(".sum").write_bytes(b"\xff\xfe")

    def other_shape(path):
        np.save(path, np.zeros((1, 3, 2, 4, 4), np.uint8))

    def no_array(path):
        path.write_bytes(b"\x80\x04K\x01.")  # a pickle

    return [cut, empty, flip, no_sum, bad_sum, other_shape, no_array]


@pytest.mark.parametrize("damage", damage_each_way(), ids=lambda damage: damage.__name__)
def test_a_damaged_cache_is_made_again(tmp_path, damage):
    made = Made(1, 2)
    get(tmp_path, made)
    damage(tmp_path / "n-mnist-train-0.npy")
    assert np.array_equal(get(tmp_path, made), made.expected())
    assert made.asked == [0, 1, 0, 1]


def test_making_that_fails_leaves_nothing_that_could_be_taken_for_frames(tmp_path):
    def fail(index):
        if index == 1:
            raise DataError("recording 1: damaged")
        return Made(1, 1)(index)

    with pytest.raises(DataError, match=r"^recording 1: damaged$"):
        cached_frames(tmp_path, "x", FRAMING, 2, fail)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".lock"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        get(tmp_path / "file" / "frames", Made(1))
    assert str(tmp_path / "file" / "frames" / "n-mnist-train-0.npy") in str(caught.value)
    assert "SPIKEBENCH_FRAMES" in str(caught.value)


def test_the_folder_is_that_of_the_data_or_the_one_the_user_names(tmp_path, monkeypatch):
    monkeypatch.delenv("SPIKEBENCH_FRAMES", raising=False)
    assert frames_folder(tmp_path) == tmp_path / "spikebench-frames"
    monkeypatch.setenv("SPIKEBENCH_FRAMES", "/somewhere")
    assert frames_folder(tmp_path) == Path("/somewhere")


def test_the_key_is_of_all_that_makes_frames():
    files = [("a.bin", 10, 7), ("b.bin", 20, 8)]
    others = [
        Framing(4, "count", (4, 4, 2), (4, 4), False),
        Framing(3, "time", (4, 4, 2), (4, 4), False),
        Framing(3, "count", (4, 4, 2), (2, 2), False),
        Framing(3, "count", (4, 4, 2), (4, 4), True),
    ]
    keys = [cache_key(framing, files, "train") for framing in [FRAMING, *others]]
    keys += [cache_key(FRAMING, files, "test"), cache_key(FRAMING, files[::-1], "train")]
    keys += [cache_key(FRAMING, [changed, files[1]], "train") for changed in [("c", 10, 7), ("a.bin", 11, 7)]]
    keys += [cache_key(FRAMING, [("a.bin", 10, 8), files[1]], "train")]
    assert len(set(keys)) == len(keys)
    assert cache_key(FRAMING, files, "train") == keys[0]


def _make_and_tell(folder, barrier, queue):
    made = Made(*range(40))
    barrier.wait()
    frames = get(folder, made)
    queue.put((len(made.asked), bool(np.array_equal(frames, made.expected()))))


def test_of_processes_that_want_the_same_frames_one_makes_them(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_make_and_tell, args=(tmp_path, barrier, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(asked for asked, _ in answers) == [0, 0, 40] and all(right for _, right in answers)


def _peak_after(folder, framing, samples):
    def recording(index):
        return np.full(framing.shape, index % 200)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames = cached_frames(folder, "big", framing, samples, recording)
    total = int(frames.sum(dtype=np.int64))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return total, (after - before) * (1 if sys.platform == "darwin" else 1024)


def _tell_peak(folder, framing, samples, queue):
    queue.put(_peak_after(folder, framing, samples))


def test_framing_streams(tmp_path):
    framing, samples = Framing(4, "count", (128, 128, 2), (128, 128), False), 800
    size = samples * int(np.prod(framing.shape))  # 105 MB, a byte a value
    context = multiprocessing.get_context("spawn")  # a process of its own: its peak is what this took
    queue = context.Queue()
    process = context.Process(target=_tell_peak, args=(tmp_path, framing, samples, queue))
    process.start()
    total, peak = queue.get(timeout=120)
    process.join()
    assert total == sum(index % 200 for index in range(samples)) * int(np.prod(framing.shape))
    assert peak < 1.5 * size
