"""Event data sets from files in their own formats, through tonic's readers: frames, splits, missing, damaged."""

import logging
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from support.event_files import (
    aedat4_bytes,
    nmnist_bytes,
    random_events,
    write_asl,
    write_cochlea,
    write_gesture,
    write_poker,
)

from bench.data import events as cameras
from bench.data import spike_trains
from bench.data.base import hold_out
from bench.data.recordings import frame_cache
from bench.data.recordings.framing import frame
from bench.errors import DataError


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.delenv("SPIKEBENCH_FRAMES", raising=False)

    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# Each writes `per_class` recordings of two classes (and a split, where there is one) and returns the events by split,
# in the order of the files.


def put_nmnist(root, per_class=3):
    found = {}
    for part, split in (("Train", "train"), ("Test", "test")):
        for label in (0, 7):
            for index in range(per_class):
                events = random_events(60 + index, (34, 34, 2), hash((part, label, index)) % 1000)
                write(root / "NMNIST" / part / str(label) / f"{index:05d}.bin", nmnist_bytes(events))
                found.setdefault(split, []).append((events, label))
    return found


def put_gesture(root, per_class=3):
    found = {}
    for part, split in (("ibmGestureTrain", "train"), ("ibmGestureTest", "test")):
        for index in range(per_class):
            folder = root / "DVSGesture" / part / f"user{index + 1:02d}_led"
            folder.mkdir(parents=True)
            for label in (10, 3):  # as text, 10.npy comes before 3.npy
                events = random_events(80, (128, 128, 2), index * 20 + label)
                events["t"] = events["t"] // 1000 * 1000  # they are kept in ms
                write_gesture(folder / f"{label}.npy", events)
                found.setdefault(split, []).append((events, label))
    return found


def put_poker(root, per_class=3):
    found = {}
    for part, split in (("pips_train", "train"), ("pips_test", "test")):
        for name, label in (("di", 2), ("sp", 3)):
            folder = root / "POKERDVS" / part / name
            folder.mkdir(parents=True)
            for index in range(per_class):
                events = random_events(50, (35, 35, 2), label * 10 + index + len(part))
                write_poker(folder / f"{index}.npy", events)
                found.setdefault(split, []).append((events, label))
    return found


def put_cochlea(name, parts):
    def put(root, per_class=3):
        (root / name.upper()).mkdir()
        found = {}
        for part, split in parts.items():
            labels = [0, 1] * per_class
            recordings = [random_events(40, (700, 1, 1), 7 * i + len(part)) for i, _ in enumerate(labels)]
            write_cochlea(root / name.upper() / f"{name}_{part}.h5", recordings, labels)
            found[split] = list(zip(recordings, labels, strict=True))
        return found

    return put


def put_cifar(root, per_class=3):
    found = []
    for name, label in (("bird", 2), ("truck", 9)):
        for index in range(per_class):
            first, second = (random_events(40, (128, 128, 2), 100 * label + 2 * index + part) for part in (0, 1))
            second["t"] += first["t"][-1]
            write(root / "CIFAR10DVS" / name / f"cifar10_{name}_{index}.aedat4", aedat4_bytes(first, second))
            found.append((np.concatenate([first, second]), label))
    return {"all": found}


def put_caltech(root, per_class=3):
    found = []
    for label, name in enumerate(("accordion", "yin_yang")):
        for index in range(per_class):
            events = random_events(70, (200, 150, 2), 100 * label + index)
            write(root / "NCALTECH101" / "Caltech101" / name / f"image_{index:04d}.bin", nmnist_bytes(events))
            for axis in "xy":
                events[axis] -= events[axis].min()  # tonic moves each recording into the corner
            found.append((events, label))
    return {"all": found}


def put_asl(root, per_class=3):
    found = []
    for letter in "by":
        folder = root / "ASLDVS" / letter
        folder.mkdir(parents=True)
        for index in range(per_class):
            events = random_events(45, (240, 180, 2), ord(letter) + index)
            write_asl(folder / f"{letter}_{index:04d}.mat", events)
            found.append((events, ord(letter) - ord("a")))
    return {"all": found}


