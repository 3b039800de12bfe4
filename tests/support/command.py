"""The command as a user types it, in a process of its own or in this one."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from typing import NamedTuple
from unittest import mock

from bench.commands.app import main
from support import ROOT


class Done(NamedTuple):
    """What a command that has ended leaves."""

    returncode: int
    stdout: str
    stderr: str


def start(*arguments, cwd=ROOT, memory_bytes=None, stdout=subprocess.PIPE, **variables):
    """Start a command; `variables` are of its environment, which has none of this package's own otherwise."""
    limit = [] if memory_bytes is None else ["prlimit", f"--as={memory_bytes}"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPIKEBENCH_")}
    return subprocess.Popen(
        [*limit, sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=cwd,
        env=inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "160"} | variables,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts():
    """Hear Ctrl-C even where the tests do not, as under nohup or in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def spikebench(*arguments, **settings):
    """Run a command to its end, whatever that is, so long as it is no traceback."""
    process = start(*arguments, **settings)
    try:
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
    assert "Traceback" not in stderr, stderr
    return Done(process.returncode, stdout, stderr)


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
