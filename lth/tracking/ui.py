"""Addresses in MLflow's UI, and the UI started for a store that no server has.

The plain address of the UI, and that of an experiment, open MLflow's pages for applications of language models,
where nothing of ours is; an address ends here with what lands on the runs.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import psutil
from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import Experiment

from lth.errors import InputError
from lth.setting.door import short_line
from lth.tracking.address import check_address, is_missing, opening, store_name
from lth.tracking.project.experiment import experiment_of

HOST, PORT = "127.0.0.1", 5000
_SECONDS_TO_START = 600.0  # on a machine that does much else
_SECONDS_TO_END = 10.0
_POLL_SECONDS = 0.2
_RUNS = "workflowType=machine_learning"


def is_served(uri: str) -> bool:
    """Say whether a store is behind a tracking server, which has the UI."""
    return uri.startswith(("http://", "https://"))


def server_address(port: int = PORT) -> str:
    """Return the address of the tracking server, else of the UI that is started on this machine.

    User and password are left out, which the browser asks for.
    """
    uri = get_tracking_uri()
    return re.sub(r"//[^/]*@", "//", uri).rstrip("/") if is_served(uri) else f"http://{HOST}:{port}"


def runs_address(experiment: Experiment, view: str | None = None, port: int = PORT) -> str:
    """Return the address that shows the runs of an experiment, as one of its views where it has that."""
    shown = f"&viewStateShareKey={view}" if view is not None and has_view(experiment, view) else ""
    return f"{server_address(port)}/#/experiments/{experiment.experiment_id}/runs?{_RUNS}{shown}"


def has_view(experiment: Experiment, view: str) -> bool:
    """Say whether an experiment has a view of this name; an address with one that it has not shows an error."""
    return view_tag(view) in experiment.tags


def view_tag(view: str) -> str:
    """Return the tag of an experiment under which the UI finds a view of its runs, as JSON."""
    return f"mlflow.sharedViewState.{view}"


def run_address(experiment_id: str, run_id: str, artifact: str | None = None) -> str:
    """Return the address of a run, or of one of its artifacts."""
    shown = "" if artifact is None else f"/artifacts/{quote(artifact)}"
    return f"{server_address()}/#/experiments/{experiment_id}/runs/{run_id}{shown}?{_RUNS}"


def experiment() -> Experiment:
    """Return the experiment that a command without parameters logs to.

    Raises:
        InputError: If there is no store, or it has no such experiment.
    """
    uri = get_tracking_uri()
    check_address(uri)
    if is_missing(uri):
        raise InputError(
            f"there is no tracking store {store_name()} yet; run `{short_line('study')}`, or set "
            "MLFLOW_TRACKING_URI"
        )
    with opening(uri):
        return experiment_of(MlflowClient(), None, creates=False)


@contextmanager
def served(port: int) -> Iterator[subprocess.Popen[bytes] | None]:
    """Have MLflow's UI for the present store, on this machine; None where a tracking server has it already.

    Args:
        port: Of this machine.

    Raises:
        InputError: If the port is taken, or the UI does not start.
    """
    uri = get_tracking_uri()
    if is_served(uri):
        yield None
        return
    _check_free(port)
    # One worker: with several, each request on a connection that is kept waits 40 ms longer.
    where = ["--host", HOST, "--port", str(port), "--workers", "1", "--backend-store-uri", uri]
    # In a session of its own, so that Ctrl-C reaches us alone, and all that it started can still be found.
    process = subprocess.Popen([sys.executable, "-m", "mlflow", "ui", *where], start_new_session=True)
    try:
        _wait(process, port)
        yield process
    finally:
        end_family(process)


def end_family(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; what does not end within some seconds is killed."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        family = [first, *first.children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    _, left = psutil.wait_procs(family, timeout=_SECONDS_TO_END)
    for member in left:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def _check_free(port: int) -> None:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} of this machine can't be used ({error.strerror}); another UI may have it: look "
                f"at {server_address(port)}, or name another port"
            ) from error


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the UI answers."""
    end = time.monotonic() + _SECONDS_TO_START
    while process.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"http://{HOST}:{port}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(_POLL_SECONDS)
    raise InputError(f"the UI did not start on port {port}; what it says is above")
