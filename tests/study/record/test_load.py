"""What is only read is looked for where the user said, and nothing is made where it is not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from tiny_problem import OPTIONS

import lth
from lth.command import report
from lth.errors import InputError
from lth.tracking.project.provider import LthExperimentProvider
from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def nowhere(tracking, monkeypatch) -> Iterator[Path]:
    """Go to a folder that has no store, and look that it stays so."""
    folder = tracking / "nowhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("which", [{"level": 0}, {"run_id": "0" * 32}, {"level": 1, "experiment": "lth"}])
def test_a_store_that_is_not_there_is_named_and_not_made(nowhere, which):
    with pytest.raises(InputError, match=f"there is no tracking store sqlite:///{nowhere}/mlflow.db; go to"):
        lth.load_solution(**which)


def test_a_report_of_no_store_is_refused_and_makes_none(nowhere):
    result = CliRunner().invoke(report.main, OPTIONS)
    assert result.exit_code == 2
    assert "there is no tracking store" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("experiment", "said"),
    [
        (None, "has no experiment 'lth'; name another one"),
        ("mine", "has no experiment 'mine'; name another one"),
        (
            "Default",
            "no finished solution has kind=imp.* in sqlite:///.*, experiment Default.*; train it first",
        ),
    ],
)
def test_an_experiment_without_the_solution_is_named_and_not_made(tracking, experiment, said):
    with pytest.raises(InputError, match=said):
        lth.load_solution(level=0, experiment=experiment)
    assert [found.name for found in MlflowClient().search_experiments()] == ["Default"]


def test_a_solution_of_another_experiment_is_found_by_its_run_and_by_the_experiment(finished, monkeypatch):
    (run,) = Store().search("tags.kind = 'imp' AND tags.level = '0'")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    changes = run.data.tags["changes"]
    assert lth.load_solution(run.info.run_id).level == 0
    assert lth.load_solution(level=0, changes=changes, experiment="lth").level == 0
    Store()
    with pytest.raises(InputError, match=r"experiment mine; .* or name another experiment \(lth"):
        lth.load_solution(level=0, changes=changes)


# Which experiment a plain `mlflow run` logs to


@pytest.mark.parametrize("word", [str(ROOT), f"file://{ROOT}", f"file://{ROOT.parent}#{ROOT.name}"])
def test_mlflow_run_of_a_checkout_from_elsewhere_has_the_experiment_of_ours(tracking, monkeypatch, word):
    monkeypatch.setattr("sys.argv", ["/bin/mlflow", "run", "-e", "train_dense", word])
    assert LthExperimentProvider().in_context()


def test_mlflow_run_of_another_project_in_a_checkout_has_its_own(tracking, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert LthExperimentProvider().in_context()
    monkeypatch.setattr("sys.argv", ["/bin/mlflow", "run", str(tracking)])
    assert not LthExperimentProvider().in_context()


def test_a_run_that_mlflow_run_put_elsewhere_says_what_is_not_used(tracking, monkeypatch):
    Store()
    elsewhere = tracking / "checkout"
    elsewhere.mkdir()
    (elsewhere / "mlflow.db").touch()
    monkeypatch.chdir(elsewhere)
    assert Store().unused() == []
    monkeypatch.setenv("MLFLOW_RUN_ID", MlflowClient().create_run("0").info.run_id)
    folder, experiment = Store().unused()
    assert f"{elsewhere}/mlflow.db, is not used" in folder
    assert "--experiment-name=lth chooses the other" in experiment


@pytest.mark.parametrize("kind", ["nope", "dense", ""])
def test_a_kind_that_there_is_not_is_said_with_those_there_are(nowhere, kind):
    with pytest.raises(InputError, match=f"kind='{kind}' is unknown; choose one of imp, "):
        lth.load_solution(level=0, kind=kind)
