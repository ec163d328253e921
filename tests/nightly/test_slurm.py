"""A study as an array of a real Slurm: nodes share it; it goes on when time was up or another job was first."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import wait_until
from slurm_cluster import SlurmCluster
from tiny_problem import OPTIONS

from lth.tracking.process import PID
from lth.tracking.store import KEY, Store

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        not SlurmCluster.is_installed(),
        reason="needs Debian's slurmctld, slurmd, slurm-client and munge",
    ),
]

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 1200.0  # seconds: Slurm waits two minutes with what is queued again
LONG = ("--epochs=20000", "--milestones=none", "--keep_every=0", "--trajectory=none")


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmCluster]:
    cluster = SlurmCluster()
    cluster.start()
    yield cluster
    cluster.stop()


def submitted(slurm: SlurmCluster, *options: str, study: tuple[str, ...] = (), elements: str = "0") -> str:
    """Submit a study by the script that the page names, and return the job's number."""
    script = str(ROOT / "studies" / "slurm.sbatch")
    command = [
        "--parsable",
        f"--array={elements}",
        *options,
        script,
        *OPTIONS,
        "--levels=1",
        "--workers=1",
        *study,
    ]
    given = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "OMP_NUM_THREADS": "1",
    }
    return slurm.ask("sbatch", *command, given=given)


def said(job: str, element: int = 0) -> str:
    """Return what an element of a job has said, in all of its lives."""
    log = Path(f"lth-slurm-{job}_{element}.log")
    return log.read_text() if log.exists() else ""


def queued_again(slurm: SlurmCluster, job: str) -> bool:
    return slurm.state(job) == "PENDING" and "progress of this one are kept" in said(job)


def assert_goes_on(slurm: SlurmCluster, job: str) -> None:
    """See that a job that Slurm has queued again, for in two minutes, goes on where it was."""
    wait_until(lambda: "going on after step" in said(job), "the rest of the training", patience=PATIENCE)
    slurm.ask("scancel", job)  # for good
    wait_until(lambda: slurm.state(job) == "CANCELLED", "the end of the job", patience=PATIENCE)
    (dense,) = Store().search("tags.kind = 'imp'")
    assert dense.info.status == "KILLED"


def test_the_elements_of_an_array_share_a_study_and_do_nothing_twice(slurm, tracking):
    job = submitted(slurm, elements="0-1")
    wait_until(lambda: slurm.state(job) == "COMPLETED\nCOMPLETED", "the study", patience=PATIENCE)
    runs = Store().search("")
    keys = [run.data.tags[KEY] for run in runs if KEY in run.data.tags]
    assert keys
    assert len(keys) == len(set(keys))
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len({run.data.tags[PID] for run in runs if "level" in run.data.tags}) == 2, "both did something"


def test_an_element_whose_time_is_up_keeps_its_progress_and_goes_on(slurm, tracking):
    job = submitted(slurm, study=LONG)
    wait_until(lambda: "training dense" in said(job), "the training", patience=PATIENCE)
    slurm.ask("scontrol", "update", f"JobId={job}_0", "TimeLimit=2")
    wait_until(lambda: queued_again(slurm, job), "the end of its time", patience=PATIENCE)
    slurm.ask("scontrol", "update", f"JobId={job}_0", "TimeLimit=30")
    assert_goes_on(slurm, job)


def test_an_element_that_is_preempted_keeps_its_progress_and_goes_on(slurm, tracking):
    job = submitted(slurm, study=LONG)
    wait_until(lambda: "training dense" in said(job), "the training", patience=PATIENCE)
    others = slurm.ask("sbatch", "--parsable", "--partition=high", "--array=0-1", "--wrap=sleep 1200")
    wait_until(lambda: queued_again(slurm, job), "its way made", patience=PATIENCE)
    slurm.ask("scancel", others)
    assert_goes_on(slurm, job)
