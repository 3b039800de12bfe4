"""SLURM's own commands, run and read: sbatch, squeue, scancel, scontrol. None needs its accounting."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Sequence

from bench.errors import SlurmError

NEEDED = ("sbatch", "squeue", "scancel")
PATIENCE_S = 60.0  # with a controller that is busy
CANCEL_PATIENCE_S = 10.0
ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
}
GONE = "GONE"  # SLURM forgets a job minutes after its end


def check_commands() -> None:
    """Raise SlurmError where a command is missing."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise SlurmError(f"--on slurm: no {missing[0]} here; use a machine from which your cluster takes jobs")


def submit(script: str, words: Sequence[str]) -> str:
    """Submit a script and return the number of its job. Raises SlurmError, with sbatch's words, where it is refused."""
    done = _run(["sbatch", "--parsable", *words], script)
    number = done.stdout.strip().partition(";")[0]  # behind it the cluster's name
    if done.returncode or not number.isdigit():
        raise SlurmError(f"--on slurm: {_words(done)}")
    return number


def states(numbers: Iterable[str]) -> dict[str, str] | None:
    """Return the states of these jobs and of the tasks of arrays among them; None where SLURM does not answer."""
    asked = sorted(set(numbers))
    if not asked:
        return {}
    try:
        done = _run(["squeue", "-h", "-t", "all", "-r", "-o", "%i %T", "-j", ",".join(asked)])
    except SlurmError:
        return None
    if done.returncode:
        return {} if "Invalid job id" in done.stderr else None
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def cancel(numbers: Sequence[str], *options: str) -> None:
    """Cancel or signal jobs; nothing is said of those that have ended, or that are about to begin or to end."""
    if numbers:
        with contextlib.suppress(SlurmError):  # it goes on trying while a job is between two states
            _run(["scancel", "--quiet", *options, *numbers], patience_s=CANCEL_PATIENCE_S)


def requeue(number: str) -> str:
    """Queue a job again, which ends it; return what is wrong where that is refused."""
    try:
        done = _run(["scontrol", "requeue", number])
    except SlurmError as error:
        return str(error)
    return "" if done.returncode in (0, -15) else _words(done)  # the end of a job may reach the command too


def _run(command: list[str], given: str = "", patience_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience_s,
            start_new_session=True,  # a Ctrl-C must not end it halfway
            check=False,
        )
    except FileNotFoundError:
        raise SlurmError(f"--on slurm: no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]}: no answer from SLURM in {patience_s:.0f} s; try again later") from None


def _words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(lines) or f"{done.args[0]} ended with exit code {done.returncode} and no message"
