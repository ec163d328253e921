"""A tracking store of its own for every test that needs one."""

from __future__ import annotations

import gc
import io
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from finished_study import FinishedStudy, run_once, run_study
from hypothesis import settings
from matplotlib.figure import Figure
from PIL import Image
from processes import Child, waiting_child
from sqlalchemy import Engine, event

from lth.report.exhibit import EXHIBITS

if TYPE_CHECKING:
    from lth.tracking.store import Store

# What is imported stays: looking through it for garbage takes half a second each time.
gc.disable()

# Commands called here share this process's fakes with no other.
os.environ["LTH_WORKERS"] = "1"

# No test sends anything, nor has a thread that tries to.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# Every process that a test starts would else compile lth anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tensors here are tiny: a second thread only waits, and makes timings depend on what else the machine does.
torch.set_num_threads(1)

# The same examples in every run, however long one takes on a machine that does other things too.
settings.register_profile("lth", deadline=None, derandomize=True)
settings.load_profile("lth")


def pytest_collection_finish() -> None:
    """Collect garbage from here on, of what the tests make."""
    gc.freeze()
    gc.enable()


# No file waits for the disk, and no commit: no store of a test outlives the machine.
os.fsync = lambda _descriptor: None


@event.listens_for(Engine, "connect")
def write_later(connection: object, _record: object) -> None:
    """Let no commit wait for the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only a GPU shows where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu") is not None:
                item.add_marker(pytest.mark.skip(reason="there is no GPU"))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make MLflow's tables once, which takes seconds; each test gets a copy."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


PATIENT = ("store.LAST_WORDS_SECONDS", "lease.LAST_WORDS_SECONDS", "run._LAST_BEAT_SECONDS", "run.BEAT_SECONDS")


def use_fresh_store(monkeypatch: pytest.MonkeyPatch, directory: Path, empty_database: Path) -> None:
    """Work in `directory` with a fresh sqlite store, outside any run of `mlflow run`."""
    shutil.copy(empty_database, directory / "mlflow.db")
    monkeypatch.chdir(directory)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{directory}/mlflow.db")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # However long this process is stopped for, what it has to say last is said, and no beat comes between.
    for name in PATIENT:
        monkeypatch.setattr(f"lth.tracking.{name}", 3600.0)


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path) -> Path:
    """Give the test a tracking store of its own; its directory."""
    use_fresh_store(monkeypatch, tmp_path, empty_database)
    return tmp_path


@pytest.fixture(scope="module")
def _shared_store(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        use_fresh_store(patched, tmp_path_factory.mktemp("tracking"), empty_database)
        yield


@pytest.fixture
def experiment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _shared_store: None) -> None:
    """Give the test an experiment of its own, in a store that the tests of its file share: that is faster."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)


@pytest.fixture(scope="session")
def finished_study(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, worker_id: str
) -> FinishedStudy:
    """Give the finished study that all tests share; they only read it."""

    def make(folder: Path) -> FinishedStudy:
        with pytest.MonkeyPatch.context() as patched:
            use_fresh_store(patched, folder, empty_database)
            save_blanks(patched)
            log_no_models(patched)
            return run_study(folder)

    own = tmp_path_factory.getbasetemp()
    return run_once((own if worker_id == "master" else own.parent) / "finished-study", make)


@pytest.fixture
def finished(tracking: Path, finished_study: FinishedStudy) -> FinishedStudy:
    """Give the test a copy of the finished study, in its own store."""
    finished_study.copy(tracking)
    return finished_study


@pytest.fixture(scope="module")
def finished_for_all(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, finished_study: FinishedStudy
) -> Iterator[FinishedStudy]:
    """Give the tests of a module one copy of the finished study, which they only read."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("finished")
        use_fresh_store(patched, folder, empty_database)
        finished_study.copy(folder)
        yield finished_study


def log_no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export and log no solution's model."""
    monkeypatch.setattr("lth.study.training.log_solution_model", lambda *_: None)
    monkeypatch.setattr("lth.study.trial.trial.why_no_model", lambda *_: None)


def save_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a blank picture instead of each figure."""
    blank = io.BytesIO()
    Image.new("L", (1, 1)).save(blank, format="png")
    monkeypatch.setattr(Figure, "savefig", lambda _figure, file, **_options: file.write(blank.getvalue()))


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render no figures: one takes half a second."""
    save_blanks(monkeypatch)


@pytest.fixture
def with_two_blank_figures(without_pictures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw only two of a report's figures, and render them blank: all of them take two seconds even so."""
    monkeypatch.setattr("lth.report.compose.EXHIBITS", EXHIBITS[:2])
    monkeypatch.setattr("lth.report.compose.exhibits_beyond", lambda _evidence: ())


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log no models: one takes a second."""
    log_no_models(monkeypatch)


@pytest.fixture
def store(experiment: None) -> Store:
    """Give the test a store in an experiment of its own."""
    from lth.tracking.store import Store

    return Store()


@pytest.fixture
def child() -> Iterator[Child]:
    """Give the test another process of this machine, alive until the test ends it."""
    with waiting_child() as child:
        yield child
