"""A study done by workers that are killed at random: nothing twice, nothing lost, the bits of one process."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
from conftest import use_fresh_store
from mlflow import MlflowClient
from problems import assert_same_weights
from tiny_problem import PARAMETERS

from lth.plan.place import Place
from lth.study.open import open_study
from lth.study.record.load import load_solution
from lth.tracking.store import KEY, Store

ROOT = Path(__file__).parent.parent.parent
KILLS = 10
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


@pytest.mark.nightly
def test_workers_that_are_killed_do_the_study_of_one_process_to_the_bit(tmp_path, monkeypatch, empty_database):
    stores = [tmp_path / "alone", tmp_path / "killed"]
    for store in stores:
        store.mkdir()
    use_fresh_store(monkeypatch, stores[0], empty_database)
    with monkeypatch.context() as patched:
        patched.setattr("lth.study.training.log_solution_model", lambda *_: None)
        open_study(**GIVEN, say=[].append).complete()
    alone = outcome()
    weights = {
        run_id: load_solution(Store(), run_id) for name, (run_id, _) in alone.items() if "level" in name[:5]
    }
    use_fresh_store(monkeypatch, stores[1], empty_database)
    chance, killed, said = random.Random(0), 0, []
    working = command("--workers=2", "--retries=20")
    for line in working.stdout:
        said.append(line)
        is_at_it = "] training " in line or "] measuring " in line
        if is_at_it and killed < KILLS and chance.random() < 0.5:
            workers = [
                child for child in psutil.Process(working.pid).children() if "worker" in str(child.cmdline())
            ]
            chance.choice(workers).send_signal(signal.SIGKILL)
            killed += 1
    assert working.wait() == 0, "".join(said)
    assert killed == KILLS
    there = outcome()
    assert {name: numbers for name, (_, numbers) in there.items()} == {
        name: numbers for name, (_, numbers) in alone.items()
    }
    theirs = load_solution(Store(), there["level 1 0"][0])
    assert theirs.place == Place.imp(1)
    assert_same_weights(theirs.final, weights[alone["level 1 0"][0]].final)
    assert not Store().search("attributes.status = 'RUNNING'")
    assert not any(MlflowClient().list_artifacts(run_id, "progress") for run_id, _ in there.values())


@pytest.mark.nightly
def test_ctrl_c_reaches_all_workers_and_the_same_command_goes_on(tracking):
    working = command("--workers=2")
    for line in working.stdout:
        if "] training level 1" in line:
            break
    workers = psutil.Process(working.pid).children()
    working.send_signal(signal.SIGINT)
    said, _ = working.communicate(timeout=120)
    assert working.returncode == 130
    assert "the same command goes on" in said
    assert not any(worker.is_running() for worker in workers)
    assert not Store().search("attributes.status = 'RUNNING'")
    again = command("--workers=2")
    said, _ = again.communicate()
    assert again.returncode == 0, said
    assert outcome()
