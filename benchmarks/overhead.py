"""What a level costs besides its training: the start of `mlflow run`, and tracking with checkpoints.

    python -m benchmarks.overhead                                        # the digits, in seconds
    python -m benchmarks.overhead --server                               # the same behind `mlflow server`
    python -m benchmarks.overhead --preset resnet20-cifar10 --epochs 2 --dataset imagefolder --data IMAGES

Runs `mlflow run . -e imp_level` on an empty store, some times over. `start` is from the command to the first
step: MLflow itself, imports, reading the data and what is logged before. `tracking` is what the run says
of itself: every second on opening it, keeping progress, logging, writing the checkpoint and exporting the
model; its share is of that and the training together. The first training of a process loads what exports
models; the `later` ones, the levels after it, do not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmarks.environment import ROOT, environment, print_table, usable_cores, write_results
from tests.servers import MlflowServer


@click.command()
@click.option("--preset", default="digits", show_default=True)
@click.option("--dataset", help="As lth reads it; by default the preset's.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Directory of the data set.")
@click.option("--epochs", type=click.IntRange(min=2), help="By default the preset's.")
@click.option("--level", default=2, show_default=True, type=click.IntRange(min=1), help="The last.")
@click.option("--server", is_flag=True, help="Track on `mlflow server`, in front of the same store.")
@click.option("--times", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--name", default="overhead", show_default=True, help="Of the file in benchmarks/results.")
def main(
    preset: str,
    dataset: str | None,
    data: Path | None,
    epochs: int | None,
    level: int,
    server: bool,
    times: int,
    name: str,
) -> None:
    """Time the start of a training and the share of tracking in it."""
    surroundings = environment(usable_cores(), {})
    parameters = {"preset": preset, "level": str(level)}
    if dataset is not None:
        parameters["dataset"] = dataset
    if data is not None:
        parameters["data_dir"] = str(data.resolve())
    if epochs is not None:
        parameters |= {"epochs": str(epochs), "milestones": "none", "rewind_step": "1ep"}
    runs = [_run(parameters, is_served=server) for _ in range(times)]
    middle = {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
    rows = [
        [figure, f"{value:.3g}", ", ".join(f"{r[figure]:.3g}" for r in runs)]
        for figure, value in middle.items()
    ]
    print_table(f"{preset}, {times} times", ["", "median", "each"], rows)
    shown = {key: value for key, value in parameters.items() if key != "data_dir"}
    path = write_results(
        "overhead", name, surroundings, {**shown, "times": times}, {"runs": runs, "median": middle}
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def _run(parameters: dict[str, str], *, is_served: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        uri = f"sqlite:///{directory}/mlflow.db"
        MlflowClient(tracking_uri=uri).search_experiments()
        if is_served:
            server = MlflowServer(Path(directory), uri)
            server.start()
            stack.callback(server.stop)
            uri = server.uri
        client = MlflowClient(tracking_uri=uri)
        client.create_experiment("lth", artifact_location=None if is_served else f"{directory}/artifacts")
        command = [str(Path(sys.executable).with_name("mlflow")), "run", ".", "-e", "imp_level"]
        command += ["--env-manager=local", *(f"-P{key}={value}" for key, value in parameters.items())]
        began = time.time()
        subprocess.run(
            command,
            check=True,
            cwd=ROOT,
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": uri,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ended = time.time()
        experiment = client.get_experiment_by_name("lth")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], "tags.kind = 'imp'")
        first, *later = sorted(runs, key=lambda run: int(run.data.tags["level"]))
        # The record of epoch 0 precedes the first step by nothing.
        (start,) = [p for p in client.get_metric_history(first.info.run_id, "train/loss") if p.step == 0]
        return {
            "start, s": start.timestamp / 1000 - began,
            "whole command, s": ended - began,
            **{f"{what}, first": seconds for what, seconds in _shares([first]).items()},
            **{f"{what}, later": seconds for what, seconds in _shares(later).items()},
        }


def _shares(runs: Sequence[Run]) -> dict[str, float]:
    """Return the mean seconds of training and of tracking, and the share of tracking."""
    spent = [run.data.metrics for run in runs]
    training = statistics.mean(each["time/training_seconds"] for each in spent)
    tracking = statistics.mean(each["time/tracking_seconds"] + each["time/opening_seconds"] for each in spent)
    return {
        "training, s": training,
        "tracking, s": tracking,
        "tracking, share": tracking / (training + tracking),
    }


if __name__ == "__main__":
    main()
