"""The engine of a Ray cluster, with a cluster that is none."""

import importlib.util
import socket

import pytest
from support import ROOT
from support.command import in_process
from support.fake_ray import FakeCluster, RayError, RayTaskError
from support.runs import RUN, SUITE

from bench.errors import BenchError
from bench.execute.afar import Parcel
from bench.execute.engines import ray
from bench.execute.messages import Event
from bench.execute.plan import Settings, Todo
from bench.execute.ray_cluster import Cluster
from bench.store.store import State

NOTE, DONE = Event(kind="note", error="works on a node"), Event(kind="done")
LOST = "its node or process is gone (RayError)"


@pytest.fixture
def started(store, monkeypatch):
    """Return a function that starts a job on a cluster which says what `script` has; returns engine, cluster, key."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)

    def start(*script, gpus=0, **settings):
        cluster = FakeCluster(lambda order: script, gpus=gpus)
        settings = Settings(**({"device": "cpu", "on": "ray"} | settings))
        engine = ray.Ray(_settings=settings)
        monkeypatch.setattr(ray, "Cluster", lambda where: cluster)
        job = Todo(SUITE, RUN, State.MISSING).job(store, settings)
        engine.start(job)
        return engine, cluster, job.key

    return start


def parcel(*events):
    return Parcel(tuple(event.model_dump_json() for event in events))


def test_without_ray_the_command_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    done = in_process("run", ROOT / "suites" / "digits.toml", "--only", "LIF", "--seed", "0", "--on", "ray")
    assert done.returncode == 2 and "pip install 'spikebench[ray]'" in done.stderr


def test_events_are_heard_in_order_and_nothing_is_kept_behind_the_last(started, store):
    engine, _, key = started(parcel(NOTE), parcel(Event(kind="progress", step=3), DONE))
    assert store.folder(RUN).executed_by() is not None
    heard = [engine.hear(1.0) for _ in range(3)]
    assert heard == [(key, NOTE), (key, Event(kind="progress", step=3)), (key, DONE)]
    assert engine.waiting == 0 and engine.hear(0.0) is None and store.folder(RUN).executed_by() is None


def test_a_node_that_dies_ends_its_run_as_interrupted_and_a_task_that_is_wrong_as_failed(started):
    engine, _, key = started(parcel(NOTE), RayError("a long story"))
    heard = [engine.hear(1.0) for _ in range(3)]
    assert heard[1:] == [(key, Event(kind="note", error=LOST)), (key, Event(kind="interrupted", error=LOST))]
    engine, _, key = started(RayTaskError("no module named bench"))
    assert engine.hear(1.0) == (key, Event(kind="failed", error="RayTaskError: no module named bench"))
    engine, _, key = started()
    assert engine.hear(1.0) == (key, Event(kind="failed", error="its task ended without a word"))


def test_a_run_that_another_process_has_is_busy(started, store):
    with store.folder(RUN).lock():
        engine, cluster, _ = started(parcel(DONE))
        assert engine.hear(1.0)[1].kind == "busy" and not cluster.shares


def test_a_run_whose_lock_is_lost_is_ended_and_busy(started, store):
    engine, cluster, key = started(parcel(NOTE), parcel(DONE))
    assert engine.hear(1.0) == (key, NOTE)
    store.folder(RUN).lock_file.unlink()
    assert engine.hear(1.0)[1].kind == "busy" and len(cluster.cancelled) == 1


def test_asked_to_stop_it_hears_the_last_words_and_leaves_the_cluster(started):
    interrupted = Event(kind="interrupted")
    engine, cluster, key = started(parcel(NOTE), parcel(interrupted))
    assert engine.hear(1.0) == (key, NOTE)
    assert engine.stop(17.0) == set() and cluster.graces == [17.0] and cluster.closed
    assert engine.hear(0.0) == (key, interrupted)


def test_what_has_not_begun_when_it_is_asked_to_stop_is_not_waited_for(started):
    engine, cluster, key = started(parcel(NOTE))
    assert engine.stop(60.0) == set() and len(cluster.cancelled) == 1
    assert engine.hear(0.0) == (key, Event(kind="interrupted", error="ended before it had begun"))


@pytest.mark.parametrize(
    ("settings", "slots", "share"),
    [
        ({"device": "cpu"}, 2, {"num_cpus": 1.0}),
        ({"device": "cpu", "jobs": 1}, 1, {"num_cpus": 1.0}),
        ({"device": "auto", "per_gpu": 3}, 12, {"num_cpus": 0.0, "num_gpus": 1 / 3}),
        ({"device": "cuda"}, 4, {"num_cpus": 0.0, "num_gpus": 1.0}),
    ],
)
def test_it_takes_what_the_nodes_hold(started, settings, slots, share):
    engine, cluster, _ = started(parcel(DONE), gpus=4, **settings)
    assert engine.slots == slots and cluster.shares == [share]


def test_a_device_that_the_cluster_lacks_or_chooses_itself_is_refused(started):
    with pytest.raises(BenchError, match="no node of the cluster has a GPU"):
        started(device="cuda")
    with pytest.raises(BenchError, match="use cuda"):
        started(device="cuda:1")


def test_an_address_that_is_none_or_where_nobody_answers_is_said_at_once():
    with pytest.raises(BenchError, match="should be HOST:PORT"):
        Cluster("ray://somewhere:10001")
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(BenchError, match="nobody answers there"):
            Cluster(f"127.0.0.1:{closed.getsockname()[1]}")
