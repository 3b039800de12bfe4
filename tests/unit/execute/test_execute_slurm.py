"""The engine of SLURM with commands that only pretend: what they are told, and what is made of what they say."""

import json
import os
import stat

import pytest
from support.command import in_process
from support.runs import RUN, SUITE, put

from bench.errors import SlurmError
from bench.execute.engines.slurm import Slurm
from bench.execute.executor import Remembering, open_engine
from bench.execute.messages import Event, Job
from bench.execute.plan import Settings, Todo
from bench.execute.scheduler import Scheduler
from bench.execute.slurm.resources import Resources, read_resources
from bench.execute.slurm.submissions import FOLDER, in_words, submissions, tasks
from bench.execute.slurm.task import device_of
from bench.store.store import State, Store
from bench.upkeep.leftovers import SUBMITTED, leftovers

OTHERS = SUITE.select("CLIF", 0) + SUITE.select("ANN", 0)
COMMAND = """#!/bin/sh
echo "$(basename $0) $*" >> {folder}/told
[ $(basename $0) = sbatch ] && cat > {folder}/script
cat {folder}/$(basename $0).err >&2 2>/dev/null
cat {folder}/$(basename $0).out 2>/dev/null
[ ! -f {folder}/$(basename $0).err ]
"""


class Pretended:
    """Commands of SLURM's names in a folder: they keep what they are told and print what a test lays down."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "scancel", "scontrol"):
            (folder / name).write_text(COMMAND.format(folder=folder))
            (folder / name).chmod(stat.S_IRWXU)
        self.says("sbatch", "12\n")

    def says(self, command, text="", error=None):
        (self.folder / f"{command}.out").write_text(text)
        (self.folder / f"{command}.err").unlink(missing_ok=True)
        if error is not None:
            (self.folder / f"{command}.err").write_text(error)

    def queue(self, *states):
        self.says("squeue", "".join(f"12_{index} {state}\n" for index, state in enumerate(states)))

    def told(self, command):
        path = self.folder / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{command} ")]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "commands"), prepend=":")
    return Pretended(tmp_path / "commands")


def engine(**settings):
    return Slurm(poll_s=0.01, look_s=0.02, _settings=Settings(on="slurm", **settings))


def job_of(run=RUN):
    return Todo(SUITE, run, State.MISSING).job(Store(), Settings(on="slurm"))


def say(job, kind, **fields):
    """Append what the latest task of a job says."""
    [task] = [task for task in tasks(Store().root / SUITE.name) if task.job.key == job.key]
    with task.submission.events(job).open("a") as events:
        events.write(Event(kind=kind, **fields).model_dump_json() + "\n")


def test_it_is_an_engine_that_remembers():
    assert isinstance(engine_named_by_settings(), Remembering)


def engine_named_by_settings():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("shutil.which", lambda name: name)
        return open_engine(Settings(on="slurm"))


def test_all_jobs_that_were_started_are_one_array_with_a_line_each(cluster, tmp_path):
    (tmp_path / "lab.toml").write_text('partition = "gpu"\ntime = "1-12"\ngres = "gpu:1"\nat_once = 2\nlead_s = 300\n')
    slurm = Slurm(_settings=Settings(on="slurm:lab.toml"))
    jobs = [job_of(run).model_copy(update={"trust": ("mylab",)}) for run in (RUN, *OTHERS)]
    for job in jobs:
        slurm.start(job)
    assert cluster.told("sbatch") == []
    assert slurm.hear(0.0) is None and slurm.hear(0.0) is None
    [words] = cluster.told("sbatch")
    assert "--array=0-2%2" in words and "--requeue" in words and "--signal=B:USR1@300" in words
    assert "--partition=gpu --time=1-12 --gres=gpu:1" in words and f"--chdir={tmp_path}" in words
    [submission] = submissions(Store().root / SUITE.name)
    assert submission.jobs() == jobs and submission.array == "12"
    script = (cluster.folder / "script").read_text()
    assert f"-m bench.execute.slurm.task {submission.path}" in script and "mylab" not in script + words


def test_what_runs_append_is_heard_once_and_of_progress_the_latest(cluster):
    slurm, job = engine(), job_of()
    slurm.start(job)
    slurm.submit()
    cluster.queue("RUNNING")
    say(job, "note", error="on n1, SLURM job 12_0")
    say(job, "progress", epoch=1)
    say(job, "progress", epoch=2)
    assert slurm.hear(5.0) == (job.key, Event(kind="note", error="on n1, SLURM job 12_0"))
    assert slurm.hear(5.0) == (job.key, Event(kind="progress", epoch=2))
    [task] = tasks(Store().root / SUITE.name)
    with task.submission.events(job).open("a") as events:
        whole = Event(kind="done").model_dump_json()
        events.write(whole[:20])
    assert slurm.hear(0.1) is None
    with task.submission.events(job).open("a") as events:
        events.write(whole[20:] + "\n")
    assert slurm.hear(5.0) == (job.key, Event(kind="done"))
    assert slurm.hear(0.1) is None


@pytest.mark.parametrize(
    ("state", "kind", "error"),
    [
        ("FAILED", "failed", "ValueError: no step"),
        ("OUT_OF_MEMORY", "failed", "more memory"),
        ("TIMEOUT", "failed", "time limit"),
        ("NODE_FAIL", "failed", "its node failed"),
        (None, "failed", "ValueError: no step"),
        ("CANCELLED", "interrupted", "cancelled in SLURM, job 12_0"),
    ],
)
def test_a_job_that_ends_without_a_word(cluster, state, kind, error):
    slurm, job = engine(), job_of()
    slurm.start(job)
    slurm.submit()
    (Store().folder(RUN).log).write_text("Traceback ...\nValueError: no step\n")
    cluster.queue(*filter(None, [state]))
    key, event = slurm.hear(10.0)
    assert (key, event.kind) == (job.key, kind) and error in event.error
    assert kind == "interrupted" or "Traceback" in event.printed


def test_one_that_is_gone_after_it_had_saved_is_interrupted(cluster):
    slurm, job = engine(), job_of()
    slurm.start(job)
    slurm.submit()
    say(job, "note", error="saved its checkpoint (SIGTERM)")
    cluster.queue()
    assert slurm.hear(10.0)[1].kind == "note"
    assert slurm.hear(10.0)[1].kind == "interrupted"


def test_a_last_word_on_a_slow_disk_counts_for_more_than_the_queue(cluster):
    slurm, job = Slurm(poll_s=0.01, look_s=0.5, _settings=Settings(on="slurm")), job_of()
    slurm.start(job)
    slurm.submit()
    cluster.queue("COMPLETED")
    assert slurm.hear(0.7) is None  # one look
    say(job, "done")
    assert slurm.hear(10.0) == (job.key, Event(kind="done"))


@pytest.mark.parametrize("error", ["slurm_load_jobs error: Unable to contact slurm controller", "Socket timed out"])
def test_a_queue_that_does_not_answer_ends_nothing(cluster, error, caplog):
    slurm, job = engine(), job_of()
    slurm.start(job)
    slurm.submit()
    cluster.says("squeue", error=error)
    assert slurm.hear(0.5) is None and len(cluster.told("squeue")) > 2
    assert caplog.text.count("no answer from SLURM") == 1
    say(job, "done")
    assert slurm.hear(5.0)[1].kind == "done"


def test_what_is_queued_again_goes_on(cluster):
    slurm, job = engine(), job_of()
    slurm.start(job)
    slurm.submit()
    say(job, "note", error="saved its checkpoint (SIGUSR1), to be queued again")
    cluster.queue("PENDING")
    assert slurm.hear(5.0)[1].kind == "note"
    assert slurm.hear(0.3) is None
    assert in_words(Store().root / SUITE.name) == {RUN.key: "requeued in SLURM, job 12_0"}


def test_stop_marks_all_cancels_what_waits_and_asks_the_others_to_save(cluster):
    slurm, jobs = engine(), [job_of(run) for run in (RUN, *OTHERS)]
    for job in jobs:
        slurm.start(job)
    slurm.submit()
    cluster.queue("RUNNING", "PENDING", "RUNNING")
    say(jobs[2], "interrupted")
    assert slurm.stop(0.0) == {jobs[0].key, jobs[1].key}
    assert cluster.told("scancel")[:2] == ["--quiet --batch --signal=TERM 12_0", "--quiet 12_1"]
    assert cluster.told("scancel")[-1] == "--quiet 12_0 12_1"
    heard = [slurm.hear(0.0) for _ in jobs]
    assert {key: event.kind for key, event in heard} == {job.key: "interrupted" for job in jobs}
    [submission] = submissions(Store().root / SUITE.name)
    assert [submission.stop_mark(index).exists() for index in range(3)] == [True, True, False]


def test_jobs_that_were_never_submitted_are_stopped_without_slurm(cluster):
    slurm, job = engine(), job_of()
    slurm.start(job)
    assert slurm.stop(0.0) == set() and slurm.hear(0.0) == (job.key, Event(kind="interrupted"))
    assert cluster.told("sbatch") == cluster.told("scancel") == []


def test_a_run_that_slurm_has_is_followed_and_not_submitted_again(cluster):
    first, job = engine(), job_of()
    first.start(job)
    first.submit()
    cluster.queue("RUNNING")
    second = engine()
    assert (second.called(job), second.called(job_of(OTHERS[0]))) == ("SLURM job 12_0", "")
    second.start(job)
    assert second.submit() == [] and len(cluster.told("sbatch")) == 1
    say(job, "done")
    assert second.hear(5.0) == (job.key, Event(kind="done"))
    third = engine()
    third.start(job)
    cluster.queue("COMPLETED")
    third.submit()
    assert len(cluster.told("sbatch")) == 2 and len(submissions(Store().root / SUITE.name)) == 1


def test_what_was_cancelled_in_slurm_is_not_handed_to_it_again(cluster):
    slurm = engine()
    cluster.queue("CANCELLED")
    todo = Todo(SUITE, RUN, State.MISSING)
    outcome = Scheduler(Store(), Settings(on="slurm"), slurm, lambda *_: None, most_restarts=0).execute([todo])
    assert outcome.failed == (f"LIF seed {RUN.seed}: cancelled in SLURM, job 12_0",) and not outcome.interrupted
    assert len(cluster.told("sbatch")) == 1


def test_a_refusal_is_told_in_slurms_words(cluster):
    cluster.says("sbatch", error="sbatch: error: invalid partition specified: x\nsbatch: error: failed\n")
    slurm = engine()
    slurm.start(job_of())
    with pytest.raises(SlurmError, match="invalid partition specified: x; sbatch: error: failed") as caught:
        slurm.hear(0.0)
    assert caught.value.exit_code == 2 and submissions(Store().root / SUITE.name) == []


def test_without_sbatch_there_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match="no sbatch here"):
        engine()
    monkeypatch.chdir(tmp_path)
    done = in_process("run", SUITE.path.absolute(), "--on", "slurm", "--only", "LIF")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "no sbatch here" in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('partitions = "x"', "partitions: unknown key; did you mean 'partition'?"),
        ("time = 0", "time: must be whole minutes from 1, or a time"),
        ('time = "soon"', "time: must be whole minutes from 1, or a time"),
        ("cpus = 1.5", "cpus: Input should be a valid integer"),
        ('mem = "8 GB"', "mem: must be a size"),
        ('gres = "gpu:1\\n--uid=0"', "gres: String should match"),
        ('options = ["--array=0-9"]', "options: --array: spikebench sets --array itself"),
        ('options = ["--arr=0-9"]', "options: --arr: spikebench sets --array itself"),
        ('options = ["-p x"]', "options: '-p x': write an option as in --constraint=a100"),
        ("= 3", "not valid TOML"),
    ],
)
def test_a_wrong_page_of_resources_is_explained(tmp_path, text, problem):
    (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(SlurmError) as caught:
        read_resources(str(tmp_path / "lab.toml"))
    assert caught.value.exit_code == 2 and str(caught.value).startswith(f"{tmp_path}/lab.toml: {problem}")


def test_all_problems_of_a_page_at_once_and_a_missing_one(tmp_path):
    (tmp_path / "lab.toml").write_text('cpus = 0\nmem = "?"\n')
    with pytest.raises(SlurmError, match=r"cpus: .*\n.*mem: "):
        read_resources(str(tmp_path / "lab.toml"))
    with pytest.raises(SlurmError, match=r"nowhere\.toml: cannot be read: No such file"):
        read_resources(str(tmp_path / "nowhere.toml"))
    assert read_resources("") == Resources() and Resources().words() == ["--signal=B:USR1@120"]


def test_a_job_with_a_gpu_uses_it_unless_the_command_says_otherwise(monkeypatch):
    for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    assert (device_of("auto"), device_of("cuda"), device_of("cpu")) == ("cpu", "cuda", "cpu")
    monkeypatch.setenv("SLURM_JOB_GPUS", "3")
    assert (device_of("auto"), device_of("cpu")) == ("cuda", "cpu")


def test_status_asks_slurm_only_of_suites_that_were_submitted(cluster, tmp_path):
    (tmp_path / "digits.toml").write_text(SUITE.path.read_text("utf-8"))
    assert in_process("status", "digits.toml").returncode == 0 and cluster.told("squeue") == []
    slurm, jobs = engine(), [job_of(RUN), job_of(OTHERS[0])]
    for job in jobs:
        slurm.start(job)
    slurm.submit()
    cluster.queue("RUNNING", "PENDING")
    lines = in_process("status", "digits.toml").stdout.splitlines()
    assert [line.split("missing")[-1].strip() for line in lines if "SLURM" in line] == [
        "running in SLURM, job 12_0",
        "queued in SLURM, job 12_1",
    ]


def test_cleaning_leaves_what_was_submitted(cluster):
    slurm = engine()
    slurm.start(job_of())
    slurm.submit()
    assert SUBMITTED == FOLDER
    found = leftovers(Store().root, Store().root, Store().root, [SUITE], unplanned=True)
    assert [leftover for leftover in found if FOLDER in str(leftover.path)] == []


def test_watch_follows_to_the_end_with_the_exit_codes_of_run(cluster, tmp_path):
    (tmp_path / "digits.toml").write_text(SUITE.path.read_text("utf-8"))
    assert in_process("watch", "digits.toml").stdout.startswith("nothing to watch")
    slurm, jobs = engine(), [job_of(RUN), job_of(OTHERS[0])]
    for job in jobs:
        slurm.start(job)
    slurm.submit()
    say(jobs[0], "done")
    say(jobs[1], "failed", error="the loss is not finite")
    done = in_process("watch", "digits.toml")
    assert done.returncode == 1 and "2 runs submitted" in done.stdout and "digits/LIF seed 0: done" in done.stdout
    assert done.stderr == "failed: CLIF seed 0: the loss is not finite\n"
    put(Store(), OTHERS[0])  # by a local command meanwhile
    assert in_process("watch", "digits.toml").returncode == 0


def test_an_engine_that_ends_with_its_command_submits_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = in_process("run", SUITE.path.absolute(), "--submit-only", "--only", "LIF")
    assert done.returncode == 2 and "it is for --on slurm[:FILE]" in done.stderr


def test_a_job_is_carried_whole(cluster):
    slurm, job = engine(), job_of()
    slurm.start(job)
    slurm.submit()
    [submission] = submissions(Store().root / SUITE.name)
    [line] = (submission.path / "jobs.jsonl").read_text().splitlines()
    assert Job.model_validate(json.loads(line)) == job and not os.environ.get("SPIKEBENCH_TRUST")
