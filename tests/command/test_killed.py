"""A command that is killed, and asked for again: the same run, the same bits."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import use_fresh_store
from mlflow import MlflowClient
from problems import assert_same_weights
from tiny_problem import PARAMETERS

from lth.command import imp_level
from lth.solution.solution import Solution
from lth.study.record.load import load_solution
from lth.tracking.folder import PROGRESS
from lth.tracking.store import Store

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.usefixtures("without_models")  # each takes a second, and none is compared
EPOCHS = 20  # for each signal: two levels have 80 steps for each
STEPS = (20, 70)  # that a process takes, and is then in the midst of them: the trial before takes a few
Numbers = set[tuple[str, int, float]]


def options(epochs: int) -> list[str]:
    parameters = {**PARAMETERS, "epochs": str(epochs), "epoch_examples": "24", "augmentation": "crop_flip"}
    return ["--level=1", *(f"--{name}={value}" for name, value in parameters.items())]


def end(number: signal.Signals, steps: int, epochs: int) -> tuple[int, str]:
    """Begin a process that ends by a signal after so many steps; return its status and what it said."""
    command = [sys.executable, ROOT / "tests" / "ends_itself.py", str(number.value), str(steps), "imp_level"]
    process = subprocess.run(
        [*command, *options(epochs), "--keep_every=0"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process.returncode, process.stdout


def finish(epochs: int) -> str:
    """Ask for the same in this process, and return what it said."""
    result = CliRunner().invoke(imp_level.main, options(epochs))
    assert result.exit_code == 0, result.output
    return result.output


def outcome() -> dict[str, tuple[Solution, Numbers]]:
    """Return the solutions of the store, by name, and every metric but what was timed."""
    found = {}
    for run in Store().search("tags.kind = 'imp'"):
        assert run.info.run_name not in found, "a level was trained in two runs"
        assert run.info.status == "FINISHED"
        numbers = [
            (name, point.step, point.value)
            for name in run.data.metrics
            if not name.startswith("time/")
            for point in MlflowClient().get_metric_history(run.info.run_id, name)
        ]
        assert len(numbers) == len(set(numbers)), "a metric was logged twice"
        solution = load_solution(Store(), run.info.run_id, trajectory=True)
        found[run.info.run_name] = (solution, set(numbers))
    return found


def assert_same_outcome(
    ours: dict[str, tuple[Solution, Numbers]], theirs: dict[str, tuple[Solution, Numbers]]
) -> None:
    assert ours.keys() == theirs.keys() == {"dense", "level 1"}
    for name, (solution, numbers) in ours.items():
        other, other_numbers = theirs[name]
        assert numbers == other_numbers
        assert solution.history == other.history
        assert_same_weights(solution.final, other.final)
        assert_same_weights(solution.rewind.weights, other.rewind.weights)
        assert solution.trajectory.keys() == other.trajectory.keys()
        for epoch, weights in solution.trajectory.items():
            assert_same_weights(weights, other.trajectory[epoch])


def stop_and_compare(
    numbers: list[signal.Signals],
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_database: Path,
) -> None:
    """Stop one process after another by these signals, and compare with what none stopped."""
    epochs = EPOCHS * len(numbers)
    stores = [tmp_path / "undisturbed", tmp_path / "stopped"]
    for store in stores:
        store.mkdir()
    use_fresh_store(monkeypatch, stores[0], empty_database)
    finish(epochs)
    undisturbed = outcome()
    use_fresh_store(monkeypatch, stores[1], empty_database)
    steps = random.Random(seed)
    for number in numbers:
        status, said = end(number, steps.randint(*STEPS), epochs)
        if number == signal.SIGKILL:
            assert status == -signal.SIGKILL, f"it was to be killed in the middle of its work: {said}"
            assert Store().search("attributes.status = 'RUNNING'"), "a killed process leaves its run as it was"
        else:
            assert status == 130, said
            assert "the same command goes on" in said
            (interrupted,) = Store().search("tags.kind = 'imp' AND attributes.status = 'KILLED'")
            assert interrupted.data.tags["lth.failure"] == "interrupted"
    assert "going on after step" in finish(epochs)
    assert_same_outcome(outcome(), undisturbed)
    assert not Store().search("attributes.status = 'RUNNING'")
    for run in Store().search("tags.kind = 'imp'"):
        assert not MlflowClient().list_artifacts(run.info.run_id, PROGRESS)


def test_a_training_killed_and_interrupted_ends_in_the_same_run_with_the_same_bits(
    tmp_path, monkeypatch, empty_database
):
    stop_and_compare([signal.SIGKILL, signal.SIGTERM], 0, tmp_path, monkeypatch, empty_database)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [1, 2])
def test_a_training_killed_ten_times_ends_in_the_same_run_with_the_same_bits(
    seed, tmp_path, monkeypatch, empty_database
):
    stop_and_compare([signal.SIGKILL] * 10, seed, tmp_path, monkeypatch, empty_database)


@pytest.mark.nightly
def test_a_training_interrupted_at_the_keyboard_ends_in_the_same_run_with_the_same_bits(
    tmp_path, monkeypatch, empty_database
):
    stop_and_compare([signal.SIGINT] * 2, 0, tmp_path, monkeypatch, empty_database)
