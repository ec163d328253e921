"""A tracking server that goes away: for a moment, and for good."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from servers import MlflowServer
from tiny_problem import OPTIONS

import lth
from lth.tracking.store import FAILURE, Store

pytestmark = (
    pytest.mark.nightly
)  # a minute; what it shows of the client is in tests/tracking/test_client.py too

ROOT = Path(__file__).parent.parent.parent

# The command, whose server dies as soon as the training is done.
_DYING = """
import os, signal, sys
from lth.study import training as training_task

solve, server = training_task.solve, int(sys.argv.pop(1))

def dying(*arguments, **named):
    solution = solve(*arguments, **named)
    os.killpg(server, signal.SIGKILL)
    return solution

training_task.solve = dying
from lth.command.train_dense import main
main()
"""


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path)
    server.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.stop()


def begin(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command, *OPTIONS],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check_result() -> None:
    (run,) = Store().search("tags.kind = 'imp'")
    assert run.info.status == "FINISHED"
    assert FAILURE not in run.data.tags
    for name in ("train/loss", "test/accuracy"):
        points = MlflowClient().get_metric_history(run.info.run_id, name)
        assert [point.step for point in points] == [0, 1, 2, 3], "metrics that could not be sent are sent later"
    assert sorted(lth.load_solution(run.info.run_id).trajectory) == [1, 2, 3]


def test_a_server_that_is_away_for_a_while_is_waited_for_and_gets_everything(server):
    process = begin("-c", _DYING, str(server.pid), "--patience=300")
    said = []
    for line in process.stdout:
        said.append(line)
        if "trying again for up to 300 s" in line:
            server.stop()
            server.start()
    assert process.wait() == 0, "".join(said)
    assert "the tracking server does not answer" in "".join(said)
    assert "the tracking store answers again" in "".join(said)
    check_result()


def test_what_a_server_that_is_gone_did_not_take_is_kept_and_sent_by_the_same_command_later(server):
    process = begin("-c", _DYING, str(server.pid), "--patience=0")
    said, _ = process.communicate()
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "the tracking server does not answer" in said
    assert "the same command, here, logs it" in said
    server.stop()
    server.start()
    (run,) = Store().search("tags.kind = 'imp'")
    assert run.info.status == "RUNNING", "nobody could tell the store"
    process = begin("-m", "entrypoints.train_dense")
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "was left running by a process that is gone" in said
    assert "it was trained before and is not logged yet" in said
    check_result()
    assert not Path("lth-unsent").exists()
