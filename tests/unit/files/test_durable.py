"""Files that survive: whole or not there, noticed when changed, never a way to run code."""

import io
import os
import pickle
import random
from pathlib import Path

import pytest
import torch
from support.training import Net, train

from bench.errors import CorruptError, StoreError
from bench.files.durable import atomic_write, atomic_write_all, check_seal, seal, set_aside, unsealed
from bench.store.checkpoints import Checkpoints, read_state, write_state
from bench.store.folder import older
from bench.train.loop import History, Interrupted
from bench.train.resume import Resumable

HEADER = 85
STATE = {"epoch": 3, "weights": torch.arange(1000.0)}


@pytest.fixture
def checkpoint(tmp_path):
    write_state(tmp_path / "checkpoint.pt", STATE)
    return tmp_path / "checkpoint.pt"


def refused(path):
    """Return what is said of a file, by what reads it and by what only looks."""
    with pytest.raises(CorruptError) as read:
        read_state(path)
    with pytest.raises(CorruptError) as looked:
        check_seal(path)
    assert str(read.value) == str(looked.value) and str(read.value).startswith(f"{path}: corrupt: ")
    return read.value.what


def test_what_was_written_is_read(checkpoint):
    state = read_state(checkpoint)
    assert state["epoch"] == 3 and torch.equal(state["weights"], STATE["weights"])
    check_seal(checkpoint)
    assert (
        checkpoint.read_bytes()[:20] == b"spikebench sealed 1 "
        and checkpoint.read_bytes()[HEADER - 1 : HEADER] == b"\n"
    )


def test_every_changed_byte_of_the_header_and_a_sample_of_the_rest_is_noticed(checkpoint):
    whole = checkpoint.read_bytes()
    rest = random.Random(0).sample(range(HEADER, len(whole)), 300)
    for place in [*range(HEADER), *rest]:
        for flip in (0x01, 0x20, 0x80):
            changed = bytearray(whole)
            changed[place] ^= flip
            checkpoint.write_bytes(changed)
            assert refused(checkpoint) in (
                "is not a file of this program",
                "was cut short or changed: its checksum does not match",
            )


def test_a_cut_at_every_power_of_two_is_noticed(checkpoint):
    whole = checkpoint.read_bytes()
    lengths = [0, *(2**power for power in range(len(whole).bit_length()) if 2**power < len(whole)), len(whole) - 1]
    assert len(lengths) > 12
    for length in lengths:
        checkpoint.write_bytes(whole[:length])
        assert refused(checkpoint)
    checkpoint.write_bytes(whole + b"\0")
    assert refused(checkpoint)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"garbage", "is not a file of this program"),
        (b"PK\x03\x04 and no more", "is not a file of this program"),
        (seal(b"garbage") + b"garbage", "is not a checkpoint ("),
        (seal(b"") + b"", "is not a checkpoint ("),
    ],
)
def test_foreign_files_are_no_checkpoints(tmp_path, content, what):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(CorruptError) as caught:
        read_state(path)
    assert caught.value.what.startswith(what)


class Malice:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def planted(path, trap, kind):
    """Put a checkpoint that runs code when it is unpickled, correctly sealed, at `path`."""
    if kind == "pickle":
        payload = pickle.dumps({"epoch": 1, "model": Malice(trap)}, protocol=2)
    else:
        buffer = io.BytesIO()
        torch.save({"epoch": 1, "model": Malice(trap)}, buffer)
        payload = buffer.getvalue()
    path.write_bytes(seal(payload) + payload)
    return payload


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_planted_pickle_runs_nothing(tmp_path, kind):
    path, trap = tmp_path / "checkpoint.pt", tmp_path / "trap"
    payload = planted(path, trap, kind)
    with pytest.raises(CorruptError, match="is not a checkpoint"):
        read_state(path)
    _, history = train(path)  # trains from the start
    assert not trap.exists() and len(history.rows) == 3
    assert (tmp_path / "checkpoint.pt.corrupt-1").read_bytes().endswith(payload)
    if kind == "torch":
        torch.load(io.BytesIO(payload), weights_only=False)
    else:
        pickle.loads(payload)
    assert trap.exists()  # it would have