SPLIT = {
    cameras.NMnist: put_nmnist,
    cameras.DvsGesture: put_gesture,
    cameras.PokerDvs: put_poker,
    spike_trains.Shd: put_cochlea("shd", {"train": "train", "test": "test"}),
    spike_trains.Ssc: put_cochlea("ssc", {"train": "train", "valid": "validation", "test": "test"}),
}
UNSPLIT = {cameras.Cifar10Dvs: put_cifar, cameras.NCaltech101: put_caltech, cameras.AslDvs: put_asl}
EVERY = SPLIT | UNSPLIT


@pytest.mark.parametrize("dataset", SPLIT)
@pytest.mark.parametrize("slices", ["count", "time"])
def test_recordings_come_framed_in_the_order_of_their_files(dataset, slices, tmp_path):
    written = SPLIT[dataset](tmp_path)
    made = dataset(partial=True, slices=slices, _timesteps=4)
    arrays = made.load(tmp_path, offline=True)
    assert (arrays.validation is not None) == ("validation" in written)
    for name, recordings in written.items():
        split = getattr(arrays, name)
        assert split.labels.tolist() == [label for _, label in recordings]
        expected = np.stack([frame(events, made.framing) for events, _ in recordings])
        assert split.images.shape == (len(recordings), *made.sample_shape)
        assert np.array_equal(split.images.numpy(), expected)
    assert arrays.input_kind == "graded" and arrays.image_size == made.image_size
    assert arrays.in_channels == made.in_channels == made.sensor[2]
    assert arrays.source.recordings == {name: len(recordings) for name, recordings in written.items()}
    assert arrays.source.partial and arrays.source.complete == sum(made.expected())


@pytest.mark.parametrize("dataset", UNSPLIT)
def test_data_without_a_split_are_split_9_to_1_by_class_once_for_all(dataset, tmp_path):
    written = {tuple(map(tuple, events.tolist())): label for events, label in UNSPLIT[dataset](tmp_path, 20)["all"]}
    made = dataset(partial=True, _timesteps=2)
    arrays = made.load(tmp_path, offline=True)
    assert (len(arrays.train), len(arrays.test)) == (36, 4)
    assert sorted(arrays.test.labels.tolist()) == sorted(2 * list(set(written.values())))
    expected = {}
    for events, label in written.items():
        frames = frame(np.array(list(events), dtype=[(n, np.int64) for n in ("t", "x", "y", "p")]), made.framing)
        expected[frames.astype(np.uint8).tobytes()] = label
    found = torch.cat([arrays.train.images, arrays.test.images]).numpy().astype(np.uint8)
    labels = torch.cat([arrays.train.labels, arrays.test.labels]).tolist()
    assert {frames.tobytes(): label for frames, label in zip(found, labels, strict=True)} == expected

    def tested(**params):
        again = dataset(partial=True, _timesteps=2, **params).load(tmp_path, offline=True)
        return [frames.tobytes() for frames in again.test.images.numpy()]

    assert tested() == tested(split_seed=0, test_fraction=0.1) != tested(split_seed=1)
    assert len(tested(test_fraction=0.5)) == 20


def test_the_split_does_not_depend_on_the_order_of_the_file_system(tmp_path, monkeypatch):
    put_asl(tmp_path, 10)
    first = cameras.AslDvs(partial=True).load(tmp_path, offline=True)
    real = os.walk

    def backwards(top, **options):
        return [(path, dirs[::-1], files[::-1]) for path, dirs, files in reversed(list(real(top, **options)))]

    monkeypatch.setattr("os.walk", backwards)
    second = cameras.AslDvs(partial=True).load(tmp_path, offline=True)
    assert torch.equal(first.test.images, second.test.images) and torch.equal(first.train.labels, second.train.labels)


@pytest.mark.parametrize(("dataset", "shape"), [(cameras.NMnist, (2, 17, 17)), (spike_trains.Shd, (1, 1, 17))])
@pytest.mark.parametrize("binary", [False, True])
def test_frames_can_be_smaller_and_binary(dataset, shape, binary, tmp_path):
    SPLIT[dataset](tmp_path)
    size = {"units": 17} if dataset is spike_trains.Shd else {"size": 17}
    made = dataset(partial=True, binary=binary, _timesteps=3, **size)
    arrays = made.load(tmp_path, offline=True)
    assert made.sample_shape == (3, *shape) == arrays.train.images.shape[1:]
    assert arrays.input_kind == ("binary" if binary else "graded")
    assert (arrays.train.images.max() == 1) == binary


