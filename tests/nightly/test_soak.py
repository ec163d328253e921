"""Four processes share one store and are killed at random: nothing is lost, and nothing is done twice."""

import os
import random
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from tiny_problem import PARAMETERS

from lth.study.record.load import load_solution
from lth.tracking.lease import CLAIMED, asks
from lth.tracking.store import KEY, Store

ROOT = Path(__file__).parent.parent.parent
LEVELS = range(5)
SEEDS = range(40)  # of five runs each
PROCESSES = 4
KILLS = 30
EPOCHS = 8
LONGEST_WAIT = 4.0  # seconds between two kills, of processes that have come to work

# Says that it has begun, and goes through all seeds in an order of its own, so that processes meet at some.
_WORKER = """
import os, random, sys
from pathlib import Path
from click.testing import CliRunner
from lth.command import imp_level
Path(f"ready-{os.getpid()}").touch()
seeds = list(range(int(sys.argv[2])))
random.Random(int(sys.argv[1])).shuffle(seeds)
for seed in seeds:
    result = CliRunner().invoke(imp_level.main, [*sys.argv[3:], f"--seed={seed}"])
    if result.exit_code != 0:
        sys.exit(f"seed {seed}: {result.output} {result.exception!r}")
"""


def start(number: int) -> subprocess.Popen[str]:
    chosen = {**PARAMETERS, "level": str(LEVELS[-1]), "keep_every": "0.1", "epochs": str(EPOCHS)}
    options = [f"--{name}={value}" for name, value in chosen.items()]
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(number), str(len(SEEDS)), *options],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def soak() -> int:
    """Keep four processes going until all seeds are done, and return how many were killed."""
    chance, numbers, killed = random.Random(0), count(), 0
    working = [start(next(numbers)) for _ in range(PROCESSES)]
    while working:
        victim = chance.randrange(len(working))
        try:
            _, errors = working[victim].communicate(timeout=chance.uniform(0, LONGEST_WAIT))
        except subprocess.TimeoutExpired:
            if killed < KILLS and Path(f"ready-{working[victim].pid}").exists():
                working[victim].kill()
                working[victim].communicate()
                working[victim] = start(next(numbers))
                killed += 1
            continue
        assert working[victim].returncode == 0, errors
        del working[victim]
    return killed


def every_run(store: Store) -> list[Run]:
    found, token = [], None
    while True:
        page = MlflowClient().search_runs([store.experiment_id], "", max_results=500, page_token=token)
        found += page
        if not (token := page.token):
            return found


def check_store() -> None:
    store = Store()
    store.close_dead()
    runs = every_run(store)
    trained = [run for run in runs if run.data.tags.get("kind") == "imp"]
    assert {run.info.status for run in trained} == {"FINISHED"}
    assert all(run.info.status in ("FINISHED", "KILLED") for run in runs)
    assert not any(CLAIMED in run.data.tags or asks(run) for run in runs)
    keys = Counter(run.data.tags[KEY] for run in runs)
    assert {key for key, number in keys.items() if number > 1} == set(), "a key was begun twice"
    assert len(trained) == len(SEEDS) * len(LEVELS)
    for run in trained:
        solution = load_solution(store, run.info.run_id, trajectory=True)
        assert solution.level == int(run.data.tags["level"])
        losses = MlflowClient().get_metric_history(run.info.run_id, "train/loss")
        first = 0 if solution.level == 0 else 1  # levels begin at the rewind point, within the first epoch
        epochs = list(range(first, EPOCHS + 1))
        assert sorted(point.step for point in losses) == epochs, "an epoch is missing or there twice"
        assert not MlflowClient().list_artifacts(run.info.run_id, "progress")
        models = MlflowClient().search_logged_models(
            [store.experiment_id], f"source_run_id = '{run.info.run_id}'"
        )
        assert len(models) == 1


@pytest.mark.nightly
def test_after_many_kills_every_run_is_finished_verifies_and_was_trained_once(tracking):
    assert soak() == KILLS
    check_store()