def test_two_checkpoints_are_kept_and_a_damaged_one_is_set_aside_for_the_older(tmp_path, caplog):
    path = tmp_path / "checkpoint.pt"
    _, expected = train(tmp_path / "whole.pt")
    for steps in (4, 5):
        with pytest.raises(Interrupted):
            train(path, steps)
    assert [read_state(file)["step"] + 6 * read_state(file)["epoch"] for file in (older(path), path)] == [6, 9]
    path.write_bytes(path.read_bytes()[:-1])
    _, history = train(path)
    assert history.rows == expected.rows and history.order == expected.order
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{path}: corrupt: was cut short") and message.endswith("kept as checkpoint.pt.corrupt-1")


def test_where_both_are_damaged_training_begins_again_and_ends_the_same(tmp_path):
    path = tmp_path / "checkpoint.pt"
    whole, expected = train(tmp_path / "whole.pt")
    for steps in (4, 5):
        with pytest.raises(Interrupted):
            train(path, steps)
    for file in (path, older(path)):
        file.write_bytes(b"")
    again, history = train(path)
    assert history.rows == expected.rows and torch.equal(whole.linear.weight, again.linear.weight)
    names = {file.name for file in tmp_path.iterdir() if "corrupt" in file.name}
    assert names == {"checkpoint.pt.corrupt-1", "checkpoint.older.pt.corrupt-1"}


@pytest.mark.parametrize("wrong", ["model", "history", "epoch", "sums", "cpu_rng"])
def test_a_checkpoint_of_another_run_changes_nothing(tmp_path, wrong):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(path, 4)
    write_state(path, read_state(path) | {wrong: {"other": torch.zeros(3)}})
    older(path).unlink()
    _, expected = train(tmp_path / "whole.pt")
    _, history = train(path)
    assert history.rows == expected.rows and path.with_name("checkpoint.pt.corrupt-1").exists()


def test_set_aside_never_overwrites(tmp_path):
    for content in ("one", "two"):
        (tmp_path / "file").write_text(content)
        set_aside(tmp_path / "file")
    assert [(tmp_path / f"file.corrupt-{number}").read_text() for number in (1, 2)] == ["one", "two"]


def test_a_checkpoint_that_finds_no_room_leaves_both_as_they_were(checkpoint, monkeypatch):
    write_state(checkpoint, STATE | {"epoch": 4})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"checkpoint\.pt: cannot be written: No space left.*is kept"):
        write_state(checkpoint, STATE | {"epoch": 5})
    assert (read_state(older(checkpoint))["epoch"], read_state(checkpoint)["epoch"]) == (3, 4)
    assert sorted(file.name for file in checkpoint.parent.iterdir()) == ["checkpoint.older.pt", "checkpoint.pt"]


class PowerCuts:
    """A folder as a power cut would leave it, at every step: what was not synced is gone, or has its old name.

    A file that was not synced is empty. Renames since the folder was synced have happened up to any one of them.
    """

    def __init__(self, folder, monkeypatch):
        self.folder, self.synced, self.durable, self.pending, self.outcomes = folder, set(), {}, [], []
        self.replace, self.fsync = os.replace, os.fsync
        monkeypatch.setattr(os, "replace", self.on_replace)
        monkeypatch.setattr(os, "fsync", self.on_fsync)

    def on_fsync(self, descriptor):
        self.fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path == self.folder:
            for rename in self.pending:
                self.durable = self.apply(self.durable, rename)
            self.pending = []
        else:
            self.synced.add(path.name)
        self.cut()

    def on_replace(self, old, new):
        old, new = Path(old), Path(new)
        content = old.read_bytes() if old.name in self.synced else b""
        self.replace(old, new)
        self.synced = (self.synced - {old.name}) | ({new.name} if old.name in self.synced else set())
        self.pending.append((old.name, new.name, content))
        self.cut()

    def apply(self, names, rename):
        old, new, content = rename
        return {name: value for name, value in names.items() if name != old} | {new: content}

    def cut(self):
        """Note every folder that a power cut could leave now."""
        names = self.durable
        self.outcomes.append(names)
        for rename in self.pending:
            names = self.apply(names, rename)
            self.outcomes.append(names)


