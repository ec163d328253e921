"""A store that an earlier version wrote is found, gone on from and reported, and refused where it must be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow import __version__ as mlflow_version
from packaging.version import Version
from stored_store import WRITTEN_IN, unpack

import lth
from lth.plan.place import Place
from lth.study.replication import Replication
from lth.study.study import Study

pytestmark = pytest.mark.skipif(
    Version(mlflow_version) < Version("3.17"), reason="the store has the tables of MLflow 3.17"
)

# Of the study that the store holds (tests/stored/README.md).
PARAMETERS = {
    "network": "resnet8-w2",
    "train_examples": 96,
    "epochs": 3,
    "batch_size": 32,
    "milestones": "2ep",
    "rewind_step": "1ep",
    "fine_tune_epochs": 1,
    "levels": 2,
    "k": 3,
    "hessian_examples": 32,
    "directions": 2,
    "points": 3,
    "grid": 3,
    "trajectory": "none",
    "device": "cpu",
}


pytestmark = pytest.mark.usefixtures("without_models")


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work on the store of before, unpacked where its addresses now say it is."""
    store = unpack(tmp_path)
    with sqlite3.connect(store / "mlflow.db") as database:
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (WRITTEN_IN, str(store)))
    database.close()
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    return store


def opened(said: list[str], **changes: object) -> Study:
    return lth.open_study("digits", say=said.append, **{**PARAMETERS, **changes})


def count(filter_string: str) -> int:
    return len(MlflowClient().search_runs(["1"], filter_string, max_results=1000))


@pytest.mark.usefixtures("with_two_blank_figures")
def test_a_study_of_before_is_complete_and_its_report_says_which_runs_are_of_before(before):
    said: list[str] = []
    study = opened(said)
    trained = count("tags.kind = 'imp'"), count("tags.kind = 'measurement'")
    study.complete()
    assert not [line for line in said if line.startswith(("training", "measuring"))]
    assert (count("tags.kind = 'imp'"), count("tags.kind = 'measurement'")) == trained
    evidence = study.evidence()
    assert evidence.former == {task.name for task in study.tasks.results()}
    assert [row.name for row in study.rows()][:3] == ["dense", "level 1", "level 2"]
    assert all(row.log_eig_product is not None or row.remarks for row in study.rows())
    report = Replication([study], said.append).report()
    page = Path(MlflowClient().download_artifacts(report, "report.md", str(before))).read_text()
    assert "47 of 47 stored by an earlier version of lth" in page


def test_a_study_of_before_goes_on_where_it_ended(before):
    said: list[str] = []
    run = opened(said, levels=3).solution(Place.imp(3))
    assert [line.split(",")[0] for line in said if line.startswith("training")] == ["training level 3"]
    assert lth.load_solution(run).level == 3


@pytest.mark.parametrize(("now", "is_found"), [("bf16", True), ("fp32", False)])
def test_a_solution_of_before_whose_format_was_left_open_is_found_only_in_that_format(
    before, monkeypatch, now, is_found
):
    monkeypatch.setattr("lth.solution.problem.training_format", lambda _asked, _device: now)
    said: list[str] = []
    opened(said, seed=7, precision="auto").solution(Place.imp(1))
    assert [line.split(",")[0] for line in said if line.startswith("training")] == (
        [] if is_found else ["training dense", "training level 1"]
    )


def test_a_measurement_of_before_is_not_found_where_its_solution_is_not(before):
    """Without the training of level 1, what was measured at it is of a solution that is not there."""
    for run in MlflowClient().search_runs(["1"], "tags.kind = 'imp' AND tags.level = '1' AND tags.seed = '0'"):
        MlflowClient().delete_run(run.info.run_id)
    said: list[str] = []
    study = opened(said)
    study.analysis(1, ["lines"])
    assert "training level 1" in " ".join(said)
    assert any(line.startswith("measuring line from dense to level 1") for line in said)
    assert not any(line.startswith("training dense") for line in said)
