"""How long the default study takes, from the command to its report, and what it decides.

    python -m benchmarks.study                                   # what `make study` runs once .venv is there
    python -m benchmarks.study -P levels=1 -P epochs=2           # to see it run

It runs `mlflow run . -e main` on a new store. Time that setting up `.venv` takes is not in it. Verdicts are
those of the report's `verdicts.csv`: the same bits on the same kind of processor, on others other trainings.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from mlflow import MlflowClient

from benchmarks.environment import ROOT, environment, print_table, usable_cores, write_results


@click.command()
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("-P", "parameters", multiple=True, help="Any other parameter of the study, such as levels=1.")
@click.option("--name", default="study", show_default=True, help="Of the file in benchmarks/results.")
def main(seeds: str, parameters: Sequence[str], name: str) -> None:
    """Time the default study, and count what it decides."""
    surroundings = environment(usable_cores(), {})
    given = [f"seeds={seeds}", *parameters]
    with tempfile.TemporaryDirectory() as directory:
        uri = f"sqlite:///{directory}/mlflow.db"
        took = _run(uri, Path(directory), given)
        client = MlflowClient(tracking_uri=uri)
        (experiment,) = client.search_experiments(filter_string="name = 'lth'")
        runs = client.search_runs(
            [experiment.experiment_id], "attributes.status = 'FINISHED'", max_results=5000
        )
        (report,) = (run for run in runs if run.data.tags.get("kind") == "report")
        verdicts = Path(client.download_artifacts(report.info.run_id, "verdicts.csv", directory))
        found = took | {"results": len(runs)} | _decided(verdicts)
    print_table(" ".join(given), ["", ""], [[key, f"{value:,.0f}"] for key, value in found.items()])
    path = write_results("study", name, surroundings, {"given": given}, found)
    click.echo(f"written to benchmarks/results/{path.name}")


def _run(uri: str, folder: Path, given: Sequence[str]) -> dict[str, float]:
    """Run the study, and return the seconds from the command to its end, and those of processors."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["mlflow", "run", str(ROOT), "-e", "main", "--env-manager=local"]
    command += [word for each in given for word in ("-P", each)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": uri}, check=False
    )
    took = time.monotonic() - began
    if ended.returncode != 0:
        raise click.ClickException(f"{' '.join(command)} ended with status {ended.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": took, "seconds of processors": used}


def _decided(verdicts: Path) -> dict[str, int]:
    """Return how many of the paper's claims were decided in every case, and how many more on average."""
    with verdicts.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["family"] == "paper"]
    everywhere = Counter(row["in_every_case"] for row in rows)
    more = Counter(row["on_average"] for row in rows if row["in_every_case"] == "undecided")
    return {
        "claims": len(rows),
        "hold in every case": everywhere["supported"],
        "against the paper": everywhere["refuted"],
        "more hold on average": more["supported"],
        "more against it on average": more["refuted"],
    }


if __name__ == "__main__":
    main()
