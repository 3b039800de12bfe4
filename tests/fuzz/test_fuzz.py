"""Files from other hands never end in a traceback, a hang or a full memory, and never get markup into a page.

A suite file raises SuiteError or is a suite; a cost table raises TableError or prices a report; a records file raises
RecordError or is rendered; a damaged data set raises DataError. The inputs begin as valid documents and are then
changed in a few places. `pytest -m slow tests/fuzz/test_fuzz.py` does the same with 20,000 inputs each; for bytes there
is `tests/fuzz/coverage_guided.py`.
"""

import copy
import io
import json
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
from fuzz import targets as fuzz_targets
from fuzz.targets import MARKUP, Data, Records, Suites, Tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.toml import as_toml

from bench.energy.table import TABLES

ROOT = Path(__file__).parents[2]
FEW, MANY = 150, 20_000
DEEP, WIDE = "@deep@", "@wide@"  # stand for what no serialiser writes
RAW = {DEEP: "[" * 2000 + "]" * 2000, WIDE: "[" + "1," * 5 * 10**4 + "1]"}
STRANGE = [
    *("", " ", "none", "x" * 10**4, "é" * 500, "\x00", "\x1b[2J", "\u202eabc", "\u200b", "e\u0301" * 50),
    *("👩\u200d👩\u200d👧", "קלט", MARKUP),
    *("../../x", "../../x.toml", "/etc/passwd", "os:system", "os:_wrap_close", "bench.neurons.lif:Lif", "a.b:" * 99),
    *("<b>", "|", "`", "$x^", "\u2028", "\x85", "a" * 300 + ".toml", "horowitz-int8", "lemaire", "nul\x00.toml"),
    *(0, 1, -1, 2**31, 2**63, 10**9, 10**30, -(10**30), 10**400, 0.0, -0.0, 0.5, 1e-320, 1e308, -1e308),
    *(float("nan"), float("inf"), -float("inf"), True, False, None, [], {}, [[]], [{}], {"name": "lif"}, DEEP, WIDE),
    *([0, 0], [1e308] * 3, ["x"] * 3, {"": ""}, {MARKUP: MARKUP}, {"a": {"b": {"c": 1}}}, {"name": 1}, [None]),
]
VALUES = st.one_of(
    st.sampled_from(STRANGE),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.lists(st.one_of(st.integers(-2, 9), st.floats(0, 1)), max_size=4),
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["set", "set", "set", "drop", "rename", "add", "twice", "swap"]), st.integers(0), VALUES),
    min_size=1,
    max_size=4,
)


def fuzz(count, check, **inputs):
    """Call `check` with so many inputs; it is noticed by the target where one takes too long."""
    quiet = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    settings(max_examples=count, **quiet)(given(**inputs)(check))()


