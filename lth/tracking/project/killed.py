"""Marking a run KILLED or FINISHED that `mlflow run` would leave FAILED.

MLflow 3.17 marks the run it launched FAILED whenever the command's exit status is not zero, even if the command
has given it a status (`RunStatus.is_terminated` compares a name with numbers). So the last word is left to a
process that outlives `mlflow run` by a moment.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
from mlflow import MlflowClient

from lth.tracking.process import is_alive
from lth.tracking.project.experiment import launched_run_id
from lth.tracking.store import is_for_us

_PATIENCE = 60.0  # seconds for `mlflow run` to end


def keep_launched_run() -> None:
    """Let the run that MLFLOW_RUN_ID names stay FINISHED if it is: a later step that fails takes nothing of it.

    Call it last.
    """
    run_id = launched_run_id()
    if run_id is not None and MlflowClient().get_run(run_id).info.status == "FINISHED":
        _leave_last_word(run_id, "FINISHED")


def mark_launched_run() -> None:
    """Let the run that `mlflow run` created for this process end as KILLED, or FINISHED if it is that already.

    Call it last.
    """
    run_id = launched_run_id()
    if run_id is None:
        return
    run = MlflowClient().get_run(run_id)
    if run.info.status in ("FINISHED", "KILLED"):
        _leave_last_word(run_id, run.info.status)
    elif is_for_us(run):
        _leave_last_word(run_id, "KILLED")


def _leave_last_word(run_id: str, status: str) -> None:
    launcher = next(filter(_is_mlflow, psutil.Process().parents()), psutil.Process().parent())
    number = str(launcher.pid) if launcher is not None else "0"
    command = [sys.executable, "-m", "lth.tracking.project.killed", run_id, number, status]
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen(command, start_new_session=True, **quiet)  # type: ignore[call-overload]


def _is_mlflow(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any("mlflow" in Path(word).name for word in process.cmdline()[:3])
    return False


def _main(run_id: str, launcher: int, status: str) -> None:
    with suppress(psutil.Error):
        process = psutil.Process(launcher)
        if _is_mlflow(process):
            process.wait(_PATIENCE)
    client = MlflowClient()
    run = client.get_run(run_id)
    if is_alive(run.data.tags) is False:
        run = client.get_run(run_id)  # before it ended it may have finished what was read a moment ago
    left_running = run.info.status == "RUNNING" and is_alive(run.data.tags) is False
    if run.info.status == "FAILED" or left_running:  # else it was taken over already
        client.set_terminated(run_id, status)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
