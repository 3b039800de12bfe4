"""What the store says of a run is what lies in its folder."""

import contextlib
import json
import os
import threading

import pytest
from support import ROOT
from support.runs import RUN, SUITE, put, record

from bench.errors import NewerError, RecordError, StoreError
from bench.files.durable import atomic_write
from bench.records.lines import read_records
from bench.records.record import Digests, RunRecord
from bench.report.write import make_report
from bench.store.checkpoints import write_state
from bench.store.failures import write_failure
from bench.store.store import State, Store
from bench.upkeep.doctor import examine

OLD = ROOT / "tests" / "golden" / "record-schema-1.jsonl"


def test_states(store):
    folder = store.folder(RUN)
    assert store.state(RUN) is State.MISSING
    folder.path.mkdir(parents=True)
    assert store.state(RUN) is State.MISSING
    write_state(folder.checkpoint, {})
    assert store.state(RUN) is State.PARTIAL
    write_state(folder.checkpoint, {})
    folder.checkpoint.unlink()
    assert store.state(RUN) is State.PARTIAL  # the one before it is there
    write_failure(folder, "it broke", "Traceback ...")
    assert store.state(RUN) is State.FAILED
    put(store)
    assert store.state(RUN) is State.DONE
    put(store, digests=Digests(initial_weights="w", sample_order="o", code="older"))
    assert store.state(RUN) is State.STALE
    put(store, measure_key="another")
    assert store.state(RUN) is State.FAILED  # to measure it anew is what failed
    folder.failure.unlink()
    assert store.state(RUN) is State.PARTIAL


def test_collect_prefers_the_store_and_relabels(store, tmp_path):
    reports = tmp_path / "reports"
    other = SUITE.select("CLIF", 1)[0]
    lines = [record(accuracy_fraction=0.1), record(other, accuracy_fraction=0.2)]
    atomic_write(reports / "digits" / "records.jsonl", "".join(line.to_json() + "\n" for line in lines))
    put(store, accuracy_fraction=0.9)
    found = {(item.label, item.seed): item.accuracy_fraction for item in store.collect(SUITE, reports)}
    assert found == {("LIF", 0): 0.9, ("CLIF", 1): 0.2}


def test_records_of_one_entry_hold_what_they_share_once_and_say_the_same(store, tmp_path):
    runs = SUITE.select("LIF")
    for run in runs:
        put(store, run, label="LIF", provenance={"host": "a", "libraries": {"torch": "2.15"}})
    read = [store.folder(run).check() for run in runs]
    found = store.collect(SUITE, tmp_path / "none")
    assert found == read and [each.to_json() for each in found] == [each.to_json() for each in read]
    first, second = found[:2]
    assert first.provenance is second.provenance and read[0].provenance is not read[1].provenance
    assert first.spec["train"] is second.spec["train"] and first.spec["seed"] != second.spec["seed"]
    assert first.model_fields_set is second.model_fields_set
    assert {"history", "layers"} <= first.model_fields_set


def test_a_report_that_is_not_needed_is_not_read(store, tmp_path):
    reports = tmp_path / "reports"
    atomic_write(reports / "digits" / "records.jsonl", "{")
    with pytest.raises(RecordError, match=r"records\.jsonl:1"):
        store.collect(SUITE, reports)
    for run in SUITE.runs:
        put(store, run)
    assert len(store.collect(SUITE, reports)) == len(store.standing(SUITE, reports)) == len(SUITE.runs)


@pytest.mark.parametrize("line", ["{", '{"schema": 99}'])
def test_records_of_a_report_that_cannot_be_read_are_not_written_over(store, tmp_path, line):
    path = tmp_path / "reports" / "digits" / "records.jsonl"
    atomic_write(path, line)
    for run in SUITE.runs:
        put(store, run)
    with pytest.raises(RecordError, match=r"records\.jsonl"):
        make_report(SUITE, store, path.parent)
    assert path.read_text() == line and [each.name for each in path.parent.iterdir() if each.suffix == ".md"] == []
    found = [each for each in examine([SUITE], store, tmp_path / "reports", tmp_path) if each.state == "wrong"]
    assert any("records.jsonl" in each.words for each in found)


def test_what_only_the_committed_report_has_is_a_state_of_its_own(store, tmp_path):
    reports, clif = tmp_path / "reports", SUITE.select("CLIF")
    lines = [record(), record(clif[0]), record(clif[1], measure_key="another"), record(clif[2], status="failed")]
    atomic_write(reports / "digits" / "records.jsonl", "".join(line.to_json() + "\n" for line in lines))
    put(store)
    standing = {run.key: state for run, state in store.standing(SUITE, reports)}
    assert standing.pop(RUN.key) is State.DONE and standing.pop(clif[0].key) is State.REPORTED
    assert set(standing.values()) == {State.MISSING} and len(standing) == len(SUITE.runs) - 2
    assert [run for run, _ in store.standing(SUITE, tmp_path / "none")] == list(SUITE.runs)