HOW_MANY = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def places(value, path=()):
    """Where something can be changed: every path below a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(document, changes):
    """A copy of a document with some changes, each at a place of its own."""
    document = copy.deepcopy(document)
    for what, number, value in changes:
        found = list(places(document))
        if not found:
            return document
        *path, key = found[number % len(found)]
        parent = at(document, path)
        if what == "swap":
            value, what = copy.deepcopy(at(document, found[(number * 31 + 7) % len(found)])), "set"
        if what == "set":
            parent[key] = copy.deepcopy(value)
        elif what == "drop":
            del parent[key]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]) if what == "twice" else copy.deepcopy(value))
        elif what == "add":
            parent[str(value)[:50]] = 1
        else:
            parent[f"{key}x"] = parent[key] if what == "twice" else parent.pop(key)
    return document


def at(document, path):
    for key in path:
        document = document[key]
    return document


def toml_bytes(document):
    return with_raw(as_toml(document)).encode("utf-8", "surrogatepass")


def with_raw(text):
    for name, raw in RAW.items():
        text = text.replace(f'"{name}"', raw)
    return text


SUITES = [tomllib.loads(path.read_text("utf-8")) for path in sorted((ROOT / "suites").glob("*.toml"))]
COSTS = [tomllib.loads(path.read_text("utf-8")) for path in sorted(TABLES.glob("*.toml"))]
LINES = fuzz_targets.sample_records()


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    return Suites(tmp_path_factory.mktemp("suites"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return Tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return Records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Data(tmp_path_factory.mktemp("data"), trial=False)


@pytest.fixture(scope="module")
def tried_data(tmp_path_factory):
    return Data(tmp_path_factory.mktemp("tried_data"))


def test_what_was_not_changed_is_accepted(suites, tables, records, data):
    assert all(suites(toml_bytes(document)) for document in SUITES if "smaller" not in document)
    assert all(tables(toml_bytes(document)) for document in COSTS)
    assert all("canary" not in records(fuzz_targets.sealed(line).encode()) for line in LINES)
    assert all(data(name, data.sample(name)) for name in data.names if "cifar" not in name and "processed" not in name)


@HOW_MANY
def test_suites(suites, count):
    def check(document, changes):
        suites(toml_bytes(changed(document, changes)))

    fuzz(count, check, document=st.sampled_from(SUITES), changes=CHANGES)


@HOW_MANY
def test_tables(tables, count):
    def check(document, changes):
        tables(toml_bytes(changed(document, changes)))

    fuzz(count, check, document=st.sampled_from(COSTS), changes=CHANGES)


@HOW_MANY
def test_records(records, count):
    def check(line, changes):
        line = changed(line, changes)
        try:
            text = fuzz_targets.sealed(line)
        except ValueError:  # not a number, or half of a character
            text = json.dumps(line)
        records(with_raw(text).encode("utf-8", "surrogatepass"))

    fuzz(count, check, line=st.sampled_from(LINES), changes=CHANGES)


EVENTS = st.lists(st.tuples(*[st.integers(0, 255)] * 2, st.integers(0, 2**24 - 1)), max_size=30)


@HOW_MANY
def test_event_files(data, count):
    def check(events, rest):
        data("NMNIST/Train/7/0.bin", b"".join(bytes([x, y]) + t.to_bytes(3, "big") for x, y, t in events) + rest)

    fuzz(count, check, events=EVENTS, rest=st.binary(max_size=4))


@HOW_MANY
def test_idx_files(data, count):
    def check(name, magic, shape, content):
        sizes = b"".join(size.to_bytes(4, "big") for size in shape)
        data(f"FashionMNIST/raw/{name}", magic + sizes + bytes(content))

    fuzz(
        count,
        check,
        name=st.sampled_from(["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"]),
        magic=st.one_of(st.just(b"\0\0\x08\x03"), st.just(b"\0\0\x08\x01"), st.binary(max_size=4)),
        shape=st.lists(st.sampled_from([0, 1, 2, 3, 28, 784, 2**31, 2**32 - 1]), max_size=4),
        content=st.integers(0, 3000),
    )


ARRAYS = st.sampled_from(
    [
        *(np.zeros(2, np.uint16), np.arange(3), np.array([0, 99]), np.array([0.5, float("nan")]), np.array(3)),
        *(np.zeros((2, 2)), np.array([], np.int64), np.array([b"a", b"b"]), np.array([-1, 2**40]), None, "group"),
    ]
)
TABLES_OF = ["labels", "spikes/times", "spikes/units"]


@HOW_MANY
def test_cochlea_tables(data, count):
    def check(replaced):
        def damage(file):
            for name, array in replaced.items():
                del file[name]
                if isinstance(array, str):
                    file.create_group(name)
                elif array is not None:
                    file[name] = array

        load_cochlea(data, damage)

    fuzz(count, check, replaced=st.dictionaries(st.sampled_from(TABLES_OF), ARRAYS, max_size=2))


@HOW_MANY
def test_cochlea_spikes(data, count):
    def check(times, units):
        def damage(file):
            file["spikes/times"][0] = np.asarray(times, np.float32)
            file["spikes/units"][0] = np.asarray(units, np.uint16)

        load_cochlea(data, damage)

    spikes = st.lists(st.one_of(st.floats(0, 1, width=32), st.floats(width=32)), max_size=5)
    fuzz(count, check, times=spikes, units=st.lists(st.integers(0, 800), max_size=5))


def load_cochlea(data, damage):
    raw = io.BytesIO(data.sample("SHD/shd_train.h5"))
    with h5py.File(raw, "r+") as file:
        damage(file)
    data("SHD/shd_train.h5", raw.getvalue())


@HOW_MANY
def test_damaged_bytes(tried_data, count):
    def check(name, flips, cut):
        raw = bytearray(tried_data.sample(name))
        for place, byte in flips:
            raw[place % len(raw)] = byte
        tried_data(name, bytes(raw[: int(len(raw) * cut)]))

    flips = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=5)
    fuzz(count, check, name=st.sampled_from(tried_data.names), flips=flips, cut=st.sampled_from([1, 1, 1, 0.5, 0.1, 0]))
