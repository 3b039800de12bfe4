"""Processes of this machine by a variable of their environment, and the addresses that they listen at."""

import ipaddress
import os
import re
import time
from pathlib import Path


def processes(name, value):
    """The processes in whose environment the variable `name` is `value`: pid -> command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{name}={value}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or is another user's
            continue
    return {pid: words for pid, words in found.items() if words}  # a zombie has none


def wait_until(true, what, timeout_s=120.0):
    """Return what `true()` returns once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)
    return found


def listened(pids):
    """The addresses at which these processes listen for TCP."""
    sockets = set()
    for pid in pids:
        try:
            for file in Path(f"/proc/{pid}/fd").iterdir():
                sockets |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(file)))
        except OSError:
            continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                found.add(_address(words[1].partition(":")[0]))
    return found


def _address(digits):
    """An address as the kernel prints it: words of four bytes, each in this machine's order."""
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address)
