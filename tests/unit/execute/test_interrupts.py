"""Signals that ask a command to end."""

import subprocess
import sys


def test_a_second_sigterm_is_not_heard():
    code = (
        "import os, signal; from bench.execute.interrupts import *; terminate_like_interrupt()\n"
        "try:\n os.kill(os.getpid(), signal.SIGTERM)\n"
        "except Terminated:\n os.kill(os.getpid(), signal.SIGTERM); print('once')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr


def test_a_ctrl_c_that_the_process_ignores_is_ignored_where_it_would_wait_too():
    code = (
        "import os, signal; from bench.execute.interrupts import *; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with interrupts_deferred():\n os.kill(os.getpid(), signal.SIGINT)\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN; print('went on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
