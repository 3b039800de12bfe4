"""Checkpoint files when two processes believe that a run is theirs."""

import threading

from bench.errors import StoreError
from bench.store.checkpoints import read_state, write_state


def test_two_writers_of_one_checkpoint_never_leave_half_of_one(tmp_path):
    """As a process that has lost its lock and the one that has it now would be for a moment."""
    path, errors = tmp_path / "checkpoint.pt", []

    def write(number):
        for epoch in range(60):
            try:
                write_state(path, {"epoch": epoch, "who": number})
            except StoreError as error:  # the other renamed it meanwhile
                errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_state(path)["epoch"] >= 0 and not list(tmp_path.glob("*.part"))
