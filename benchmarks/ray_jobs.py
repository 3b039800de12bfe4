"""What the engine `ray` costs a run: jobs of no work on a cluster of this machine: `python benchmarks/ray_jobs.py`.

Every job goes to a task that says "done" at once; counted is from the first start to the last end. `--on` joins a
cluster (`ray:HOST:PORT`), whose nodes have to find this file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.execute.afar import Order, Parcel
from bench.execute.engines.ray import Ray
from bench.execute.messages import Event
from bench.execute.plan import Settings, Todo
from bench.store.store import State, Store
from bench.suite.load import load_suite

SUITE = Path(__file__).parents[1] / "suites" / "digits.toml"


def execute(order: Order, asked: Callable[[], float | None]) -> Iterator[Parcel]:
    """Do nothing: what a task runs here."""
    yield Parcel((Event(kind="done").model_dump_json(),))


def measured(jobs: int, on: str, folder: Path) -> tuple[float, float, Counter[str], int]:
    """Return the seconds of so many jobs, those computed here, how often each has ended, and what is left of them."""
    settings = Settings(device="cpu", on=on)
    engine = Ray(module=Path(__file__).stem, _settings=settings)
    run = load_suite(SUITE).runs[0]
    job = Todo(load_suite(SUITE), run, State.MISSING).job(Store(folder), settings)
    names = [str(number) for number in range(jobs)]
    waiting = [job.model_copy(update={"suite": name, "folder": str(folder / "runs" / name)}) for name in names]
    ended: Counter[str] = Counter()
    for warm in (True, False):  # the first job of each process imports
        todo = waiting[: engine.slots] if warm else waiting[engine.slots :]
        began, computed, running = time.monotonic(), time.process_time(), 0
        while todo or running:
            while todo and running < engine.slots:
                engine.start(todo.pop())
                running += 1
            heard = engine.hear(60.0)
            assert heard is not None, "nothing is heard"
            if heard[1].kind == "done":
                ended[heard[0]] += 1
            running -= heard[1].final
    seconds, computed = time.monotonic() - began, time.process_time() - computed
    left = engine.waiting
    engine.stop(0.0)
    return seconds, computed, ended, left


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--on", default="ray", help="ray or ray:HOST:PORT")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, computed, ended, left = measured(asked.jobs, asked.on, Path(folder))
    once = sum(count == 1 for count in ended.values())
    each = f"{1000 * seconds / asked.jobs:.1f} ms each, {1000 * computed / asked.jobs:.1f} ms of them computing here"
    print(f"{asked.jobs} jobs: {once} ended once, {left} left in the engine, {each}")


if __name__ == "__main__":
    main()
