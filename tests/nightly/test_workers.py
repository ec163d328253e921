"""A study done by workers that are killed at random: nothing twice, nothing lost, the bits of one process.

The workers are processes of the command, or those of a Ray cluster.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from conftest import use_fresh_store
from mlflow import MlflowClient
from mlflow.entities import Run
from problems import assert_same_weights
from tiny_problem import PARAMETERS

from lth.study.open import open_study
from lth.study.record.load import load_solution
from lth.tracking.process import PID
from lth.tracking.store import KEY, Store

ROOT = Path(__file__).parent.parent.parent
KILLS = 10
IS_RUNNING = "attributes.status = 'RUNNING'"
WITHOUT_RAY = "needs the extra lth[ray]"


def has_ray() -> bool:
    return find_spec("ray") is not None


ENGINES = [
    pytest.param((), id="processes"),
    pytest.param(
        ("--engine=ray", "--address=local"),
        id="ray",
        marks=pytest.mark.skipif(not has_ray(), reason=WITHOUT_RAY),
    ),
]
GIVEN = {**PARAMETERS, "levels": "1", "keep_every": "0"}


def command(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "entrypoints.study",
            *(f"--{name}={value}" for name, value in GIVEN.items()),
            *options,
        ],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcome() -> dict[str, tuple[str, dict[str, float]]]:
    """Return the metrics by the name of each result's run, which is there once; no times, no model's."""
    runs = [run for run in Store().search("attributes.status = 'FINISHED'") if "level" in run.data.tags]
    assert set(Counter(run.data.tags[KEY] for run in runs).values()) == {1}, "a key was done twice"
    return {
        f"{run.info.run_name} {run.data.tags['seed']}": (
            run.info.run_id,
            {
                name: value
                for name, value in run.data.metrics.items()
                if not name.startswith(("time/", "final/"))
            },
        )
        for run in runs
    }


def kept(run: Run) -> bool:
    """Say whether a run has kept some of its progress."""
    return bool(MlflowClient().list_artifacts(run.info.run_id, "progress"))


def at_work() -> dict[str, int]:
    """Return the processes that write runs now, by the name of the run."""
    return {
        str(run.info.run_name): int(run.data.tags[PID])
        for run in Store().search("attributes.status = 'RUNNING'")
        if "level" in run.data.tags
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory, empty_database):
    """Return what one process finds, and the weights of its solutions."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patched:
        use_fresh_store(patched, folder, empty_database)
        patched.setattr("lth.study.training.log_solution_model", lambda *_: None)
        open_study(**GIVEN, say=[].append).complete()
        found = outcome()
        weights = {
            name: load_solution(Store(), found[name][0]) for name in found if name.startswith("level 1 ")
        }
    return {name: numbers for name, (_, numbers) in found.items()}, weights


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ENGINES)
def test_workers_that_are_killed_do_the_study_of_one_process_to_the_bit(tracking, alone, engine):
    numbers, weights = alone
    chance, killed, said = random.Random(0), 0, []
    working = command(*engine, "--workers=2", "--retries=20")
    for line in working.stdout:
        said.append(line)
        is_at_it = "] training " in line or "] measuring " in line
        if is_at_it and killed < KILLS and chance.random() < 0.5 and (processes := at_work()):
            os.kill(chance.choice(sorted(processes.values())), signal.SIGKILL)
            killed += 1
    assert working.wait() == 0, "".join(said)
    assert killed == KILLS
    there = outcome()
    assert {name: found for name, (_, found) in there.items()} == numbers
    for name, theirs in weights.items():
        assert_same_weights(load_solution(Store(), there[name][0]).final, theirs.final)
    assert not Store().search("attributes.status = 'RUNNING'")
    assert not any(MlflowClient().list_artifacts(run_id, "progress") for run_id, _ in there.values())


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name
)
def test_a_signal_reaches_all_workers_which_keep_their_progress_and_the_same_command_goes_on(
    tracking, engine, number
):
    longer = ("--epochs=400", "--milestones=none")
    working, said = command(*engine, "--workers=2", *longer), ""
    for line in working.stdout:
        said += line
        if "] training level 1" in line:
            break
    while not (processes := at_work()) or not any(kept(run) for run in Store().search(IS_RUNNING)):
        assert working.poll() is None, said
    working.send_signal(number)
    said, _ = working.communicate(timeout=120)
    assert working.returncode == 130
    assert "the same command goes on" in said
    assert not any(psutil.pid_exists(process) for process in processes.values())
    ended = [run for run in Store().search("") if run.info.run_name in processes]
    assert {run.info.status for run in ended} == {"KILLED"}
    assert any(kept(run) for run in ended)
    assert not Store().search(IS_RUNNING)
    said, _ = (again := command(*engine, "--workers=2", *longer)).communicate()
    assert again.returncode == 0, said
    assert "going on after step" in said
    assert outcome()


@pytest.mark.nightly
@pytest.mark.skipif(not has_ray(), reason=WITHOUT_RAY)
def test_a_node_of_a_cluster_that_lacks_what_is_asked_for_is_refused(tracking):
    working = command("--engine=ray", "--address=local", "--gpu_share=0.5")
    said, _ = working.communicate()
    assert working.returncode == 1, said
    assert [line for line in said.splitlines() if line.startswith("Error: ")] == [
        "Error: no node of the Ray cluster has 1 CPU and 0.5 of a GPU for a task; add one"
    ]
