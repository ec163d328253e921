"""The commands against a real `mlflow server` with PostgreSQL, as a lab has it."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bad_input import EARLY, LATE, BadInput
from mlflow import MlflowClient
from servers import MlflowServer, PostgreSQL
from tiny_problem import OPTIONS

from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not PostgreSQL.is_installed(), reason="needs Debian's package postgresql"),
]


@pytest.fixture
def database() -> Iterator[PostgreSQL]:
    database = PostgreSQL()
    database.start()
    yield database
    database.remove()


@pytest.fixture
def server(tmp_path, monkeypatch, database) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path, database.uri)
    server.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.stop()


def begin(command: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"entrypoints.{command}", *OPTIONS, *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def refusal(numbered: tuple[int, BadInput]) -> str | None:
    """Run a wrong command line, and return what is not as it should be."""
    number, case = numbered
    folder = Path(f"data-{number}").absolute()
    folder.mkdir()
    process = begin(case.command, *case.line(folder))
    said, _ = process.communicate()
    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    expected = 1 if case in LATE else 2
    if process.returncode != expected or len(lines) != 1 or case.said not in lines[0]:
        return f"{case}: status {process.returncode}\n{said}"
    return None


def test_every_wrong_input_is_refused_by_the_real_commands(server):
    with ThreadPoolExecutor(2) as pool:
        wrong = [said for said in pool.map(refusal, enumerate([*EARLY, *LATE])) if said is not None]
    assert wrong == []
    assert Store().search("tags.kind = 'imp'") == []
    assert Store().search("attributes.status = 'RUNNING'") == []


def test_a_study_is_completed_and_found_again(server):
    said, _ = (process := begin("study")).communicate()
    assert process.returncode == 0, said
    said, _ = (process := begin("study")).communicate()
    assert process.returncode == 0, said
    assert "nothing to compute" in said
    assert not any(line.startswith(("training ", "measuring ")) for line in said.splitlines())
    assert {run.info.status for run in Store().search("")} == {"FINISHED"}


def told(process: subprocess.Popen[str], until: str) -> str:
    """Return what a process says up to a line that holds a text."""
    said = ""
    for line in process.stdout:
        said += line
        if until in line:
            return said
    raise AssertionError(f"it never said {until!r}:\n{said}")


def test_a_database_that_stops_under_the_server_is_waited_for(server, database):
    process = begin("imp_level", "--level=3", "--levels=3", "--epochs=30", "--keep_every=0")
    told(process, "training dense")
    database.stop()
    told(process, "trying again for up to 300 s")
    database.start()
    said = told(process, "answers again")
    rest, _ = process.communicate()
    assert process.returncode == 0, said + rest
    for run in Store().search("tags.kind = 'imp'"):
        assert run.info.status == "FINISHED"
        points = MlflowClient().get_metric_history(run.info.run_id, "train/loss")
        first = 0 if run.data.tags["level"] == "0" else 1
        assert [point.step for point in points] == list(range(first, 31))


def test_processes_on_one_server_train_each_level_once(server):
    processes = [begin("imp_level", "--level=4", "--levels=4") for _ in range(3)]
    for process in processes:
        said, _ = process.communicate()
        assert process.returncode == 0, said
    runs = Store().search("tags.kind = 'imp'")
    assert sorted(run.data.tags["level"] for run in runs) == list("01234")
    assert len(Store().search("tags.kind = 'study'")) == 1


def test_a_sqlite_database_that_is_locked_for_longer_than_sqlite_waits_is_waited_for(tracking):
    MlflowClient()
    process = begin("train_dense", "--epochs=200", "--keep_every=0")
    told(process, "training dense")
    lock = sqlite3.connect(tracking / "mlflow.db", timeout=60)
    lock.execute("BEGIN EXCLUSIVE")
    told(process, "trying again for up to 300 s")
    lock.rollback()
    lock.close()
    said, _ = process.communicate()
    assert process.returncode == 0, said
    (run,) = Store().search("tags.kind = 'imp'")
    assert run.info.status == "FINISHED"
    assert len(MlflowClient().get_metric_history(run.info.run_id, "train/loss")) == 201