def test_a_power_cut_at_any_moment_leaves_a_good_checkpoint_and_a_whole_record(tmp_path, monkeypatch):
    live, after = tmp_path / "live", tmp_path / "after"
    live.mkdir()
    after.mkdir()
    cuts = PowerCuts(live, monkeypatch)
    checked = 0
    for epoch in range(1, 5):
        write_state(live / "checkpoint.pt", {"epoch": epoch})
        atomic_write(live / "record.json", f"record {epoch}")
        outcomes, cuts.outcomes = cuts.outcomes, []
        for outcome in outcomes:
            for file in after.iterdir():
                file.unlink()
            for name, content in outcome.items():
                (after / name).write_bytes(content)
            found = [
                read_state(file)["epoch"]
                for file in (after / "checkpoint.pt", older(after / "checkpoint.pt"))
                if file.exists()
            ]
            assert max(found, default=0) >= epoch - 1  # what was written before this one is not lost
            if (after / "record.json").exists():
                assert (after / "record.json").read_text() in (f"record {epoch - 1}", f"record {epoch}")
            checked += 1
    assert checked > 30 and read_state(after / "checkpoint.pt")["epoch"] == 4  # when all is done, all is there


def test_the_model_of_a_power_cut_notices_a_write_that_is_not_synced(tmp_path, monkeypatch):
    cuts = PowerCuts(tmp_path, monkeypatch)
    (tmp_path / "record.json.part").write_text("record")
    os.replace(tmp_path / "record.json.part", tmp_path / "record.json")
    assert {"record.json": b""} in cuts.outcomes and {} in cuts.outcomes


def test_a_state_is_taken_back_whole_or_not_at_all(tmp_path):
    torch.manual_seed(1)
    model, sums = Net(), torch.zeros(3, dtype=torch.float64)
    state = Resumable({"model": model}, History(origin={"training": "x"}), sums, torch.device("cpu"))
    state.save(Checkpoints(tmp_path / "checkpoint.pt"), 1, 2)
    expected = torch.rand(3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.linear.weight.zero_()
    sums += 1
    assert state.load(Checkpoints(tmp_path / "checkpoint.pt")) == (1, 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert sums.tolist() == [0, 0, 0] and torch.equal(torch.rand(3), expected)


def test_a_sealed_file_gives_its_payload(tmp_path):
    atomic_write(tmp_path / "file", seal(b"payload") + b"payload")
    assert unsealed(tmp_path / "file") == b"payload"
    with pytest.raises(StoreError, match="cannot be read"):
        unsealed(tmp_path / "other")


def test_a_file_may_be_written_in_parts(tmp_path):
    atomic_write_all({tmp_path / "parts": (f"{part} \u00e9\ud800\n" for part in range(3)), tmp_path / "whole": b"w"})
    assert (tmp_path / "parts").read_bytes() == "0 \u00e9\\ud800\n1 \u00e9\\ud800\n2 \u00e9\\ud800\n".encode()
    assert (tmp_path / "whole").read_bytes() == b"w"


def test_a_part_that_cannot_be_made_leaves_the_old_files_whole(tmp_path):
    def parts():
        yield "new"
        raise RuntimeError("no more")

    (tmp_path / "one").write_text("old")
    with pytest.raises(RuntimeError):
        atomic_write_all({tmp_path / "two": "new", tmp_path / "one": parts()})
    assert [path.name for path in tmp_path.iterdir()] == ["one"] and (tmp_path / "one").read_text() == "old"