def test_a_failed_run_is_collected_with_its_error(store, tmp_path):
    write_failure(store.folder(RUN), "the loss is nan", "Traceback ...")
    [found] = store.collect(SUITE, tmp_path)
    assert (found.status, found.error, found.accuracy_fraction, found.counts) == (
        "failed",
        "the loss is nan",
        None,
        None,
    )


def test_a_record_survives_the_way_to_json_and_back():
    original = record(accuracy_by_timestep=[0.25, 0.5], wall_clock={"train_s": 1.5})
    assert RunRecord.from_json(original.to_json()) == original
    assert RunRecord.from_json(original.to_json()).to_json() == original.to_json()


def test_a_line_separator_inside_a_message_does_not_end_the_record(tmp_path):
    original = record(status="failed", error="one\u2028two\u0085three")
    (tmp_path / "records.jsonl").write_text(original.to_json() + "\n", encoding="utf-8")
    assert read_records(tmp_path / "records.jsonl") == [original]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "x:1: corrupt: not JSON"),
        ("[]", "x:1: corrupt: not a run record"),
        ('{"accuracy_fraction": NaN}', "x:1: corrupt: not JSON (NaN is not a number"),
        ('{"schema": 99}', "x:1: schema 99 is newer than this spikebench reads (2); upgrade"),
        ('{"schema": 1, "key": 1}', "x:1: corrupt: not a run record: key"),
        ('{"schema": 2, "key": 1}', "x:1: corrupt: the record was changed or cut short: its checksum does not match"),
        ('{"schema": true}', "x:1: corrupt: the record was changed"),
        ("[" * 100_000, "x:1: corrupt: not JSON (nested too deeply)"),
        ('{"a": "\\ud800"}', "x:1: corrupt: not JSON ('utf-8' codec can't encode"),
        ("1" * 5000, "x:1: corrupt: not JSON (Exceeds the limit"),
        ('{"a": ' * 100 + "1" + "}" * 100, "x:1: corrupt: not JSON (nested too deeply)"),
    ],
)
def test_lines_that_are_no_records_are_named(tmp_path, text, expected):
    path = tmp_path / "x"
    path.write_text(text + "\n")
    with pytest.raises(RecordError) as caught:
        read_records(path)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("layers", 0, "samples"), 0),  # would be divided by
        (("layers", 0, "input_shape"), [0]),
        (("layers", 0, "input_shape"), [2**40, 2**40]),  # more than a float can price
        (("layers", 0, "output_shape"), []),
        (("layers", 0, "weight_shape"), [3]),
        (("layers", 0, "groups"), 0),
        (("layers", 0, "stride"), [1]),
        (("layers", 0, "effective_synops_total"), 10**400),
        (("layers", 0, "name"), "x" * 201),  # every row of a table is as wide
        (("layers",), [{}] * 2001),
        (("neurons", 0, "units"), 0),
        (("neurons", 0, "ops_per_update"), {"mul": 1e300}),
        (("other_ops", 0, "ops_per_sample"), {"add": -1}),
        (("accuracy_fraction",), 1.5),
        (("accuracy_by_timestep",), [0.5] * 10_001),
        (("history", 0, "train_loss"), 1e300),
        (("seed",), -1),
        (("spec", "timesteps"), True),
        (("spec", "timesteps"), 10**9),
        (("wall_clock", "train_s"), "1"),
        (("wall_clock", "measured_energy"), {"idle_w": 1.0}),
        (("wall_clock", "peak_memory_bytes"), []),
    ],
)
def test_numbers_that_no_run_measures_are_refused(path, value):
    line = json.loads(OLD.read_text("utf-8"))
    inner = line
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(RecordError, match=rf"corrupt: not a run record: (: Value error, )?{path[0]}"):
        RunRecord.from_json(json.dumps(line))


def test_a_record_of_version_1_is_read_for_ever():
    [line] = OLD.read_text("utf-8").splitlines()
    old = RunRecord.from_json(line)
    assert (old.label, old.status, old.schema_version) == ("ANN", "done", 2) and '"schema":1' in line
    new = old.to_json()
    assert RunRecord.from_json(new) == old
    rest, before = json.loads(new), json.loads(line)
    assert len(rest.pop("checksum")) == len(rest["wall_clock"].pop("checksum")) == 16
    assert rest == before | {"schema": 2}


