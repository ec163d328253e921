"""The jobs that docs/workers.md submits by submitit, which runs them here where there is no Slurm."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from tiny_problem import OPTIONS

from lth.tracking.store import Store

pytest.importorskip("submitit")

pytestmark = pytest.mark.nightly

ROOT = Path(__file__).parent.parent.parent
GIVEN, JOBS = '"--seeds=0,1,2", "--workers=4"', "range(8)"  # as the page has them
# What a person would do next: wait for the jobs.
WAITED_FOR = """
for job in jobs:
    print(job.job_id, flush=True)
print([job.result() for job in jobs], flush=True)
"""


def submitted(*options: str, jobs: int) -> subprocess.Popen[str]:
    """Run the block of the page with smaller jobs."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "workers.md").read_text(), re.DOTALL)
    assert GIVEN in block
    assert JOBS in block
    block = block.replace(GIVEN, ", ".join(map(repr, (*OPTIONS, *options)))).replace(JOBS, f"range({jobs})")
    Path("block.py").write_text(block + WAITED_FOR)
    return subprocess.Popen(
        [sys.executable, "block.py"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_jobs_of_submitit_share_a_study(tracking):
    said, _ = submitted("--levels=1", jobs=2).communicate(timeout=600)
    assert said.splitlines()[2:] == ["[0, 0]"]
    runs = [run for run in Store().search("") if "level" in run.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len({run.data.tags["mlflow.lth.pid"] for run in runs}) == 2, "both did something"
    keys = [run.data.tags["lth.key"] for run in runs]
    assert len(keys) == len(set(keys))


def test_a_job_of_submitit_that_is_preempted_keeps_its_progress_and_goes_on(tracking):
    working = submitted("--levels=1", "--epochs=2000", "--milestones=none", "--keep_every=0", jobs=1)
    job = int(working.stdout.readline())
    while not any(kept(run.info.run_id) for run in Store().search("tags.kind = 'imp'")):
        assert working.poll() is None
    (process,) = psutil.Process(job).children()
    process.send_signal(signal.SIGUSR2)  # as Slurm does
    said, _ = working.communicate(timeout=600)
    assert said == "[0]\n"
    (output,) = Path("lth-slurm").glob(f"{job}_0_log.out")
    assert "going on after step" in output.read_text()


def kept(run_id: str) -> bool:
    return bool(MlflowClient().list_artifacts(run_id, "progress"))
