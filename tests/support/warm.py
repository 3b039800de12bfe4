"""The process that has the command imported and forks each one that the tests ask for: `python warm.py SOCKET`.

A command of a test would import torch for seconds to run for less than one. What was forked here has its own folder,
environment and streams; it differs from `python -m bench` in what is imported already, and ends as a forked worker
does. Who needs the rest as it is (signals, limits of memory, libraries that read the environment when they are
imported) starts a process afresh: `support.command.start`.
"""

import atexit
import gc
import json
import os
import signal
import socket
import sys

from bench.execute.forkserver import End


def main():
    """Serve until nobody listens; in a command that was forked, run it to its end."""
    end = End()
    atexit.register(end)
    requests = socket.socket(fileno=int(sys.argv[1]))
    import bench.models.build
    import bench.report.write
    import bench.suite.load  # noqa: F401
    from bench.commands.app import main as command

    gc.collect()
    gc.freeze()  # what is shared is not written to by a collection
    while packet := requests.recv(2**20):
        request = json.loads(packet)
        pid = os.fork()
        if not pid:
            requests.close()
            become(request)
            try:
                command()
            except SystemExit as asked:
                end.code = asked.code or 0
            return
        requests.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    end.code = 0


def become(request):
    """Take on the folder, the environment, the streams and the words of a command."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for descriptor, path in enumerate((os.devnull, *request["streams"])):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, descriptor)
        os.close(file)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
    sys.path[0] = request["cwd"]  # as `python -m` has it
    sys.argv = ["spikebench", *request["words"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main()
