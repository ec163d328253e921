"""The batch script for Slurm, with stand-ins for `python` and `scontrol`."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "studies" / "slurm.sbatch"
# Ends as a command does: by itself, or by the signal, after it has kept its progress.
PYTHON = """#!/bin/sh
echo "$@" > asked
[ "$ENDS" = by_itself ] && exit "$STATUS"
trap 'echo kept > progress; exit 130' USR1 TERM
echo ready
while :; do sleep 0.05; done
"""


@pytest.fixture
def slurm(tmp_path):
    """Return how the script is begun, in a folder with the stand-ins."""
    for name, program in {"python": PYTHON, "scontrol": '#!/bin/sh\necho "$@" > requeued\n'}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(program)
        path.chmod(0o755)
    given = {
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "8",
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
    }

    def begin(**variables: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **given, **variables}
        return subprocess.Popen(
            ["bash", SCRIPT, "--seeds=0,1"], env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )

    return begin


def ended_by(batch: subprocess.Popen[str], number: signal.Signals) -> int:
    assert batch.stdout.readline() == "ready\n"
    batch.send_signal(number)
    batch.communicate(timeout=60)
    return batch.returncode


@pytest.mark.parametrize(
    ("array", "job"), [({}, "8"), ({"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}, "7_3")]
)
def test_a_job_whose_time_is_up_keeps_its_progress_and_is_queued_again(slurm, tmp_path, array, job):
    ended_by(slurm(**array), signal.SIGUSR1)
    assert (tmp_path / "progress").read_text() == "kept\n"
    assert (tmp_path / "requeued").read_text() == f"requeue {job}\n"
    assert (tmp_path / "asked").read_text() == "-m entrypoints.study --seeds=0,1\n"


def test_a_job_that_is_cancelled_or_preempted_keeps_its_progress_and_leaves_it_to_slurm_to_queue_it(
    slurm, tmp_path
):
    assert ended_by(slurm(), signal.SIGTERM) == 130
    assert (tmp_path / "progress").read_text() == "kept\n"
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_job_that_ends_by_itself_is_not_queued_again_and_ends_with_its_status(slurm, tmp_path, status):
    batch = slurm(ENDS="by_itself", STATUS=str(status))
    batch.communicate(timeout=60)
    assert batch.returncode == status
    assert not (tmp_path / "requeued").exists()
