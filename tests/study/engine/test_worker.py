"""The program that does tasks for another process, called in this one."""

import json
import os
from dataclasses import asdict, replace

import mlflow
import pytest
import tiny_problem
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tiny_problem import PARAMETERS, make_study

from lth.plan.place import Place
from lth.study.engine import worker as module
from lth.study.engine.node import difference, facts_of
from lth.study.engine.worker import Worker
from lth.study.open import Opening
from lth.tracking import client as client_module
from lth.tracking.process import PROCESS, ownership
from lth.tracking.store import Store

pytestmark = pytest.mark.usefixtures("without_models")


@pytest.fixture
def opened(tracking, monkeypatch):
    """Return what a worker is told first; its own log is not to take this process's output."""
    logged = []
    monkeypatch.setattr(module, "_log_to", logged.append)
    opening = Opening.read({**PARAMETERS, "levels": "1"})
    told = {
        "opening": asdict(opening),
        "seeds": ["0", "1"],
        "tracking": os.environ["MLFLOW_TRACKING_URI"],
        "experiment": Store().experiment_name,
        "threads": 1,
        "logs": str(tracking / "logs"),
    }
    yield json.loads(json.dumps(told))  # as it comes to another process
    mlflow.set_tracking_uri(None)  # else of the next test, too


def test_a_task_is_done_under_the_key_and_seed_that_it_is_asked_for(opened):
    said = []
    worker = Worker(opened, said.append)
    for number, seed in enumerate(opened["seeds"]):
        study = make_study(levels="1", seed=seed)
        dense = study.tasks.training(Place.imp(0))
        found = worker.do({"do": dense.key, "study": number, "fresh": False, "runs": {}})
        assert found == {"run": Store().find(dense.key)}
        assert Store().run(found["run"]).data.tags[PROCESS] == ownership()[PROCESS]
    assert any("training dense" in message["said"] for message in said)


def test_a_store_that_is_away_while_a_worker_begins_is_waited_for(opened, monkeypatch):
    ask, asked = MlflowClient.get_experiment_by_name, []

    def away_at_first(self, name):
        asked.append(name)
        if len(asked) < 3:
            raise MlflowException(
                "API request to http://lab failed with exception [Errno 111] Connection refused"
            )
        return ask(self, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", away_at_first)
    monkeypatch.setattr(client_module, "_FIRST_PAUSE", 0.0)
    told = []
    Worker(opened, told.append)
    assert len(asked) == 3
    assert ["trying again" in told[0]["said"], "answers again" in told[1]["said"]] == [True, True]


def test_the_runs_that_it_is_told_of_are_not_looked_for(opened, monkeypatch):
    study = make_study(levels="1", seed="0")
    dense, level = study.tasks.training(Place.imp(0)), study.tasks.training(Place.imp(1))
    worker = Worker(opened, lambda _message: None)
    run_id = worker.do({"do": dense.key, "study": 0, "fresh": False, "runs": {}})["run"]
    looked_for = []
    of_key = Store.of_key
    monkeypatch.setattr(Store, "of_key", lambda self, key: looked_for.append(key) or of_key(self, key))
    other = Worker(opened, lambda _message: None)
    other.do({"do": level.key, "study": 0, "fresh": False, "runs": {dense.key: run_id}})
    assert dense.key not in looked_for


def test_what_is_wrong_is_an_answer_and_the_next_task_is_done(opened, monkeypatch):
    study = make_study(levels="1", seed="0")
    dense = study.tasks.training(Place.imp(0))
    worker = Worker(opened, lambda _message: None)

    def fail(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patched:
        patched.setattr("lth.study.tasks.train_on", fail)
        found = worker.do({"do": dense.key, "study": 0, "fresh": False, "runs": {}})
    assert found["error"] == "fault"
    assert found["text"].startswith("RuntimeError: a fault; no user's mistake: report it, its traceback is in ")
    assert found["text"].endswith("/dense.log")
    assert worker.do({"do": dense.key, "study": 0, "fresh": False, "runs": {}})["run"] == Store().find(
        dense.key
    )


def test_a_worker_that_opens_the_same_study_has_the_same_that_decides_results(opened):
    assert Worker(opened, lambda _message: None).facts == facts_of(make_study(levels="1", seed="0"))


@pytest.mark.parametrize(
    ("changed", "told"), [({"lr": "0.2"}, "key is "), ({"precision": "bf16"}, "precision ")]
)
def test_a_worker_whose_parameters_come_to_something_else_is_told_apart_by_what_it_is(opened, changed, told):
    parameters = {**PARAMETERS, "levels": "1", **changed}
    other = Worker(
        {**opened, "opening": {**opened["opening"], "parameters": parameters}}, lambda _message: None
    )
    here = facts_of(make_study(levels="1", seed="0", precision="fp32"))
    assert difference(other.facts, here).startswith(told)


def test_a_worker_that_reads_other_data_is_told_apart_by_its_digest(opened, monkeypatch):
    here = facts_of(make_study(levels="1", seed="0"))
    read = tiny_problem.images(None)
    monkeypatch.setattr(
        "tiny_problem.images", lambda _folder: replace(read, train_images=255 - read.train_images)
    )
    said = difference(Worker(opened, lambda _message: None).facts, here)
    assert said.startswith("data is ")
    assert said.endswith(f"and not {here['data']}: place the same there")
