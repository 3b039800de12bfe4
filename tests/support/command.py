"""The command as a user types it, in a process of its own or in this one."""

import atexit
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from bench.commands.app import main
from support import ROOT

TIMEOUT_S = 300


class Done(NamedTuple):
    """What a command that has ended leaves."""

    returncode: int
    stdout: str
    stderr: str


def start(*arguments, cwd=ROOT, memory_bytes=None, stdout=subprocess.PIPE, **variables):
    """Start a command; `variables` are of its environment, which has none of this package's own otherwise."""
    limit = [] if memory_bytes is None else ["prlimit", f"--as={memory_bytes}"]
    return subprocess.Popen(
        [*limit, sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=cwd,
        env=_environment() | variables,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )


def _environment():
    none_of_these = ("SPIKEBENCH_", "PYTEST_")  # the second: what differs from test to test
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(none_of_these)}
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}


def _hear_interrupts():
    """Hear Ctrl-C even where the tests do not, as under nohup or in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def spikebench(*words, cwd=ROOT, memory_bytes=None, **variables):
    """Run a command to its end, whatever that is, so long as it is no traceback.

    It is forked by a process that has imported the command in the same environment, which saves seconds of each test.
    """
    if memory_bytes is None:
        done = _forked(*map(str, words), cwd=cwd, environment=_environment() | variables)
    else:
        done = afresh(*words, cwd=cwd, memory_bytes=memory_bytes, **variables)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def afresh(*words, **settings):
    """Run a command to its end in a process of its own, with all that its start takes."""
    process = start(*words, **settings)
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    return Done(process.returncode, stdout, stderr)


def _forked(*words, cwd, environment):
    warm, said = _warm(tuple(sorted(environment.items())))
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        for stream in streams:
            stream.touch()
        request = [[os.fsencode(word).hex() for word in each] for each in (words, [cwd], streams)]
        try:
            warm.send(json.dumps(request).encode())
            returncode = warm.recv(64)
        except TimeoutError:  # it is still at it, and would answer the next one with this one's end
            while _WARM:
                _forget(next(iter(_WARM)))
            raise
        assert returncode, f"the process that forks commands has ended: {said.seek(0)} {said.read()}"
        return Done(int(returncode), *(stream.read_text() for stream in streams))


_WARM = {}  # by environment: the socket of a process that forks commands, and what that says
_STARTED = []  # and never waited for: each ends when nobody listens
MOST_WARM = 2  # at once, for the memory they take


def _warm(environment):
    """Return the socket of a process that forks commands, and what it says; it ends when it is forgotten."""
    if environment not in _WARM:
        if len(_WARM) == MOST_WARM:
            _forget(next(iter(_WARM)))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, Path(__file__).with_name("warm.py"), str(theirs.fileno())]
        said = tempfile.TemporaryFile("w+")
        # No terminal, which libraries would see.
        streams = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
        _STARTED.append(subprocess.Popen(command, env=dict(environment), pass_fds=[theirs.fileno()], **streams))
        theirs.close()
        ours.settimeout(TIMEOUT_S)
        _WARM[environment] = ours, said
    _WARM[environment] = _WARM.pop(environment)  # the latest is the last
    return _WARM[environment]


def _forget(environment):
    for each in _WARM.pop(environment):
        each.close()


@atexit.register
def _forget_all():
    while _WARM:
        _forget(next(iter(_WARM)))


def in_process(*arguments, encoding="utf-8"):
    """Run a command to its end in this process: fast, for verbs that only look; its streams have this encoding."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    code = 0
    with (
        mock.patch.object(sys, "argv", ["spikebench", *map(str, arguments)]),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    for stream in streams:
        stream.flush()
    return Done(code or 0, *(stream.buffer.getvalue().decode(encoding) for stream in streams))