def test_every_flipped_bit_of_a_record_is_noticed():
    """In the middle of a number as in a name; spaces alone could be told from nothing, and there are none."""
    text = record(accuracy_fraction=0.5, wall_clock={"train_s": 1.5}).to_json().encode()
    for place in range(len(text)):
        for bit in (0, 4, 6):
            changed = bytearray(text)
            changed[place] ^= 1 << bit
            with contextlib.suppress(UnicodeDecodeError), pytest.raises(RecordError):
                RunRecord.from_json(changed.decode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "is not text"),
        (b"", "not JSON"),
        (b'{"schema": 2}', "its checksum does not match"),
        (record(accuracy_fraction=0.5).to_json().replace("0.5", "0.6").encode(), "its checksum does not match"),
        (record(SUITE.select("CLIF", 1)[0]).to_json().encode(), "is the record of another run"),
    ],
)
def test_a_broken_record_is_corrupt_and_set_aside_and_the_committed_one_taken(store, tmp_path, content, reason):
    folder = store.folder(RUN)
    folder.path.mkdir(parents=True)
    folder.record.write_bytes(content)
    assert store.state(RUN) is State.CORRUPT
    assert store.remark(RUN).startswith(f"{folder.record}: corrupt: ") and reason in store.remark(RUN)
    [found] = store.collect(SUITE, tmp_path)
    assert found.status == "failed" and reason in found.error
    atomic_write(tmp_path / "digits" / "records.jsonl", record().to_json() + "\n")
    assert [item.status for item in store.collect(SUITE, tmp_path)] == ["done"]
    assert reason in folder.set_record_aside() and folder.set_record_aside() is None
    assert (folder.path / "record.json.corrupt-1").read_bytes() == content
    assert store.state(RUN) is State.MISSING


def test_a_newer_record_is_refused_and_stays_where_it_is(store, tmp_path):
    folder = store.folder(RUN)
    atomic_write(folder.record, '{"schema": 3}')
    assert store.state(RUN) is State.UNREADABLE
    assert "record.json: was made by a newer spikebench than this one; upgrade" in store.remark(RUN)
    assert "newer spikebench" in store.collect(SUITE, tmp_path)[0].error
    with pytest.raises(NewerError):
        folder.set_record_aside()
    assert folder.record.read_text() == '{"schema": 3}'


def test_a_folder_in_place_of_a_file_is_corrupt_and_set_aside(store):
    folder = store.folder(RUN)
    folder.record.mkdir(parents=True)
    assert store.state(RUN) is State.CORRUPT and "is a folder" in folder.set_record_aside()
    folder.checkpoint.mkdir()
    assert store.state(RUN) is State.CORRUPT and "checkpoint.pt: corrupt: is a folder" in store.remark(RUN)


def test_a_checkpoint_that_is_replaced_while_it_is_looked_at_is_no_error(store):
    """A thread rotates checkpoints as fast as it can; whoever looks always finds a run that is part of the way."""
    folder, stop = store.folder(RUN), threading.Event()
    folder.make()
    write_state(folder.checkpoint, {})
    content, newer = folder.checkpoint.read_bytes(), folder.path / "newer"

    def train():
        while not stop.is_set():
            newer.write_bytes(content)
            os.replace(folder.checkpoint, folder.older_checkpoint)
            os.replace(newer, folder.checkpoint)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        assert {store.state(RUN) for _ in range(3000)} == {State.PARTIAL}
    finally:
        stop.set()
        thread.join()


def test_a_run_to_be_begun_afresh_says_so_until_it_is_begun(store):
    folder = store.folder(RUN)
    put(store)
    assert not folder.is_begun_afresh
    folder.ask_afresh()
    assert folder.to_begin_afresh and folder.is_begun_afresh and store.state(RUN) is State.DONE
    assert store.remark(RUN) == "to be trained from the start, as was asked"
    folder.start_afresh()
    assert not folder.to_begin_afresh and folder.is_begun_afresh and store.state(RUN) is State.MISSING
    assert folder.previous_record.is_file()
    put(store)
    assert not folder.is_begun_afresh


@pytest.mark.parametrize("text", ["{}", "[]", "3", "{", "[" * 100_000, "\udcff"])
def test_a_broken_failure_file_is_a_row_that_says_so(store, tmp_path, text):
    folder = store.folder(RUN)
    folder.path.mkdir(parents=True)
    folder.failure.write_text(text, errors="surrogateescape")
    assert store.state(RUN) is State.FAILED
    [found] = store.collect(SUITE, tmp_path)
    assert found.error == f"{folder.failure}: corrupt: does not say why the run failed; run the suite again"


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "runs").write_text("a file")
    store = Store(tmp_path / "runs")
    assert store.state(RUN) is State.MISSING
    with pytest.raises(StoreError, match="cannot be made"):
        store.folder(RUN).make()


def test_a_failed_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic_write(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_a_records_file_of_endless_size_is_refused_unread(tmp_path):
    with (tmp_path / "records.jsonl").open("wb") as handle:
        handle.truncate(10**12)  # a hole: it takes no room
    with pytest.raises(RecordError, match=r"records\.jsonl: larger than 500 MB"):
        read_records(tmp_path / "records.jsonl")


def test_a_result_is_new_to_whoever_looked_before_and_one_that_is_gone_is_none(store):
    folder = store.folder(RUN)
    before = folder.seen()
    assert not folder.changed_since(before)
    write_failure(folder, "no", "")
    failed = folder.seen()
    assert folder.changed_since(before) and not folder.changed_since(failed)
    put(store)
    done = folder.seen()
    assert folder.changed_since(failed) and json.loads(json.dumps(done)) == list(done)
    folder.failure.unlink()
    assert not folder.changed_since(done)
    folder.start_afresh()
    assert not folder.changed_since(done) and not folder.changed_since(before)
