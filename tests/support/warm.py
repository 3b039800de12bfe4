"""The process that has the command imported and forks each one that the tests ask for: `python warm.py SOCKET`.

A command of a test would import torch for seconds to run for less than one. What was forked here has its own folder
and streams, and the environment of this process; it differs from `python -m bench` in what is imported already, and
ends as a forked worker does. Who needs a start as users have it calls `support.command.afresh` or `start`.
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
        words, [folder], streams = [[text_of(word) for word in each] for each in json.loads(packet)]
        pid = os.fork()
        if not pid:
            requests.close()
            become(words, folder, streams)
            try:
                command()
            except SystemExit as asked:
                end.code = asked.code or 0
            return
        requests.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    end.code = 0


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


if __name__ == "__main__":
    main()
