"""The process that has the command imported and forks each one that the tests ask for: `python warm.py SOCKET`.

A command of a test would import torch for seconds, in two processes, to run for less than one. What was forked here has
its own folder and streams, and the environment of this process; it differs from `python -m bench` in what is imported
already, and ends as a forked worker does. So does the process that forks its workers, where libraries would read the
same in its environment. Who needs a start as users have it calls `support.command.afresh` or `start`.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys

from bench.execute import forks, forkserver
from bench.processor import LIMITS

READ_AT_IMPORT = ("OMP_NUM_THREADS", "PYTHONPATH", *LIMITS)
PACKET_BYTES = 2**20


class Server:
    """The process that forks workers, forked in its turn: as much of `subprocess.Popen` as is asked of it."""

    def __init__(self, words, *, stdin, stdout, stderr, env, pass_fds, start_new_session):
        assert words[1:3] == ["-m", forkserver.__name__] and stdin == subprocess.DEVNULL and start_new_session
        [requests] = pass_fds
        answer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answer, theirs, open(os.devnull) as nothing:
            files = [nothing.fileno(), stdout.fileno(), stderr.fileno(), requests, theirs.fileno()]
            socket.send_fds(ASKED, [json.dumps([os.getcwd(), env]).encode()], files)
            self._pid = int(answer.recv(64))
        self._ended = os.pidfd_open(self._pid)

    def wait(self, timeout=None):
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(forkserver.__name__, timeout)

    def kill(self):
        """End it by force, if it has not ended."""
        if not select.select([self._ended], [], [], 0.0)[0]:
            signal.pidfd_send_signal(self._ended, signal.SIGKILL)


def popen(words, **settings):
    """Fork the process that forks workers where that makes no difference, and start it where it does."""
    equal = all(os.environ.get(name) == settings["env"].get(name) for name in READ_AT_IMPORT)
    return (Server if equal else subprocess.Popen)(words, **settings)


def main():
    """Serve until nobody listens; in what was forked, do what was asked, which ends in SystemExit."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    import bench.models.build
    import bench.report.write
    import bench.suite.load  # noqa: F401
    from bench.commands.app import main as command

    gc.collect()
    gc.freeze()  # what is shared is not written to by a collection
    while packet := requests.recv(PACKET_BYTES):
        words, [folder], streams = [[text_of(word) for word in each] for each in json.loads(packet)]
        if not (pid := os.fork()):
            requests.close()
            become(words, folder, streams)
            command()
        requests.send(b"%d" % serve(pid, requests))


def serve(pid, requests):
    """Fork servers for a command until it ends, and return its exit code."""
    ended, servers = os.pidfd_open(pid), []
    while True:
        ready = select.select([ended, ASKS], [], [])[0]
        if ASKS in ready:
            packet, files, _, _ = socket.recv_fds(ASKS, PACKET_BYTES, 5)
            forkserver.import_all()
            gc.freeze()
            if not (server := os.fork()):
                requests.close()
                be_a_server(*json.loads(packet), *files)
            servers.append(server)
            socket.socket(fileno=files.pop()).send(b"%d" % server)
            for file in files:
                os.close(file)
        elif ended in ready:
            os.close(ended)
            for server in servers:
                os.waitpid(server, 0)  # it ends when the command has
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def be_a_server(folder, environment, stdin, stdout, stderr, requests, answer):
    """Be the process that forks workers, and end as it does."""
    os.setsid()
    os.close(answer)
    os.chdir(folder)
    for descriptor, file in enumerate((stdin, stdout, stderr)):
        os.dup2(file, descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = [forkserver.__file__, str(requests)]
    sys.exit(forkserver.main())


def text_of(word):
    """Return a word as this process, whatever its encoding, would have it from its command line."""
    return os.fsdecode(bytes.fromhex(word))


def become(words, folder, streams):
    """Take on the words, the folder and the streams of a command."""
    os.chdir(folder)
    for descriptor, path in enumerate((os.devnull, *streams)):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, descriptor)
        os.close(file)
    sys.path[0] = folder  # as `python -m` has it
    sys.argv = ["spikebench", *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    forks.subprocess = type("subprocess", (), {**vars(subprocess), "Popen": staticmethod(popen)})


if __name__ == "__main__":
    end = forkserver.End()
    atexit.register(end)
    ASKED, ASKS = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        main()
        end.code = 0
    except SystemExit as asked:
        end.code = asked.code or 0
