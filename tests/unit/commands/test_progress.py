"""What a user is told while runs execute."""

import doctest
import io
import logging

import pytest
from rich.console import Console

import bench.commands.estimate
import bench.errors
import bench.seeding
from bench.commands.estimate import Estimate
from bench.commands.progress import Board
from bench.execute.messages import Event
from bench.execute.plan import Todo
from bench.store.store import State
from bench.suite.load import load_suite

SUITE = load_suite("suites/cifar10.toml")
# ANN, LIF, CLIF with 3 seeds, 60 epochs each
TODOS = [Todo(SUITE, run, State.MISSING) for label in ("ANN", "LIF", "CLIF") for run in SUITE.select(label)]
STEPS, BATCH = 390, 128


def progress(images_per_s, seconds_left, epoch=1):
    return Event(
        kind="progress",
        epoch=epoch,
        epochs=60,
        step=1,
        steps=STEPS,
        images_per_s=images_per_s,
        seconds_left=seconds_left,
    )


@pytest.mark.parametrize("module", [bench.commands.estimate, bench.errors, bench.seeding])
def test_examples_in_docstrings(module):
    tested = doctest.testmod(module)
    assert tested.attempted > 0 and tested.failed == 0


def test_the_whole_is_estimated_from_what_has_started():
    estimate = Estimate(TODOS, jobs=2)
    assert estimate.remaining_s() is None
    estimate.update(TODOS[0], progress(1000.0, 3000.0))
    images = STEPS * BATCH * 60
    ann, spiking = images / 1000, images * 4 / 1000  # the others at the ANN's rate per image and timestep
    assert estimate.remaining_s() == pytest.approx((3000 + 2 * ann + 6 * spiking) / 2)
    estimate.update(TODOS[3], progress(200.0, 9000.0))  # LIF has a rate of its own now
    lif, clif = images / 200, images * 4 / (200 * 4)
    assert estimate.remaining_s() == pytest.approx((3000 + 2 * ann + 9000 + 2 * lif + 3 * clif) / 2)


def test_a_run_that_ended_has_nothing_left():
    estimate = Estimate(TODOS[:2], jobs=2)
    for todo in TODOS[:2]:
        estimate.update(todo, progress(100.0, 50.0))
    estimate.update(TODOS[0], Event(kind="done"))
    assert estimate.remaining_s() == 50.0
    estimate.update(TODOS[1], Event(kind="failed", error="no"))
    assert estimate.remaining_s() is None


def test_runs_that_end_at_once_do_not_hold_up_the_estimate():
    shown, text = board(jobs=2, first_estimate_after_s=0.0)
    with shown:
        shown(TODOS[0], Event(kind="failed", error="no"))
        shown(TODOS[1], progress(1e6, 3.0))
    assert "estimate: about" in text.getvalue()


def test_labels_are_not_markup_on_a_terminal():
    text = io.StringIO()
    run = TODOS[0].run
    odd = Todo(SUITE, type(run)(run.suite, "LIF [/b] :fire:", 0, run.spec, run.measure), State.MISSING)
    with Board(Console(file=text, width=200, force_terminal=True), [odd], 1) as shown:
        shown(odd, progress(10.0, 20.0))
        shown.live.refresh()
    assert "LIF [/b] :fire:" in text.getvalue()


def board(jobs=1, **settings):
    text = io.StringIO()
    return Board(Console(file=text, width=200), TODOS, jobs, **settings), text


def test_a_suite_of_days_says_so_once_and_names_the_small_one():
    shown, text = board(first_estimate_after_s=0.0)
    with shown:
        for _ in range(3):
            shown(TODOS[0], progress(20.0, 150_000.0))
    lines = [line for line in text.getvalue().splitlines() if line.startswith("estimate")]
    assert len(lines) == 1
    assert "days" in lines[0] and "suites/cifar10-small.toml" in lines[0]


def test_a_quick_suite_is_not_warned_about():
    shown, text = board(first_estimate_after_s=0.0)
    with shown:
        shown(TODOS[0], progress(1e6, 3.0))
    assert "estimate: about" in text.getvalue() and "small" not in text.getvalue()


def test_ends_are_told_plainly_and_markup_is_not_obeyed():
    shown, text = board()
    with shown:
        shown(TODOS[0], Event(kind="done"))
        shown(TODOS[1], Event(kind="failed", error="[red]no[/red] memory"))
    assert text.getvalue().splitlines() == [
        "cifar10/ANN seed 0: done  [1 of 9]",
        "cifar10/ANN seed 1: failed: [red]no[/red] memory  [1 of 9]",
    ]


def test_what_the_package_says_while_it_prepares_is_shown_once():
    logger, text = logging.getLogger("bench.data.recordings.frame_cache"), io.StringIO()
    with Board(Console(file=text, width=40), TODOS[:1], 1):
        logger.info("framing [%s] recordings of a long name into %s", 5, "/some/where")
        logger.debug("not this")
    logger.info("nor this")
    assert text.getvalue() == "framing [5] recordings of a long name into /some/where\n"


def test_the_same_run_of_two_suites_is_two_runs():
    run = TODOS[0].run
    twin = Todo(SUITE, type(run)("another", run.label, run.seed, run.spec, run.measure), State.MISSING)
    estimate = Estimate([TODOS[0], twin], jobs=1)
    estimate.update(TODOS[0], progress(1000.0, 3000.0))
    assert estimate.remaining_s() == pytest.approx(3000 + STEPS * BATCH * 60 / 1000)


def test_a_run_that_is_done_and_not_sound_says_so():
    text = io.StringIO()
    console = Console(file=text, width=200)
    said = {TODOS[0].key: "dead: no neuron fired in neuron"}
    with Board(console, TODOS[:2], 1, oddities=lambda todo: said.get(todo.key, "")) as shown:
        shown(TODOS[0], Event(kind="done"))
        shown(TODOS[1], Event(kind="done"))
    first, second = text.getvalue().splitlines()
    assert first.endswith(": done, dead: no neuron fired in neuron  [1 of 2]") and second.endswith(": done  [2 of 2]")
