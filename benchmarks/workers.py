"""What a second worker gives: a study by one process, by two of its own, and by two of Ray, on two cores.

    python -m benchmarks.workers                                        # the digits, two seeds, to level 2
    python -m benchmarks.workers --epochs 2 --levels 1 --rounds 1       # to see it run

A round has five commands, each on a store of its own: one process; two such at once, which share nothing but
the machine; `workers=2`; and, where Ray is installed, `engine=ray` with two workers. Two at once say what the
second core is worth here and now: half their time is what a study takes on both. `efficiency` is that half over
the time with two workers, within a round, so that the load of others, which changes, counts in both. `tasks` is
from the first training to the last measurement: without the start of Python and the report, which one process
does. Then all results are compared, number by number and weight by weight, and the runs of each key counted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import click
from mlflow import MlflowClient

from benchmarks.environment import ROOT, environment, print_table, usable_cores, write_results
from lth.tracking.store import KEY

_RAY = ("--engine=ray", "--address=local")
_BEGUN, _DONE = ("training ", "] training "), "reading what "
_WEIGHTS = "checkpoint/final.safetensors"
_OF_THE_MACHINE = ("time/", "system/")


@dataclass(frozen=True)
class Took:
    """How long a command took, in seconds."""

    whole: float
    tasks: float


@click.command()
@click.option("--preset", default="digits", show_default=True)
@click.option("--seeds", default="0,1", show_default=True)
@click.option("--levels", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--epochs", type=click.IntRange(min=1), help="By default the preset's.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--name", default="workers", show_default=True, help="Of the file in benchmarks/results.")
def main(preset: str, seeds: str, levels: int, epochs: int | None, rounds: int, name: str) -> None:
    """Time a study by one process and by two, and compare what they find."""
    surroundings = environment(usable_cores(), {})
    given = [f"--preset={preset}", f"--seeds={seeds}", f"--levels={levels}"]
    given += [] if epochs is None else [f"--epochs={epochs}", "--milestones=none", "--rewind_step=1ep"]
    manners = {"workers=2": ["--workers=2"]}
    if find_spec("ray") is not None:
        manners["Ray, 2 workers"] = [*_RAY, "--workers=2"]
    taken = [_round(given, manners) for _ in range(rounds)]
    rows = []
    for manner in taken[0]:
        whole = statistics.median(each[manner].whole for each in taken)
        tasks = statistics.median(each[manner].tasks for each in taken)
        shares = [f"{statistics.median(_efficiencies(taken, manner, part)):.2f}" for part in ("whole", "tasks")]
        rows.append([manner, f"{whole:.0f}", f"{tasks:.0f}", *(shares if manner in manners else ["", ""])])
    headings = ["", "whole, s", "tasks, s", "efficiency", "of tasks"]
    print_table(f"{' '.join(given)}, median of {rounds} rounds", headings, rows)
    shown = [{manner: vars(took) for manner, took in each.items()} for each in taken]
    path = write_results("workers", name, surroundings, {"given": given, "rounds": rounds}, {"rounds": shown})
    click.echo(f"the same numbers and weights in all, each key once; written to benchmarks/results/{path.name}")


def _efficiencies(taken: Sequence[dict[str, Took]], manner: str, part: str) -> list[float]:
    return [getattr(each["two at once"], part) / 2 / getattr(each[manner], part) for each in taken]


def _round(given: list[str], manners: dict[str, list[str]]) -> dict[str, Took]:
    with tempfile.TemporaryDirectory() as directory:
        stores = iter(Path(directory, str(number)) for number in range(len(manners) + 3))
        alone = next(stores)
        taken = {"one process": _command(alone, [*given, "--workers=1"])}
        taken["two at once"] = _both([next(stores), next(stores)], [*given, "--workers=1"])
        found = _found(alone)
        for manner, options in manners.items():
            store = next(stores)
            taken[manner] = _command(store, [*given, *options])
            if (odd := _difference(found, _found(store))) is not None:
                raise click.ClickException(f"{manner} found something else than one process: {odd}")
        return taken


def _both(stores: Sequence[Path], given: list[str]) -> Took:
    """Return what two commands took that ran beside each other: the mean, for one may end before the other."""
    taken: list[Took] = []
    threads = [Thread(target=lambda store=store: taken.append(_command(store, given))) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Took(statistics.mean(took.whole for took in taken), statistics.mean(took.tasks for took in taken))


def _command(folder: Path, options: list[str]) -> Took:
    """Complete a study on a new store."""
    folder.mkdir()
    uri = f"sqlite:///{folder}/mlflow.db"
    MlflowClient(tracking_uri=uri).search_experiments()
    began, marks = time.monotonic(), list[float]()
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.study", *options],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if (not marks and any(text in line for text in _BEGUN)) or (marks and line.startswith(_DONE)):
            marks.append(time.monotonic())
    if process.wait() != 0:
        raise click.ClickException(f"study {' '.join(options)} ended with status {process.returncode}")
    return Took(time.monotonic() - began, marks[-1] - marks[0])


def _found(folder: Path) -> dict[str, tuple[dict[str, float], str | None]]:
    """Return numbers and the digest of the weights of every result by its key, which has one run."""
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'lth'")
    runs = client.search_runs([experiment.experiment_id], "tags.level LIKE '%'", max_results=1000)
    twice = {key: number for key, number in Counter(run.data.tags[KEY] for run in runs).items() if number > 1}
    if twice or any(run.info.status != "FINISHED" for run in runs):
        raise click.ClickException(f"in {folder}, runs are not finished, or twice: {twice}")
    return {
        run.data.tags[KEY]: (
            {name: value for name, value in run.data.metrics.items() if not name.startswith(_OF_THE_MACHINE)},
            _digest(Path(run.info.artifact_uri.removeprefix("file://"), _WEIGHTS)),
        )
        for run in runs
    }


def _digest(path: Path) -> str | None:
    return sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _difference(ours: Mapping[str, object], theirs: Mapping[str, object]) -> str | None:
    odd = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    return f"{ours.get(odd[0])} and {theirs.get(odd[0])}" if odd else None


if __name__ == "__main__":
    main()