@pytest.mark.parametrize("dataset", EVERY)
def test_nothing_there_says_where_and_what_to_do(dataset, tmp_path):
    for partial in (False, True):
        with pytest.raises(DataError) as caught:
            dataset(partial=partial).prepare(tmp_path, offline=True)
        text = str(caught.value)
        assert text.startswith(f"{dataset.name}: not found: {tmp_path / dataset.folder}; run without --offline")
        assert dataset.page in text


@pytest.mark.parametrize("dataset", EVERY)
def test_a_part_is_refused_unless_the_suite_says_partial(dataset, tmp_path):
    EVERY[dataset](tmp_path)
    for offline in (True, False):
        with pytest.raises(DataError) as caught:
            dataset().load(tmp_path, offline=offline)
        text = str(caught.value)
        assert text.startswith(f"{dataset.name}: {tmp_path / dataset.folder} is not the complete data set: ")
        assert f"holds 6 of {dataset().expected()[-1]:,} recordings" in text and "partial = true" in text
        assert ("the download failed (" in text) != offline
    assert not (tmp_path / "spikebench-frames").exists()


@pytest.mark.parametrize("dataset", EVERY)
def test_a_complete_folder_needs_no_archive_beside_it(dataset, tmp_path, monkeypatch):
    written = EVERY[dataset](tmp_path, 10)
    count = 20
    monkeypatch.setattr(dataset, "train_samples", count if dataset in SPLIT else count - 2)
    monkeypatch.setattr(dataset, "test_samples", count if dataset in SPLIT else 2)
    if dataset is spike_trains.Ssc:
        monkeypatch.setattr(dataset, "validation_samples", count)
    arrays = dataset().load(tmp_path, offline=False)
    assert len(arrays.train) + len(arrays.test) == (40 if "all" not in written else 20)
    assert not arrays.source.partial


def damaged(dataset, root):
    """Damage one file in every way that its format can show; yield the file and how."""
    EVERY[dataset](root)
    files = sorted((root / dataset.folder).rglob(f"*{dataset.kind}"))
    path = next((path for path in files if "rain" in str(path.relative_to(root))), files[0])  # one to train on
    content = path.read_bytes()
    for how, changed in (("cut", content[:-3]), ("empty", b""), ("foreign", b"<html>" * 50)):
        if not (how == "foreign" and dataset in (cameras.NMnist, cameras.NCaltech101)):  # any bytes are events there
            yield path, how, changed


@pytest.mark.parametrize("dataset", EVERY)
def test_a_damaged_file_is_named_and_nothing_shorter_is_used(dataset, tmp_path):
    tried = 0
    for path, how, changed in damaged(dataset, tmp_path):
        path.write_bytes(changed)
        with pytest.raises(DataError) as caught:
            dataset(partial=True).prepare(tmp_path, offline=True)
        text = str(caught.value)
        assert text.startswith(f"{path}: damaged, or not of {dataset.name} (") and "\n" not in text, how
        assert not list((tmp_path / "spikebench-frames").glob("*train*.npy"))
        tried += 1
    assert tried >= 2


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_file_that_ends_inside_an_event_is_refused(cut, tmp_path):
    put_nmnist(tmp_path)
    path = tmp_path / "NMNIST" / "Test" / "7" / "00001.bin"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"no whole number of 5-byte events\); get it again"):
        cameras.NMnist(partial=True).load(tmp_path, offline=True)


def test_an_event_outside_the_sensor_names_the_file(tmp_path):
    put_nmnist(tmp_path)
    path = tmp_path / "NMNIST" / "Train" / "0" / "00002.bin"
    path.write_bytes(path.read_bytes() + bytes([99, 1, 0, 0, 1]))
    with pytest.raises(DataError, match=f"^{path}: .*an event has x = 99, and the sensor 0 to 33"):
        cameras.NMnist(partial=True).load(tmp_path, offline=True)


def test_a_damaged_recording_inside_a_file_of_many_is_numbered(tmp_path):
    SPLIT[spike_trains.Shd](tmp_path)
    path = tmp_path / "SHD" / "shd_train.h5"
    recordings = [random_events(5, (700, 1, 1)), random_events(5, (700, 1, 1))]
    recordings[1]["x"][3] = 700
    write_cochlea(path, recordings, [0, 1])
    with pytest.raises(DataError, match=f"^{path}, recording 1: .*an event has x = 700, and the sensor 0 to 699"):
        spike_trains.Shd(partial=True).load(tmp_path, offline=True)


