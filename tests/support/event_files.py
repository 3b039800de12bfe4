"""Tiny event recordings in the on-disk formats of the data sets, written byte by byte, for tonic's own readers."""

import struct

import h5py
import numpy as np
from scipy.io import savemat

EVENTS = np.dtype([("t", np.int64), ("x", np.int64), ("y", np.int64), ("p", np.int64)])


def random_events(count, sensor, seed=0, duration=100_000):
    """`count` events, rising in time; sensor is width, height, polarities."""
    rng = np.random.default_rng(seed)
    events = np.empty(count, EVENTS)
    events["t"] = np.sort(rng.integers(0, duration, count))
    for name, extent in zip("xyp", sensor, strict=True):
        events[name] = rng.integers(0, extent, count)
    return events


def nmnist_bytes(events):
    """N-MNIST and N-Caltech101: x, y, then one bit of polarity and 23 of time, big-endian; 5 bytes an event."""
    return b"".join(
        bytes([int(e["x"]), int(e["y"])]) + ((int(e["p"]) << 23) | int(e["t"])).to_bytes(3, "big") for e in events
    )


def write_gesture(path, events):
    """DVS-Gesture as tonic hands it out: a table of x, y, p and t in ms."""
    np.save(path, np.stack([events["x"], events["y"], events["p"], events["t"] // 1000], axis=1))


def write_poker(path, events):
    """Poker-DVS: a table of t, x, y and p."""
    np.save(path, np.stack([events[name] for name in ("t", "x", "y", "p")], axis=1))


def write_asl(path, events, height=180):
    """ASL-DVS: Matlab columns, rows counted from below."""
    columns = {"ts": events["t"], "x": events["x"], "y": height - 1 - events["y"], "pol": events["p"]}
    savemat(path, {name: values.reshape(-1, 1) for name, values in columns.items()})


def aedat4_bytes(*packets):
    """CIFAR10-DVS: AEDAT 4 without compression, one stream of events (flatbuffers laid out by hand)."""
    return (
        b"#!AER-DAT4.0\r\n" + _io_header() + b"".join(struct.pack("<ii", 0, len(p)) + p for p in map(_packet, packets))
    )


def _io_header():
    info = (
        b'<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
        b'<node name="0" path="/mainloop/Recorder/outInfo/0/">'
        b'<attr key="compression" type="string">NONE</attr><attr key="originalModuleName" type="string">x</attr>'
        b'<attr key="originalOutputName" type="string">events</attr><attr key="typeDescription" type="string">x</attr>'
        b'<attr key="typeIdentifier" type="string">EVTS</attr>'
        b'<node name="info" path="/mainloop/Recorder/outInfo/0/info/"><attr key="sizeX" type="int">128</attr>'
        b'<attr key="sizeY" type="int">128</attr><attr key="source" type="string">DVS128</attr></node>'
        b"</node></node></dv>"
    )
    vtable = struct.pack("<HHHHH", 10, 8, 0, 0, 4) + b"\0\0"  # compression and table position at their defaults
    table = struct.pack("<iI", 12, 4)
    return _sized(struct.pack("<I", 20) + b"IOHE" + vtable + table + struct.pack("<I", len(info)) + info + b"\0")


def _packet(events):
    vtable = struct.pack("<HHH", 6, 8, 4) + b"\0\0"
    table = struct.pack("<iI", 8, 8)
    body = b"".join(struct.pack("<qhhB3x", int(e["t"]), int(e["x"]), int(e["y"]), int(e["p"])) for e in events)
    return _sized(struct.pack("<I", 16) + b"EVTS" + vtable + table + b"\0" * 4 + struct.pack("<I", len(events)) + body)


def _sized(flatbuffer):
    return struct.pack("<I", len(flatbuffer)) + flatbuffer


def write_cochlea(path, recordings, labels):
    """SHD and SSC: HDF5 with times in seconds, units, labels and the speakers."""
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(labels),), dtype=h5py.vlen_dtype(np.float32))
        units = file.create_dataset("spikes/units", (len(labels),), dtype=h5py.vlen_dtype(np.uint16))
        for index, events in enumerate(recordings):
            times[index], units[index] = events["t"] / 1e6, events["x"]
        file["labels"] = np.asarray(labels, np.uint16)
        file["extra/speaker"] = np.zeros(len(labels), np.uint16)
        file["extra/keys"] = np.asarray([b"zero", b"one"])
