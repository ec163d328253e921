"""A study whose processes are killed 20 times, at random, and that is begun again by the same line.

    python -m benchmarks.kills

Each SIGKILL hits a worker that is at a task, or the command itself, a moment after some task was begun. Where
it was the command, the same line begins it again. The study that finishes is held against one that nothing
disturbed: every result is there, none twice, with the same numbers and the same weights to the bit. What was
done for nothing is told by how often a task was begun, and by the seconds of both.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file

from benchmarks.environment import ROOT, environment, write_results
from lth.tracking.process import PID, is_alive
from lth.tracking.store import KEY

_LONGEST_PAUSE = 1.0  # seconds, from the begin of a task to a kill
_BEGUN = ("] training ", "] measuring ")


def _started(folder: Path, seeds: str) -> subprocess.Popen[str]:
    """Start the study in a folder of its own."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny_problem import OPTIONS  # of the tests, which are beside the benchmarks in a checkout

    options = [*OPTIONS, "--levels=1", "--keep_every=0", f"--seeds={seeds}", "--workers=2", "--retries=20"]
    return subprocess.Popen(
        [sys.executable, "-m", "entrypoints.study", *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "OMP_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, seeds: str, kills: int, chance: random.Random) -> dict[str, Any]:
    """Run the study until it finishes, and return what it took."""
    folder.mkdir()
    killed: Counter[str] = Counter()
    begun, commands, began, said = 0, 0, time.monotonic(), list[str]()
    while True:
        working, commands = _started(folder, seeds), commands + 1
        assert working.stdout is not None
        for line in working.stdout:  # also what a command said that has been killed since
            said.append(line)
            if not any(mark in line for mark in _BEGUN):
                continue
            begun += 1
            if killed.total() < kills and working.poll() is None and chance.random() < 0.5:
                time.sleep(chance.uniform(0, _LONGEST_PAUSE))
                killed.update(_kill(working, folder, chance))
        status = working.wait()
        if status == 0:
            break
        if status != -signal.SIGKILL:
            raise RuntimeError(f"ended with status {status}: {''.join(said[-20:])}")
    seconds = time.monotonic() - began
    return {"kills": dict(killed), "commands": commands, "tasks_begun": begun, "seconds": seconds}


def _kill(working: subprocess.Popen[str], folder: Path, chance: random.Random) -> list[str]:
    """Kill a process that is alive, and return of which kind it was; nothing if there is none."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = _runs(client, "attributes.status = 'RUNNING'")
    at_it = [run.data.tags for run in runs if "level" in run.data.tags and is_alive(run.data.tags)]
    found = [("worker", pid) for pid in sorted({int(tags[PID]) for tags in at_it})]
    if working.poll() is None:
        found.append(("command", working.pid))
    if not found:
        return []
    kind, pid = chance.choice(found)
    with suppress(ProcessLookupError):  # it has ended since
        os.kill(pid, signal.SIGKILL)
        return [kind]
    return []


def _runs(client: MlflowClient, filter_string: str = "") -> list[Any]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, filter_string, max_results=5000))


def found(folder: Path) -> dict[str, tuple[dict[str, float], dict[str, torch.Tensor]]]:
    """Return numbers and weights by the key of each result.

    Raises:
        RuntimeError: If a key was done twice, or a run is left unfinished.
    """
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    if left := [run.info.run_name for run in _runs(client, "attributes.status = 'RUNNING'")]:
        raise RuntimeError(f"left running: {left}")
    results = [run for run in _runs(client, "attributes.status = 'FINISHED'") if "level" in run.data.tags]
    counts = Counter(run.data.tags[KEY] for run in results)
    if twice := [key for key, count in counts.items() if count > 1]:
        raise RuntimeError(f"done twice: {twice}")
    return {run.data.tags[KEY]: (_numbers(run), _weights(run)) for run in results}


def _numbers(run: Any) -> dict[str, float]:
    timeless = {name: value for name, value in run.data.metrics.items() if not name.startswith("time/")}
    return {name: value for name, value in timeless.items() if not name.startswith("final/")}


def _weights(run: Any) -> dict[str, torch.Tensor]:
    file = Path(run.info.artifact_uri.removeprefix("file://")) / "checkpoint" / "final.safetensors"
    return load_file(file) if file.is_file() else {}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the keys of which two studies found something else, or of which only one found anything."""
    odd = list(one.keys() ^ other.keys())
    for key in one.keys() & other.keys():
        (numbers, weights), (theirs, their_weights) = one[key], other[key]
        same = weights.keys() == their_weights.keys() and all(
            torch.equal(tensor, their_weights[name]) for name, tensor in weights.items()
        )
        if numbers != theirs or not same:
            odd.append(key)
    return odd


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seeds", default="0,1", show_default=True)
@click.option("--chance", default=0, show_default=True, help="Seed of who is killed when.")
def main(kills: int, seeds: str, chance: int) -> None:
    """Kill, begin again, and compare."""
    around = environment(1, {})
    with tempfile.TemporaryDirectory() as directory:
        alone, disturbed = Path(directory, "alone"), Path(directory, "disturbed")
        results = {"undisturbed": run(alone, seeds, 0, random.Random(chance))}
        click.echo(f"undisturbed: {results['undisturbed']}")
        results["disturbed"] = run(disturbed, seeds, kills, random.Random(chance))
        click.echo(f"disturbed:   {results['disturbed']}")
        expected, there = found(alone), found(disturbed)
        odd = differences(expected, there)
        results["results"] = {"count": len(expected), "different": len(odd)}
        click.echo(f"results:     {len(expected)}, none twice, {len(odd)} different {odd}")
    write_results("kills", "kills", around, {"kills": kills, "seeds": seeds, "chance": chance}, results)
    sys.exit(bool(odd))


if __name__ == "__main__":
    main()
