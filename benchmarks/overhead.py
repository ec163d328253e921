"""What a level costs besides its training: the start of `mlflow run`, and tracking with checkpoints.

    python -m benchmarks.overhead                                        # the digits, in seconds
    python -m benchmarks.overhead --preset resnet20-cifar10 --epochs 2 --dataset imagefolder --data IMAGES

Runs `mlflow run . -e train_dense` on an empty store, some times over. `start` is from the command to the first
step: MLflow itself, imports, reading the data and what is logged before. `tracking` is what the run says
of itself: every second spent on keeping progress, logging, writing the checkpoint and exporting the model; its
share is of that and the training together.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from mlflow import MlflowClient

from benchmarks.environment import ROOT, environment, print_table, usable_cores, write_results


@click.command()
@click.option("--preset", default="digits", show_default=True)
@click.option("--dataset", help="As lth reads it; by default the preset's.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Directory of the data set.")
@click.option("--epochs", type=click.IntRange(min=2), help="By default the preset's.")
@click.option("--times", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--name", default="overhead", show_default=True, help="Of the file in benchmarks/results.")
def main(
    preset: str, dataset: str | None, data: Path | None, epochs: int | None, times: int, name: str
) -> None:
    """Time the start of a training and the share of tracking in it."""
    surroundings = environment(usable_cores(), {})
    parameters = {"preset": preset}
    if dataset is not None:
        parameters["dataset"] = dataset
    if data is not None:
        parameters["data_dir"] = str(data.resolve())
    if epochs is not None:
        parameters |= {"epochs": str(epochs), "milestones": "none", "rewind_step": "1ep"}
    runs = [_run(parameters) for _ in range(times)]
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


def _run(parameters: dict[str, str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        uri = f"sqlite:///{directory}/mlflow.db"
        client = MlflowClient(tracking_uri=uri)
        client.create_experiment("lth", artifact_location=f"{directory}/artifacts")
        command = [str(Path(sys.executable).with_name("mlflow")), "run", ".", "-e", "train_dense"]
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
        (run,) = client.search_runs([experiment.experiment_id], "tags.kind = 'imp'")
        numbers = run.data.metrics
        training, tracking = numbers["time/training_seconds"], numbers["time/tracking_seconds"]
        # The record of epoch 0 precedes the first step by nothing.
        (first,) = [p for p in client.get_metric_history(run.info.run_id, "train/loss") if p.step == 0]
        return {
            "start, s": first.timestamp / 1000 - began,
            "whole command, s": ended - began,
            "training, s": training,
            "tracking, s": tracking,
            "tracking, share": tracking / (training + tracking),
        }


if __name__ == "__main__":
    main()
