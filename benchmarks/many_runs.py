"""What it takes to find runs in a store of many: keys, studies, the dead, and the start of a command.

    python -m benchmarks.many_runs                                     # SQLite
    python -m benchmarks.many_runs --store postgresql+psycopg2://lth@127.0.0.1:5432/many   # an empty database

Writes runs straight into the tables of MLflow, in studies of a hundred: with their tags, a few parameters and
metrics each. Then times, in one process, each question as lth asks it, and `before` as it asked it until then;
then the command `imp_level`, from its start to its first training, on an empty store, on this one, and on one
whose runs an earlier version wrote, without second tags. Where other work is done beside it, the seconds of the
processor tell more than those of the clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import click
import mlflow
from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from benchmarks.environment import ROOT, environment, print_table, usable_cores, write_results
from lth.tracking.lookup import INDEXED, KEY, STUDY, indexed
from lth.tracking.process import HOST, PID, PROCESS
from lth.tracking.store import Store

_A_STUDY = 100  # runs
_BATCH = 2000  # runs
_METRICS = ("train/loss", "test/accuracy", "time/training_seconds", "density", "seed")
_PARAMETERS = ("network", "epochs", "batch_size", "lr", "seed", "level")


@click.command()
@click.option("--runs", "count", default=100_000, show_default=True, type=click.IntRange(min=_A_STUDY))
@click.option("--store", "uri", help="An empty database; by default an SQLite file of its own.")
@click.option("--times", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--starts", default=3, show_default=True, type=click.IntRange(min=1), help="Of the command.")
@click.option("--name", default="many_runs", show_default=True, help="Of the file in benchmarks/results.")
def main(count: int, uri: str | None, times: int, starts: int, name: str) -> None:
    """Time how runs are found in a store of many."""
    surroundings = environment(usable_cores(), {})
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        store = uri or f"sqlite:///{directory}/many.db"
        began = time.monotonic()
        fill(store, count, directory)
        click.echo(f"{count:,} runs written in {time.monotonic() - began:.0f} s", err=True)
        questions = _questions(store, count, times)
        empty = f"sqlite:///{directory}/empty.db"
        commands = {"empty": _starts(empty, starts), "many": _starts(store, starts)}
        forget_names(store)
        commands["many of before"] = _starts(store, starts)
    rows = [[what, *(f"{1000 * seconds:.2f}" for seconds in pair)] for what, pair in questions.items()]
    print_table(f"{count:,} runs, median of {times}, ms", ["", "before", "now"], rows)
    shown = [
        [where, *(f"{statistics.median(column):.2f}" for column in zip(*took, strict=True))]
        for where, took in commands.items()
    ]
    title = f"imp_level, from its start to its first training, median of {starts}, s"
    print_table(title, ["store", "by the clock", "of the processor"], shown)
    path = write_results(
        "many_runs",
        name,
        surroundings,
        {"runs": count, "store": store.split(":")[0], "times": times, "starts": starts},
        {"questions, s before and now": questions, "starts, s": commands},
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def fill(uri: str, count: int, directory: str) -> None:
    """Write an experiment `lth` with so many finished runs, and one in a thousand that is RUNNING."""
    client = MlflowClient(tracking_uri=uri)
    number = client.create_experiment("lth", f"{directory}/artifacts", {INDEXED: "true"})
    Path(directory, "artifacts").mkdir()
    statements = {
        "runs": "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, "
        "lifecycle_stage, artifact_uri, experiment_id) VALUES (:run, :name, 'LOCAL', 'lab', :status, :start, "
        ":start, 'active', :address, :experiment)",
        "tags": "INSERT INTO tags (key, value, run_uuid) VALUES (:key, :value, :run)",
        "params": "INSERT INTO params (key, value, run_uuid) VALUES (:key, :value, :run)",
        "latest_metrics": "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
        "VALUES (:key, 0.5, 0, 0, false, :run)",
    }
    engine = create_engine(uri)
    with engine.begin() as database:
        for first in range(0, count, _BATCH):
            rows: dict[str, list[dict[str, object]]] = {table: [] for table in statements}
            for index in range(first, min(first + _BATCH, count)):
                _add(rows, index, int(number), f"{directory}/artifacts")
            for table, statement in statements.items():
                database.execute(text(statement), rows[table])
    if uri.startswith("postgresql"):
        with engine.connect() as database:  # as the server's own housekeeping would by then
            database.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    engine.dispose()


def forget_names(uri: str) -> None:
    """Let the store be one that an earlier version wrote."""
    engine = create_engine(uri)
    with engine.begin() as database:
        database.execute(text(f"DELETE FROM tags WHERE key LIKE '{KEY}.%' OR key LIKE '{STUDY}.%'"))
        database.execute(text(f"DELETE FROM experiment_tags WHERE key = '{INDEXED}'"))
    engine.dispose()


def key_of(index: int) -> str:
    """Return the content key of a run."""
    return sha256(f"run {index}".encode()).hexdigest()


def study_of(index: int) -> str:
    """Return the key of the study of a run."""
    return sha256(f"study {index // _A_STUDY}".encode()).hexdigest()


def _add(rows: dict[str, list[dict[str, object]]], index: int, experiment: int, artifacts: str) -> None:
    run = sha256(f"id {index}".encode()).hexdigest()[:32]
    level = index % _A_STUDY
    tags = indexed(
        {
            KEY: key_of(index),
            STUDY: study_of(index),
            "lth.precision": "fp32",
            "kind": "measurement" if level % 5 else "imp",
            "level": str(level // 5),
            "preset": "digits",
            "seed": str(index // _A_STUDY),
            "mlflow.runName": f"level {level // 5}",
            "mlflow.user": "lab",
            "mlflow.source.name": "entrypoints/study.py",
            HOST: "node",
            PID: "1",
            PROCESS: "nobody any more",
        }
    )
    rows["runs"].append(
        {
            "run": run,
            "name": f"level {level // 5}",
            "status": "RUNNING" if index % 1000 == 999 else "FINISHED",
            "start": 1_700_000_000_000 + index,
            "address": f"{artifacts}/{run}/artifacts",
            "experiment": experiment,
        }
    )
    rows["tags"] += [{"key": key, "value": value, "run": run} for key, value in tags.items()]
    rows["params"] += [{"key": key, "value": "1", "run": run} for key in _PARAMETERS]
    rows["latest_metrics"] += [{"key": key, "run": run} for key in _METRICS]


def _questions(uri: str, count: int, times: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds of each question, as it was asked before and as it is now."""
    mlflow.set_tracking_uri(uri)
    store = Store(adopts=False)
    indices = [index * count // times for index in range(times)]
    absent = iter([sha256(f"absent {index}".encode()).hexdigest() for index in range(4 * times)])
    return {
        "a key that is there": (
            _median(lambda index: store.search(f"tags.`{KEY}` = '{key_of(index)}'"), indices),
            _median(lambda index: store.of_key(key_of(index)), indices),
        ),
        "a key that is not": (
            _median(lambda _index: store.search(f"tags.`{KEY}` = '{next(absent)}'"), indices),
            _median(lambda _index: store.of_key(next(absent)), indices),
        ),
        f"a study of {_A_STUDY}": (
            _median(lambda index: store.search(f"tags.`{STUDY}` = '{study_of(index)}'"), indices[:5]),
            _median(lambda index: store.of_study(study_of(index)), indices[:5]),
        ),
        f"the dead among {count // 1000}": (_median(lambda _index: store.close_dead(), indices[:5]),) * 2,
    }


def _median(ask: Callable[[int], object], indices: list[int]) -> float:
    took = []
    for index in indices:
        began = time.perf_counter()
        ask(index)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _starts(uri: str, times: int) -> list[tuple[float, float]]:
    return [_start(uri, seed) for seed in range(times)]


def _start(uri: str, seed: int) -> tuple[float, float]:
    """Return how many seconds a command takes to its first training, and how many of the processor; end it."""
    began = time.monotonic()
    command = [sys.executable, "-m", "entrypoints.imp_level", "--level=1", f"--seed={1000 + seed}"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = next((line for line in process.stdout if line.startswith("training ")), None)
    took = time.monotonic() - began
    process.kill()
    process.stdout.close()
    _, _, used = os.wait4(process.pid, 0)
    if line is None:
        raise click.ClickException(f"{' '.join(command)} trained nothing on {uri}")
    return took, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
