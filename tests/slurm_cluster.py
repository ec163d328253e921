"""A real Slurm of two nodes, which are both this machine, with preemption between its two partitions."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from servers import free_port, wait_until

_PROGRAMS = ("munged", "slurmctld", "slurmd")  # from Debian's munge, slurmctld and slurmd, begun in this order
_NODES = ("a", "b")
_CONFIGURATION = """
ClusterName=lth
SlurmctldHost={host}
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/slurmd_%n.pid
SlurmdLogFile={folder}/slurmd_%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=120
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=ALL PriorityTier=2 PreemptMode=OFF
"""


class SlurmCluster:
    """Two nodes of one processor each. A job in partition `low` makes way for `high`, and is queued again."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lth-slurm-"))  # short: a socket's path has 107 characters
        for name in ("state", *_NODES):
            (self._folder / name).mkdir()
        self._key = self._folder / "munge.key"
        self._key.touch(0o600)
        self._key.write_bytes(os.urandom(1024))
        host = socket.gethostname().split(".")[0]
        nodes = [f"NodeName={node} NodeHostname={host} Port={free_port()} CPUs=1\n" for node in _NODES]
        user = Path("/proc/self").owner()
        lines = _CONFIGURATION.format(folder=self._folder, host=host, port=free_port(), user=user)
        self._configuration = self._folder / "slurm.conf"
        self._configuration.write_text(lines + "".join(nodes))

    @staticmethod
    def is_installed() -> bool:
        """Say whether Debian's packages are there."""
        return all(shutil.which(program, path=_path()) for program in (*_PROGRAMS, "sbatch"))

    def start(self) -> None:
        """Start it, and return when both nodes are idle."""
        of_munge = {
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "seed",
        }
        files = [f"--{option}={self._folder / name}" for option, name in of_munge.items()]
        self._begin("munged", "--force", f"--key-file={self._key}", *files)
        self._begin("slurmctld")
        for node in _NODES:
            self._begin("slurmd", "-N", node)
        wait_until(lambda: self.ask("sinfo", "-h", "-p", "low", "-o", "%t") == "idle", "Slurm")

    def stop(self) -> None:
        """End it with all its jobs, and delete all of it."""
        with suppress(subprocess.CalledProcessError):
            self.ask("scancel", "--user", Path("/proc/self").owner(), "--signal=KILL", "--full")
        for file in self._folder.glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(file.read_text()), 15)
        wait_until(lambda: not [*self._folder.glob("slurm*.pid")], "the end of Slurm")
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, program: str, *arguments: str, given: Mapping[str, str] | None = None) -> str:
        """Run one of Slurm's commands, and return what it said."""
        command = [program, *arguments]
        return subprocess.check_output(command, env={**self._environment, **(given or {})}, text=True).strip()

    def state(self, job: str) -> str:
        """Say in Slurm's words how a job is: PENDING, RUNNING, COMPLETING, … or what it came to."""
        return self.ask("squeue", "-h", "-j", job, "-t", "all", "-o", "%T")

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": _path(), "SLURM_CONF": str(self._configuration)}

    def _begin(self, daemon: str, *arguments: str) -> None:
        """Start a daemon, which goes into the background when it is ready."""
        quiet = subprocess.DEVNULL
        subprocess.run([daemon, *arguments], check=True, env=self._environment, stdout=quiet, stderr=quiet)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"
