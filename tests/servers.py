"""A real `mlflow server`, and a real PostgreSQL, for tests to stop and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PATIENCE = 120.0  # seconds until a server that does not start fails its test
_POSTGRESQL = Path("/usr/lib/postgresql")  # where Debian has it, by version


def free_port() -> int:
    """Return a port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(
    ready: Callable[[], object],
    what: str,
    process: subprocess.Popen[str] | None = None,
    patience: float = _PATIENCE,
) -> None:
    """Ask until `ready()` is true."""
    began = time.monotonic()
    while not ready():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what} ended with status {process.returncode}")
        if time.monotonic() - began > patience:
            raise AssertionError(f"{what} was not there after {patience:.0f} s")
        time.sleep(0.05)


class MlflowServer:
    """`mlflow server` on this machine, which hands artifacts on.

    Args:
        directory: For artifacts, the log and, by default, the database.
        backend: URI of the database.
        artifacts: URI of where it hands artifacts on to.
    """

    def __init__(self, directory: Path, backend: str | None = None, artifacts: str | None = None) -> None:
        self._directory = directory
        self._artifacts = artifacts or str(directory / "artifacts")
        self._backend = backend or f"sqlite:///{directory}/server.db"
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """Of the process group, which `os.killpg` ends."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", self._backend]
        command += ["--artifacts-destination", self._artifacts]
        with (self._directory / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, text=True, start_new_session=True, cwd=self._directory
            )
        wait_until(self._answers, f"mlflow server (see {self._directory}/server.log)", self._process)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Kill it with all its workers, if it runs."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class PostgreSQL:
    """A cluster of its own, with one empty database."""

    def __init__(self) -> None:
        self._bin = max(_POSTGRESQL.glob("*/bin"))
        # Not where pytest has its files, which no other user may enter.
        self._directory = Path(tempfile.mkdtemp(prefix="lth-postgresql-"))
        self._data = self._directory / "cluster"
        self._port = free_port()
        self.uri = f"postgresql+psycopg2://lth@127.0.0.1:{self._port}/postgres"
        self._directory.chmod(0o755)
        self._data.mkdir()
        if os.getuid() == 0:
            shutil.chown(self._data, "postgres")
        self._run("initdb", "--auth=trust", "--username=lth", "--no-sync")

    @staticmethod
    def is_installed() -> bool:
        """Say whether Debian's packages are there."""
        return any(_POSTGRESQL.glob("*/bin/initdb"))

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "--log", str(self._data / "log"), "--options", options)

    def stop(self) -> None:
        """Stop it without waiting for those who use it."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate", check=False)

    def remove(self) -> None:
        """Stop it and delete all of it."""
        self.stop()
        shutil.rmtree(self._directory)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self._bin / program), "--pgdata", str(self._data), *arguments]
        if os.getuid() == 0:  # which PostgreSQL refuses
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
