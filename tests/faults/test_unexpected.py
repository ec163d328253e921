"""What no user can mend keeps its traceback, in a log; what they can is one line, and no log."""

from pathlib import Path

import own_networks
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from own_networks import FAILING, FAILING_BACKWARD, assert_told, built
from tiny_problem import OPTIONS
from torch import Tensor, nn

from lth.command import study, train_dense
from lth.errors import InputError
from lth.tracking.store import Store
from lth.training.train import TrainingDivergedError

LOG = "lth-faults.log"


def train(monkeypatch: pytest.MonkeyPatch, error: Exception):
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr("lth.study.tasks.train_on", fail)
    return CliRunner().invoke(train_dense.main, OPTIONS)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("shapes (3,) and (4,) do not fit"),
        ZeroDivisionError("by zero"),
        RuntimeError("of torch\nhere"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_no_user_made_is_one_line_and_its_traceback_is_in_a_log(tracking, monkeypatch, error):
    result = train(monkeypatch, error)
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert type(error).__name__ in line
    assert str(tracking / LOG) in line
    log = Path(LOG).read_text()
    assert log.count("Traceback (most recent call last)") == 1
    assert f"{type(error).__name__}: {error}" in log
    assert "Traceback" not in result.output


def test_tracebacks_are_added_to_the_log_without_passwords(tracking, monkeypatch):
    train(monkeypatch, RuntimeError("first"))
    train(monkeypatch, RuntimeError("http://lab:secret@127.0.0.1/api"))
    log = Path(LOG).read_text()
    assert "first" in log
    assert "secret" not in log
    assert "127.0.0.1/api" in log


def test_where_no_log_can_be_written_the_traceback_is_shown(tracking, monkeypatch):
    Path(LOG).mkdir()
    result = train(monkeypatch, RuntimeError("of torch"))
    assert result.exit_code == 1
    assert "RuntimeError: of torch" in result.output
    assert "Traceback (most recent call last)" in result.output


@pytest.mark.parametrize(("error", "status"), [(InputError("lr is odd"), 1), (TrainingDivergedError("NaN"), 1)])
def test_what_a_user_can_mend_is_one_line_without_a_log(tracking, monkeypatch, error, status):
    result = train(monkeypatch, error)
    assert result.exit_code == status
    assert f"Error: {error}" in result.output
    assert not Path(LOG).exists()


@pytest.mark.parametrize("error", [RuntimeError("of torch"), TrainingDivergedError("the loss became nan")])
@pytest.mark.usefixtures("finished", "without_models")
def test_a_study_does_all_that_a_task_which_fails_does_not_hinder_and_ends_with_status_1(monkeypatch, error):
    store = Store()
    for run in [*store.search("tags.kind = 'one_shot'"), *store.search("tags.measure = 'distances'")]:
        MlflowClient().delete_run(run.info.run_id)
    for run in store.search("tags.measure = 'radii' AND tags.level = '1'"):
        MlflowClient().delete_run(run.info.run_id)

    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr("lth.study.tasks.train_on", fail)
    result = CliRunner().invoke(study.main, OPTIONS)
    assert result.exit_code == 1
    assert "Error: 1 task failed, " in result.output
    assert f"one_shot at level 2: {'RuntimeError: ' * isinstance(error, RuntimeError)}{error}" in result.output
    assert "not done: " in result.output
    assert Store().search("tags.measure = 'radii' AND tags.level = '1'"), "which needs no one_shot"
    assert Path(LOG).exists() is isinstance(error, RuntimeError)


@pytest.mark.parametrize("name", ["a_key_error", "an_exit", "an_error_of_their_own", "a_hook_of_a_tensor"])
def test_what_a_users_network_raises_late_is_one_line_with_theirs_and_no_log(tracking, monkeypatch, name):
    failing = {**FAILING, **FAILING_BACKWARD}[name]

    def returned(self: nn.Module, y: Tensor) -> object:
        return failing(self, y) if self.bn.num_batches_tracked > 5 else y

    monkeypatch.setattr(own_networks, "chosen", built(returned=returned))
    result = CliRunner().invoke(train_dense.main, [*OPTIONS, "--network=own_networks:under_test"])
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert_told(Exception(line))
    assert not Path(LOG).exists()
