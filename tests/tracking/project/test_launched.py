"""A run that MLFLOW_RUN_ID names is written only if it is the empty one that `mlflow run` made."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from processes import Child, dead_tags
from tiny_problem import OPTIONS

import lth
from lth.command import imp_level, train_dense
from lth.errors import InputError
from lth.tracking.lease import CLAIMED
from lth.tracking.project.killed import _main
from lth.tracking.run import LostRunError
from lth.tracking.store import FAILURE, KEY, REUSED, Store, explain_launched_run


def begin(tags: dict[str, str] | None = None, experiment: str | None = None) -> str:
    run = MlflowClient().create_run(experiment or Store().experiment_id, tags=tags or {})
    return str(run.info.run_id)


def ended(status: str, tags: dict[str, str] | None = None) -> str:
    run_id = begin({KEY: "another", **(tags or {})})
    MlflowClient().set_terminated(run_id, status)
    return run_id


def deleted() -> str:
    run_id = begin()
    MlflowClient().delete_run(run_id)
    return run_id


def with_numbers() -> str:
    run_id = begin()
    MlflowClient().log_metric(run_id, "loss", 1.0)
    return run_id


def with_files() -> str:
    run_id = begin()
    MlflowClient().log_text(run_id, "a model", "model.txt")
    return run_id


OTHERS = {
    "finished": lambda: ended("FINISHED"),
    "failed": lambda: ended("FAILED", {FAILURE: "broken"}),
    "killed": lambda: ended("KILLED"),
    "deleted": deleted,
    "of another key": lambda: begin({KEY: "another", **dead_tags()}),
    "pointer": lambda: begin({REUSED: "another"}),
    "claim": lambda: begin({CLAIMED: "another"}),
    "parent of a study": lambda: begin({KEY: "study", "kind": "study"}),
    "with numbers": with_numbers,
    "with files": with_files,
}


def as_it_is(run_id: str) -> dict[str, object]:
    run = MlflowClient().get_run(run_id)
    return {**run.data.to_dictionary(), **dict(run.info)}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_a_run_that_is_not_empty_and_running_is_left_as_it_is_and_that_is_said(
    experiment, monkeypatch, make: Callable[[], str]
):
    run_id = make()
    before, said = as_it_is(run_id), list[str]()
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    store = Store(say=said.append)
    with store.attending(), store.open("level 1", {KEY: "key"}, adopt=True) as run:
        assert run.run_id != run_id
    store.point_to("found", "level 1")
    explain_launched_run("broken")
    assert as_it_is(run_id) == before
    (line,) = said
    assert run_id in line
    assert "it stays as it is" in line


def test_a_run_that_another_command_is_at_is_left_to_it(experiment, monkeypatch, child: Child):
    run_id = begin(child.tags)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with Store().open("level 1", {KEY: "key"}, adopt=True) as run:
        assert run.run_id != run_id
    assert KEY not in MlflowClient().get_run(run_id).data.tags


def test_of_two_commands_that_are_given_one_run_the_first_to_begin_has_it(
    experiment, monkeypatch, child: Child
):
    run_id = begin()
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    store = Store()
    for name, value in child.tags.items():
        MlflowClient().set_tag(run_id, name, value)
    with store.open("level 1", {KEY: "key"}, adopt=True) as run:
        assert run.run_id != run_id


def test_an_empty_run_that_a_dead_command_was_given_is_used(experiment, monkeypatch):
    run_id = begin(dead_tags())
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with Store().open("level 1", {KEY: "key"}, adopt=True) as run:
        assert run.run_id == run_id


def test_the_second_command_of_a_project_leaves_the_result_of_the_first_and_finds_it(
    tracking, monkeypatch, without_models, with_two_blank_figures
):
    run_id = begin()
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    assert CliRunner().invoke(train_dense.main, OPTIONS).exit_code == 0
    first = lth.load_solution(run_id)
    second = CliRunner().invoke(imp_level.main, ["--level=1", *OPTIONS])
    assert second.exit_code == 0, second.output
    assert f"MLFLOW_RUN_ID names run {run_id} (dense), which is FINISHED" in second.output
    assert lth.load_solution(run_id).key == first.key
    assert {run.info.run_name for run in Store().search("tags.kind = 'imp'")} == {"dense", "level 1"}


@pytest.mark.parametrize(("status", "left"), [("FINISHED", "FINISHED"), ("FAILED", "KILLED")])
def test_the_last_word_on_a_run_is_not_spoken_where_it_was_finished_meanwhile(experiment, status, left):
    run_id = begin(dead_tags())
    MlflowClient().set_terminated(run_id, status)
    _main(run_id, 0, "KILLED")
    assert MlflowClient().get_run(run_id).info.status == left


def test_a_run_that_is_finished_while_it_is_read_stays_finished(experiment, monkeypatch):
    """Its process finishes it after it was read, and has ended when that is looked up."""
    run_id, get_run = begin(dead_tags()), MlflowClient.get_run

    def read_before_it_was_finished(client: MlflowClient, of: str) -> Run:
        run = get_run(client, of)
        client.set_terminated(of, "FINISHED")
        return run

    monkeypatch.setattr(MlflowClient, "get_run", read_before_it_was_finished)
    _main(run_id, 0, "KILLED")
    assert get_run(MlflowClient(), run_id).info.status == "FINISHED"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken"), LostRunError("lost")])
def test_a_process_that_lost_its_run_leaves_it_as_the_other_has_it(experiment, child: Child, error):
    with suppress(type(error)), Store().open("level 1", {KEY: "key"}) as run:
        MlflowClient().log_batch(run.run_id, tags=[RunTag(*tag) for tag in child.tags.items()])
        MlflowClient().set_terminated(run.run_id, "FINISHED")
        raise error
    kept = MlflowClient().get_run(run.run_id)
    assert kept.info.status == "FINISHED"
    assert FAILURE not in kept.data.tags


# What the environment names


def test_an_empty_variable_says_nothing(tracking, monkeypatch):
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, " ")
    assert Store().description.endswith("experiment lth")


def test_a_run_that_was_left_in_the_environment_does_not_decide_the_experiment_where_another_is_named(
    tracking, monkeypatch
):
    monkeypatch.setenv("MLFLOW_RUN_ID", ended("FINISHED"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert Store().description.endswith("experiment mine")


def gone(name: str) -> str:
    client = MlflowClient()
    number = str(client.create_experiment(name))
    client.delete_experiment(number)
    return number


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param(lambda: {"RUN_ID": "0" * 32}, "names no run of .*; unset MLFLOW_RUN_ID", id="no run"),
        pytest.param(lambda: {"RUN_ID": "../x"}, "names no run of .*; unset MLFLOW_RUN_ID", id="no id"),
        pytest.param(lambda: {"EXPERIMENT_ID": "77"}, "names no experiment of", id="no experiment"),
        pytest.param(lambda: {"EXPERIMENT_ID": "lth"}, "names no experiment of", id="a name"),
        pytest.param(lambda: {"EXPERIMENT_ID": gone("x")}, "was deleted; restore it", id="deleted"),
        pytest.param(lambda: {"EXPERIMENT_NAME": "x", "_": gone("x")}, "was deleted; restore it", id="by name"),
        pytest.param(lambda: {"EXPERIMENT_ID": "0", "EXPERIMENT_NAME": "x"}, "unset one of them", id="two"),
    ],
)
def test_what_the_environment_names_and_is_not_there_is_said_with_the_variable(
    tracking, monkeypatch, variables, said
):
    for name, value in variables().items():
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    with pytest.raises(InputError, match=said):
        Store()


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "  "])
def test_a_store_that_would_keep_nothing_is_refused(tracking, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError, match=r"write sqlite:////path/to/mlflow\.db"):
        Store()
