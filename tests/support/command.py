"""The command as a user types it, in a process of its own or in this one."""

import atexit
import contextlib
import functools
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
from bench.processor import LIMITS
from support import ROOT

TIMEOUT_S = 300
READ_AT_IMPORT = (
    "LANG",
    "LC_",
    "MKL_",
    "OMP_",
    "PYTHON",
    "TORCH",
    *LIMITS,
)  # how variables begin that have to be there


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
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPIKEBENCH_")}
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}


def _hear_interrupts():
    """Hear Ctrl-C even where the tests do not, as under nohup or in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def spikebench(*words, cwd=ROOT, **settings):
    """Run a command to its end, whatever that is, so long as it is no traceback; settings: as `start` has them.

    Without settings it is forked by a process that has imported the command already, which saves seconds of each test.
    """
    done = _fresh(*words, cwd=cwd, **settings) if settings else _forked(*map(str, words), cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _fresh(*words, **settings):
    process = start(*words, **settings)
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    return Done(process.returncode, stdout, stderr)


def _forked(*words, cwd):
    environment = _environment()
    warm = _warm(tuple(sorted(pair for pair in environment.items() if pair[0].startswith(READ_AT_IMPORT))))
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        for stream in streams:
            stream.touch()
        request = {"words": words, "cwd": str(cwd), "environment": environment, "streams": list(map(str, streams))}
        warm.send(json.dumps(request).encode())
        returncode = int(warm.recv(64))
        return Done(returncode, *(stream.read_text(encoding="utf-8") for stream in streams))


@functools.cache
def _warm(environment):
    """Return the socket of a process that forks commands; it ends with this one. One for each such environment."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("warm.py"), str(theirs.fileno())],
        env=os.environ | dict(environment),
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)  # before it waits
    ours.settimeout(TIMEOUT_S)
    return ours


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
