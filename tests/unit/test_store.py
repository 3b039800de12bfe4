"""What the store says of a run is what lies in its folder."""

import multiprocessing
import os
from pathlib import Path

import pytest

from bench import provenance
from bench.errors import RecordError, StoreError
from bench.record import Digests, RunRecord
from bench.store import BusyError, State, Store, atomic_write, read_records, write_failure
from bench.suite import load_suite

SUITE = load_suite(Path(__file__).parents[2] / "suites" / "digits.toml")
RUN = SUITE.select("LIF", 0)[0]


def record(run=RUN, **changes):
    digests = Digests(initial_weights="w", sample_order="o", code=provenance.code_digest(run.spec))
    values = {
        "key": run.key,
        "measure_key": run.measure_key,
        "label": "an older label",
        "seed": run.seed,
        "spec": run.spec.to_json(),
        "resolved": provenance.resolve_parameters(run.spec),
        "status": "done",
        "accuracy_fraction": 0.5,
        "digests": digests,
    }
    return RunRecord(**(values | changes))


def put(store, run=RUN, **changes):
    atomic_write(store.folder(run).record, record(run, **changes).to_json() + "\n")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_states(store):
    folder = store.folder(RUN)
    assert store.state(RUN) is State.MISSING
    folder.path.mkdir(parents=True)
    assert store.state(RUN) is State.MISSING
    folder.checkpoint.touch()
    assert store.state(RUN) is State.PARTIAL
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
        ("{", "x:1: not JSON"),
        ("[]", "x:1: not a run record"),
        ('{"accuracy_fraction": NaN}', "x:1: not JSON (NaN is not a number"),
        ('{"schema": 99}', "x:1: schema 99 is newer"),
        ('{"key": 1}', "x:1: not a run record: key"),
    ],
)
def test_lines_that_are_no_records_are_named(tmp_path, text, expected):
    path = tmp_path / "x"
    path.write_text(text + "\n")
    with pytest.raises(RecordError) as caught:
        read_records(path)
    assert expected in str(caught.value)


def test_a_broken_record_in_the_store_is_named_and_not_taken_for_missing(store):
    folder = store.folder(RUN)
    folder.path.mkdir(parents=True)
    folder.record.write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match=str(folder.record)):
        store.state(RUN)


@pytest.mark.parametrize("text", ["{}", "[]", "3", "{"])
def test_a_broken_failure_file_is_named(store, tmp_path, text):
    folder = store.folder(RUN)
    folder.path.mkdir(parents=True)
    folder.failure.write_text(text)
    with pytest.raises(RecordError, match=r"failure\.json: cannot be read"):
        store.collect(SUITE, tmp_path)


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "runs").write_text("a file")
    store = Store(tmp_path / "runs")
    assert store.state(RUN) is State.MISSING
    with pytest.raises(StoreError, match="cannot be made"):
        store.folder(RUN).make()


def hold(path, ready, release):
    from bench.store import RunFolder

    with RunFolder(path).lock():
        ready.set()
        release.wait(30)


def test_one_process_at_a_time_has_a_run_and_a_dead_one_frees_it(store):
    folder = store.folder(RUN)
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(folder.path, ready, release))
    process.start()
    assert ready.wait(30)
    with pytest.raises(BusyError, match="another process"), folder.lock():
        pass
    process.kill()
    process.join()
    with folder.lock():
        assert folder.path.is_dir()


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


def test_the_code_digest_follows_the_runs_own_plugins():
    digests = {run.label: provenance.code_digest(run.spec) for run in SUITE.runs}
    assert len(set(digests.values())) == 4  # each neuron's file enters, and only that one
    files = {path.name for path in provenance._closure(Path(provenance.__file__).parent / "run.py")}
    assert {"run.py", "train.py", "spec.py", "base.py", "synops.py"} <= files
    apart = {
        "model.py",
        "table.py",
        "suite.py",
        "cli.py",
        "markdown.py",
        "figures.py",
        "clif.py",
        "lif.py",
        "convnet.py",
    }
    assert not files & apart