def replace_in(path, name, values):
    with h5py.File(path, "r+") as file:
        del file[name]
        if values is not None:
            file[name] = values


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("labels", None, "object 'labels' doesn't exist"),
        ("labels", np.dtype("u2"), "/labels is no column of whole numbers"),
        ("labels", 3, "/labels is no column of whole numbers"),
        ("labels", [0.5, float("nan")] * 3, "/labels is no column of whole numbers"),
        ("labels", [b"zero"] * 6, "/labels is no column of whole numbers"),
        ("labels", np.zeros((6, 1), int), "/labels is no column of whole numbers"),
        ("spikes/times", [0.5] * 6, "/spikes/times is no column of lists of numbers"),
        ("spikes/units", [b"one"] * 6, "/spikes/units is no column of lists of numbers"),
    ],
)
def test_tables_of_spikes_that_are_none_are_refused(part, name, values, expected, tmp_path):
    SPLIT[spike_trains.Shd](tmp_path)
    path = tmp_path / "SHD" / f"shd_{part}.h5"
    replace_in(path, name, values)
    with pytest.raises(DataError, match=f"^{path}: damaged, or not of shd ") as caught:
        spike_trains.Shd(partial=True).load(tmp_path, offline=True)
    assert expected in str(caught.value)


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e30])
@pytest.mark.filterwarnings("default")
def test_times_that_are_no_numbers_are_refused(time, tmp_path):
    SPLIT[spike_trains.Shd](tmp_path)
    path = tmp_path / "SHD" / "shd_train.h5"
    with h5py.File(path, "r+") as file:
        file["spikes/times"][1] = np.array([0.0, time], np.float32)
        file["spikes/units"][1] = np.array([1, 2], np.uint16)
    with pytest.raises(DataError, match=f"^{path}, recording 1: .*invalid value"):
        spike_trains.Shd(partial=True).load(tmp_path, offline=True)


def test_lists_of_spikes_that_the_library_reads_for_ever_are_refused(tmp_path, monkeypatch):
    """A block of zeros, as a download that broke off leaves: HDF5 goes round in it without an end."""
    SPLIT[spike_trains.Shd](tmp_path)
    path = tmp_path / "SHD" / "shd_train.h5"
    raw = path.read_bytes()
    lists = raw.find(b"GCOL") + 16
    path.write_bytes(raw[:lists] + bytes(4080) + raw[lists + 4080 :])
    monkeypatch.setattr(spike_trains, "PATIENCE_S", 2.0)
    with pytest.raises(DataError, match=f"^{path}, recording 0: damaged, .*to read the file never ends"):
        spike_trains.Shd(partial=True).load(tmp_path, offline=True)


def test_more_recordings_than_there_are_are_refused_before_they_are_read(tmp_path):
    SPLIT[spike_trains.Shd](tmp_path)
    with h5py.File(tmp_path / "SHD" / "shd_train.h5", "r+") as file:
        del file["labels"]
        file.create_dataset("labels", (10**12,), np.uint16, chunks=(1024,))  # a few bytes on the disk
    with pytest.raises(DataError, match="holds 1,000,000,000,000 of 8,156 recordings"):
        spike_trains.Shd(partial=True).load(tmp_path, offline=True)


def test_a_pipe_in_the_place_of_a_recording_is_not_waited_for(tmp_path):
    put_nmnist(tmp_path)
    os.mkfifo(tmp_path / "NMNIST" / "Train" / "0" / "99999.bin")
    with pytest.raises(DataError, match=r"99999\.bin: damaged, or not of n-mnist \(it is no file\)"):
        cameras.NMnist(partial=True).load(tmp_path, offline=True)


def test_a_file_name_that_is_no_text_is_a_name_like_others(tmp_path):
    put_nmnist(tmp_path)
    folder = os.fsencode(tmp_path / "NMNIST" / "Train" / "0")
    os.rename(folder + b"/00000.bin", folder + b"/\xff.bin")
    assert len(cameras.NMnist(partial=True).load(tmp_path, offline=True).train) == 6


