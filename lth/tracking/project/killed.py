"""Marking a run KILLED that `mlflow run` would leave FAILED.

MLflow 3.17 marks the run it launched FAILED whenever the command's exit status is not zero, even if the command
has given it a status (`RunStatus.is_terminated` compares a name with numbers). So the last word is left to a
process that outlives `mlflow run` by a moment.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import psutil
from mlflow import MlflowClient

from lth.tracking.process import is_alive
from lth.tracking.project.experiment import launched_run_id

_PATIENCE = 60.0  # seconds for `mlflow run` to end


def mark_launched_run() -> None:
    """Let the run that `mlflow run` created for this process end as KILLED, or FINISHED if it is that already.

    Call it last.
    """
    run_id, launcher = launched_run_id(), psutil.Process().ppid()
    if run_id is not None:
        status = "FINISHED" if MlflowClient().get_run(run_id).info.status == "FINISHED" else "KILLED"
        command = [sys.executable, "-m", "lth.tracking.project.killed", run_id, str(launcher), status]
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.Popen(command, start_new_session=True, **quiet)  # type: ignore[call-overload]


def _main(run_id: str, launcher: int, status: str) -> None:
    with suppress(psutil.Error):
        process = psutil.Process(launcher)
        if any("mlflow" in word for word in process.cmdline()):
            process.wait(_PATIENCE)
    client = MlflowClient()
    run = client.get_run(run_id)
    if run.info.status == "FAILED" or is_alive(run.data.tags) is False:  # else it was taken over already
        client.set_terminated(run_id, status)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
