"""Which device a run is given, where several share one."""

from hypothesis import given
from hypothesis import strategies as st
from support.runs import SUITE

from bench.execute.messages import Event
from bench.execute.placement import CONTEXT_BYTES, Placement
from bench.execute.plan import Settings, Todo
from bench.store.store import State, Store

ROOM = 80_000_000_000
DONE = Event(kind="done")
NO_ROOM = Event(kind="failed", error="out of memory: CUDA out of memory. Tried to allocate 2 GiB")


def job(label, seed):
    [run] = SUITE.select(label, seed)
    return Todo(SUITE, run, State.MISSING).job(Store(), Settings())


def says(memory_bytes):
    return Event(kind="progress", step=1, memory_bytes=memory_bytes, device_bytes=ROOM)


def test_a_device_each_takes_what_has_the_fewest():
    placement = Placement(["cpu"], 2)
    first, second, third = (job("LIF", seed) for seed in (0, 1, 2))
    assert [placement.place(each) for each in (first, second, third)] == ["cpu", "cpu", None]
    placement.heard(first.key, DONE)
    assert placement.place(third) == "cpu"
    two = Placement(["cuda:0", "cuda:1"], 1)
    assert [two.place(each) for each in (first, second, third)] == ["cuda:0", "cuda:1", None]


def test_the_first_of_a_kind_is_alone_until_it_has_said_what_it_needs():
    placement = Placement(["cuda:0"], 3)
    first, second, other = job("LIF", 0), job("LIF", 1), job("CLIF", 0)
    assert placement.place(first) == "cuda:0" and placement.place(second) is None
    placement.heard(first.key, says(1_000_000_000))
    assert placement.place(second) == "cuda:0"
    assert placement.place(other) is None  # nobody knows what that needs
    for each in (first, second):
        placement.heard(each.key, DONE)
    assert placement.place(other) == "cuda:0"


def test_only_so_many_share_as_there_is_memory_for():
    placement = Placement(["cuda:0"], 8)
    jobs = [job("LIF", seed) for seed in (0, 1, 2)]
    assert placement.place(jobs[0]) == "cuda:0"
    placement.heard(jobs[0].key, says((ROOM - CONTEXT_BYTES * 2) // 2))
    assert [placement.place(each) for each in jobs[1:]] == ["cuda:0", None]


def test_one_that_finds_no_room_beside_others_is_tried_alone_and_fails_there():
    placement = Placement(["cuda:0"], 2)
    first, second, third = (job("LIF", seed) for seed in (0, 1, 2))
    placement.place(first)
    assert not placement.heard(first.key, says(1)) and placement.place(second) == "cuda:0"
    assert placement.heard(second.key, NO_ROOM)
    assert placement.place(second) is None  # until the other has ended
    placement.heard(first.key, DONE)
    assert placement.place(second) == "cuda:0" and placement.place(third) is None
    assert not placement.heard(second.key, NO_ROOM)


def test_one_that_was_always_alone_has_failed():
    placement = Placement(["cuda:0"], 2)
    first = job("LIF", 0)
    placement.place(first)
    assert not placement.heard(first.key, NO_ROOM)


ASKED = st.tuples(st.sampled_from(["LIF", "CLIF", "ANN"]), st.integers(0, 2), st.integers(1, ROOM))


@given(st.lists(ASKED, max_size=30))
def test_no_run_joins_others_where_what_is_known_of_them_is_more_than_there_is(asked):
    placement = Placement(["cuda:0", "cuda:1"], 3)
    for label, seed, need in asked:
        each = job(label, seed)
        if each.key in placement.running:
            placement.heard(each.key, says(need))
        elif (device := placement.place(each)) is not None:
            company = [key for key, (other, _) in placement.running.items() if other == device]
            assert len(company) == 1 or sum(placement.needs[placement.running[key][1]] for key in company) <= ROOM
            assert len(company) <= 3
