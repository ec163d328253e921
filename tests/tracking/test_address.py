"""A local store is made by one process at a time, and its artifacts lie beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from mlflow import MlflowClient

from lth.errors import MendableError
from lth.tracking.address import artifacts_beside, database_of, local_folder, opening
from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent
OPEN = "from lth.tracking.store import Store; print(Store().experiment_id)"


def open_at_once(uri: str, count: int) -> list[str]:
    """Open a store in so many processes, and return what each says its experiment is."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    return [process.communicate(timeout=3000)[0].strip() for process in processes]


def test_processes_that_open_a_new_store_at_once_all_open_it(tracking):
    assert open_at_once(f"sqlite:///{tracking}/new.db", 2) == ["1", "1"]


def test_a_store_whose_making_was_interrupted_is_made_anew(tracking, monkeypatch):
    (tracking / "new.db.new").write_bytes(b"half")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracking}/new.db")
    assert Store().search("") == []
    assert not (tracking / "new.db.new").exists()


@pytest.mark.parametrize(
    ("form", "lock"),
    [("sqlite:///{0}/mlflow.db", "mlflow.db.lock"), ("{0}", ".lth.lock"), ("file://{0}", ".lth.lock")],
)
def test_a_local_store_is_opened_by_one_process_at_a_time(tmp_path, form, lock):
    (tmp_path / "mlflow.db").write_bytes(b"made")
    with opening(form.format(tmp_path)), pytest.raises(Timeout):
        FileLock(tmp_path / lock).acquire(timeout=0)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "postgresql://lab/lth", "databricks"])
def test_a_store_that_is_no_file_is_not_locked(tracking, uri):
    before = set(tracking.iterdir())
    with opening(uri):
        assert set(tracking.iterdir()) == before
        assert database_of(uri) is local_folder(uri) is None


def test_the_artifacts_of_a_new_experiment_lie_beside_its_store(tracking, monkeypatch):
    elsewhere = tracking / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run_id = Store()._create("run", {}).run_id
    assert MlflowClient().get_run(run_id).info.artifact_uri.startswith(f"{tracking}/mlruns/lth/{run_id}")
    assert Store().description.endswith("experiment lth")
    assert artifacts_beside(f"sqlite:///{elsewhere}/mlflow.db", "lth") is None  # MLflow's own choice


def test_artifacts_that_are_not_beside_the_store_are_said(tracking, monkeypatch):
    MlflowClient().create_experiment("mine", f"{tracking.parent}/mine")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert Store().description.endswith(f"experiment mine, its artifacts in {tracking.parent}/mine")


@pytest.mark.parametrize("uri", ["mlflow.db", "{0}/mlflow.db", "file://{0}/mlruns", "sqlite://mlflow.db"])
def test_an_address_that_was_meant_for_a_database_is_refused_with_how_it_is_written(tmp_path, monkeypatch, uri):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(tmp_path))
    with pytest.raises(MendableError, match=r"write sqlite:////"):
        Store()
    assert list(tmp_path.iterdir()) == []
