"""How much a training slows down beside other processes: the digits, 8 epochs, alone and beside two busy ones.

    python -m benchmarks.busy

Each training is a process of its own, timed from its first step to its last evaluation, in three settings that
take turns: `before`, as many threads as there are cores, which spin while they wait; `passive`, as many that
leave their core while they wait (`OMP_WAIT_POLICY`); `now`, what lth chooses, and its commands set. Two cores
shared with two busy processes leave a training one: twice its time alone is its share.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from benchmarks.environment import ROOT, environment, print_table, usable_cores, write_results

_SETTINGS: dict[str, tuple[dict[str, str], bool]] = {  # environment, whether lth chooses the threads
    "before": ({}, False),
    "passive": ({"OMP_WAIT_POLICY": "passive"}, False),
    "now": ({"OMP_WAIT_POLICY": "passive"}, True),
}


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--epochs", default=8, show_default=True, type=click.IntRange(min=2))
@click.option("--busy", default=2, show_default=True, type=click.IntRange(min=1), help="Other processes.")
def main(rounds: int, epochs: int, busy: int) -> None:
    """Time a small training alone and beside busy processes."""
    surroundings = environment(usable_cores(), {})
    seconds: dict[str, dict[str, list[float]]] = {"alone": {}, "beside": {}}
    for _ in range(rounds):
        for company, others in (("alone", 0), ("beside", busy)):
            with _busy(others):
                for setting in _SETTINGS:
                    seconds[company].setdefault(setting, []).append(_training(setting, epochs))
                    click.echo(f"{company}, {setting}: {seconds[company][setting][-1]:.1f} s", err=True)
    middle = {
        company: {setting: statistics.median(laps) for setting, laps in found.items()}
        for company, found in seconds.items()
    }
    rows = [_row(setting, middle["alone"][setting], middle["beside"][setting]) for setting in _SETTINGS]
    title = f"digits, {epochs} epochs, median of {rounds} rounds"
    print_table(title, ["", "alone, s", f"beside {busy}, s", "times"], rows)
    path = write_results(
        "busy",
        "busy",
        surroundings,
        {"rounds": rounds, "epochs": epochs, "busy": busy},
        {"seconds": seconds, "median": middle},
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def train(is_chosen: bool, epochs: int) -> None:
    """Train the dense network of the digits, and print the seconds and the threads it took."""
    import time

    import torch

    from lth.data import load_images
    from lth.plan.place import Place
    from lth.setting.preset import resolve
    from lth.solution.problem import plan, set_up, solve
    from lth.training import threads

    if not is_chosen:
        threads._WORTH_PRODUCTS = 0  # so that every network is worth all
    setting = resolve("digits", {"epochs": str(epochs), "milestones": "none", "rewind_step": "1"})
    problem = set_up(setting, load_images("digits"), torch.device("cpu"))
    dense = Place.imp(0)
    began = time.perf_counter()
    solve(problem, dense, plan(problem, dense, None, None))
    sys.stdout.write(json.dumps(time.perf_counter() - began))


def _training(setting: str, epochs: int) -> float:
    variables, is_chosen = _SETTINGS[setting]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    program = f"from benchmarks.busy import train; train({is_chosen}, {epochs})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=ROOT,
        env={**inherited, **variables, "OMP_NUM_THREADS": str(usable_cores()), "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return float(json.loads(done.stdout))


def _row(setting: str, alone: float, beside: float) -> list[str]:
    return [setting, f"{alone:.1f}", f"{beside:.1f}", f"{beside / alone:.1f}"]


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep so many processes busy meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