def test_the_second_time_frames_come_from_the_cache_and_a_changed_file_makes_them_anew(tmp_path, monkeypatch):
    put_nmnist(tmp_path)
    first = cameras.NMnist(partial=True, _timesteps=2).load(tmp_path, offline=True)
    framed = []
    monkeypatch.setattr(
        "bench.data.recordings.contract.frame", lambda events, framing: framed.append(1) or frame(events, framing)
    )
    again = cameras.NMnist(partial=True, _timesteps=2).load(tmp_path, offline=True)
    assert not framed and torch.equal(first.train.images, again.train.images)
    path = tmp_path / "NMNIST" / "Train" / "0" / "00000.bin"
    path.write_bytes(path.read_bytes()[:-5])
    changed = cameras.NMnist(partial=True, _timesteps=2).load(tmp_path, offline=True)
    assert len(framed) == 6  # the training split alone
    assert changed.train.images[0].sum() == first.train.images[0].sum() - 1
    assert changed.source.files != first.source.files
    cache = next((tmp_path / "spikebench-frames").glob("n-mnist-test-*.npy"))
    cache.write_bytes(cache.read_bytes()[:-1])
    rebuilt = cameras.NMnist(partial=True, _timesteps=2).load(tmp_path, offline=True)
    assert len(framed) == 12 and torch.equal(rebuilt.test.images, first.test.images)


def test_long_framing_says_how_far_it_is(tmp_path, monkeypatch, caplog):
    put_nmnist(tmp_path)
    monkeypatch.setattr(frame_cache, "TELL_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO, "bench"):
        cameras.NMnist(partial=True).prepare(tmp_path, offline=True)
    assert any("6 of 6 recordings" in record.getMessage() for record in caplog.records)


def test_a_validation_split_of_its_own_is_not_drawn_again(tmp_path):
    SPLIT[spike_trains.Ssc](tmp_path)
    arrays = spike_trains.Ssc(partial=True).load(tmp_path, offline=True)
    assert len(hold_out(arrays, 0, 0).validation) == 6
    with pytest.raises(DataError, match="a validation split of its own, 6 samples; leave validation_fraction out"):
        hold_out(arrays, 0.1, 0)


def test_cifar10_dvs_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    put_cifar(tmp_path)
    real = cameras.importlib.util.find_spec
    monkeypatch.setattr(
        cameras.importlib.util, "find_spec", lambda name, *a: None if name == "aedat" else real(name, *a)
    )
    with pytest.raises(DataError, match="pip install aedat"):
        cameras.Cifar10Dvs(partial=True).prepare(tmp_path, offline=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cameras.NMnist(size=35), "size should be 1 to 34 pixels, not 35"),
        (lambda: cameras.NMnist(size=0), "size should be 1 to 34 pixels, not 0"),
        (lambda: spike_trains.Shd(units=701), "units should be 1 to 700, not 701"),
        (lambda: cameras.AslDvs(test_fraction=1.0), "test_fraction should lie between 0 and 1, not be 1.0"),
        (lambda: cameras.AslDvs(split_seed=-1), "split_seed should be 0 or more, not -1"),
    ],
)
def test_values_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_frame_of_a_wide_sensor_keeps_what_is_smaller():
    assert cameras.NCaltech101(size=200).image_size == (180, 200)


@pytest.mark.data
def test_the_real_recordings_lose_no_event():
    root = os.environ.get("SPIKEBENCH_DATA")
    if not root:
        pytest.skip("SPIKEBENCH_DATA is not set")
    dataset = cameras.NMnist(partial=True, _timesteps=8)
    try:
        dataset.prepare(Path(root), offline=True)
    except DataError as error:
        pytest.skip(str(error))
    arrays = dataset.load(Path(root), offline=True)
    files = sorted((Path(root) / "NMNIST" / "Test").rglob("*.bin"))
    assert len(files) == len(arrays.test)
    for path, frames, label in zip(files, arrays.test.images, arrays.test.labels, strict=True):
        rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 5)
        counts = frames.sum((1, 2, 3), dtype=torch.int64)
        assert int(counts.sum()) == int((rows[:, 1] != 240).sum())  # 240 marks an overflow of the clock
        assert len(counts[:-1].unique()) == 1 and int(label) == int(path.parent.name)
