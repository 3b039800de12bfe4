"""A wall between what makes numbers and what keeps them: a lock's wording must not make every record stale."""

import pytest
from support.source import BENCH, rooms

KEPT_OUT = ("store", "report", "execute", "upkeep", "speed", "commands", "files/lock.py", "files/durable.py")


def closure(start):
    """Every file of the package that `start` imports, over however many others."""
    found, queue = {start}, [start]
    while queue:
        for used in rooms(queue.pop()):
            place = BENCH.joinpath(*used)
            path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if path not in found:
                found.add(path)
                queue.append(path)
    return {path.relative_to(BENCH).as_posix() for path in found}


@pytest.fixture(scope="module")
def of_a_run():
    return closure(BENCH / "runs" / "run.py")


@pytest.mark.parametrize("room", KEPT_OUT)
def test_a_run_knows_nothing_of(room, of_a_run):
    assert not {path for path in of_a_run if path == room or path.startswith(f"{room}/")}


def test_the_closure_holds_what_makes_a_number(of_a_run):
    expected = {"train/loop.py", "train/step.py", "neurons/base.py", "measure/counting/counter.py", "records/record.py"}
    assert expected <= of_a_run
