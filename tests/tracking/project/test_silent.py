"""A run whose command was killed before it said a word is closed; one that may live is not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from lth.tracking.process import ownership
from lth.tracking.store import FAILURE, KEY, Store

ROOT = Path(__file__).parent.parent.parent.parent


def launched(store: Store, hours: float, source: str, tags: dict[str, str]) -> str:
    """Make a run as `mlflow run` does, so many hours ago."""
    began = datetime.now(UTC) - timedelta(hours=hours)
    of_project = {"mlflow.project.entryPoint": "train_dense", "mlflow.source.name": source}
    run = MlflowClient().create_run(
        store.experiment_id,
        start_time=int(began.timestamp() * 1000),
        tags={name: value for name, value in {**of_project, **tags}.items() if value},
        run_name="hopeful-owl",
    )
    return str(run.info.run_id)


@pytest.mark.parametrize("source", [str(ROOT), f"file://{ROOT}", f"file://{ROOT.parent}#/{ROOT.name}"])
def test_the_run_of_a_command_that_never_spoke_is_closed_and_that_is_said(store, source):
    said: list[str] = []
    run_id = launched(store, 7, source, {})
    assert Store(say=said.append).close_dead() == ["hopeful-owl"]
    run = MlflowClient().get_run(run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags[FAILURE] == "train_dense was launched 7 hours ago and gave no sign of life since"
    assert said == [f"hopeful-owl was left running ({run.data.tags[FAILURE]}): marked KILLED"]


@pytest.mark.parametrize(
    ("hours", "source", "tags"),
    [
        pytest.param(1, str(ROOT), {}, id="its environment may still be made"),
        pytest.param(7, str(ROOT), ownership(), id="its process is alive"),
        pytest.param(7, "https://github.com/someone/else", {}, id="of another project"),
        pytest.param(7, str(ROOT), {"mlflow.project.entryPoint": ""}, id="not launched"),
    ],
)
def test_a_run_that_a_command_may_be_at_is_left_alone(store, hours, source, tags):
    run_id = launched(store, hours, source, tags)
    assert store.close_dead() == []
    assert MlflowClient().get_run(run_id).info.status == "RUNNING"


def test_a_run_of_another_program_that_logs_numbers_is_left_alone(store):
    run_id = launched(store, 7, str(ROOT), {KEY: ""})
    MlflowClient().log_metric(run_id, "loss", 1.0)
    assert store.close_dead() == []
