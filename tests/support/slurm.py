"""A real SLURM on loopback, as child processes in a folder of its own: no service, nothing outside the folder."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=1,preempt_send_user_signal
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=20
MinJobAge=300
OverTimeLimit=0
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=30
NodeName={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
UP_WITHIN_S = 60.0


def why_not():
    """Say why no SLURM can be started here; empty where one can."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=PATH) is None]
    if missing:
        return f"needs {', '.join(missing)}: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "needs to be root, as slurmd does"


PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@contextlib.contextmanager
def slurm(cpus=4):
    """Yield the environment in which the commands talk to a SLURM of one node with some CPUs."""
    with tempfile.TemporaryDirectory(prefix="slurm") as name, contextlib.ExitStack() as stack:  # short, for sockets
        folder, host = Path(name), socket.gethostname().partition(".")[0]
        folder.chmod(0o755)
        for each in ("state", "spool"):
            (folder / each).mkdir()
        ports = {"port": _free_port(), "node_port": _free_port()}
        (folder / "slurm.conf").write_text(CONF.format(folder=folder, host=host, cpus=cpus, **ports))
        environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        log = stack.enter_context((folder / "start.log").open("w+"))
        daemons = []
        stack.callback(_end, daemons)

        def start(*command):
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            daemons.append(subprocess.Popen(command, env=environment, **streams))

        try:
            _start_munge(folder, start)
            start("slurmctld", "-D", "-f", folder / "slurm.conf")
            start("slurmd", "-D", "-f", folder / "slurm.conf", "-N", host)
            _await(lambda: set(_said(environment, "sinfo", "-h", "-o", "%t").split()) == {"idle"})
        except AssertionError:
            raise AssertionError((folder / "start.log").read_text()) from None
        assert listening_elsewhere(daemons) == []
        stack.callback(_await, lambda: not _said(environment, "squeue", "-h"))
        stack.callback(_said, environment, "scancel", "--user=root")
        yield environment


def _start_munge(folder, start):
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    files = {"key": "key", "pid": "pid", "seed": "seed", "log": "log"}
    options = [f"--{what}-file={folder}/munge.{ending}" for what, ending in files.items()]
    start("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", "--num-threads=1", *options)
    _await((folder / "munge.socket").exists)


def _said(environment, *command):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout


def _await(condition):
    deadline = time.monotonic() + UP_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end(daemons):
    for daemon in reversed(daemons):
        daemon.terminate()
    for daemon in reversed(daemons):
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def listening_elsewhere(daemons):
    """The addresses, as /proc has them, at which these processes listen and that are not on loopback."""
    inodes = set()
    for daemon in daemons:
        for link in Path(f"/proc/{daemon.pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            is_open = words[3] == "0A" or (table.startswith("udp") and words[3] == "07")
            if words[9] in inodes and is_open and not words[1].startswith("0100007F:"):
                found.append(words[1])
    return found
