"""Everything that only a GPU shows, in one command of a few minutes: is it right, how fast, how wide.

    make gpu        or, without MLflow and without a virtual environment:  bash benchmarks/gpu.sh

- right: the tests in `tests/gpu`: the CPU's results to stated tolerances, the same bits twice, after a kill,
  and by two processes at once;
- peak: what the card does at best, and what a launch costs;
- training: images a second of ResNet-20 as a study trains it (batches of 128, masked, cropped and flipped, its
  evaluations included), launched kernel by kernel, captured as a CUDA graph, and compiled besides;
- measuring: products of the Hessian, the 100 leading eigenvalues, losses on a plane, radii;
- wide: trainings at once on the one card, in processes of their own and on streams of one process;
- level: level 1 of `resnet20-cifar10`, trained for `--epochs` and measured by the preset: what a chain takes.

Images are noise of CIFAR-10's size unless `--data` names a folder of images: rates are the same, accuracies are
not. A part that fails says so, and the others go on. What it found is in `benchmarks/results/gpu_<card>.json`,
written anew after every part. Without a GPU only the tests that need none run, and nothing is written.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.environment import ROOT, environment, write_results
from benchmarks.gpu_measuring import level, measuring
from benchmarks.gpu_problem import Problem, say
from benchmarks.gpu_training import peak, training, wide

Part = Callable[[Problem, dict[str, Any]], None]  # which notes what it finds as soon as it is found


def right(_problem: Problem, found: dict[str, Any]) -> None:
    """Run the tests of the GPU, or of what stands in for one."""
    arguments = ["-v", "--tb=short", "-p", "no:cacheprovider", "tests/gpu"]
    if torch.cuda.is_available():
        # The tests' own configuration needs what the commands need: MLflow, SQLAlchemy.
        arguments += ["tests/measure/curvature/test_second_derivative_check.py", "-m", "gpu", "--noconftest"]
        arguments += ["-n", "4"] if find_spec("xdist") else []  # most of them wait for Python, not for the card
    else:
        arguments.append("tests/training/test_capture.py")
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        for line in tests.stdout:
            click.echo(f"  {line.rstrip()}")
            if outcome := _OUTCOME.search(line):
                test = _TEST.search(line)
                found.setdefault(outcome[0].lower(), []).append(test[0] if test else line.strip())
    found["exit"] = tests.returncode


# A line a test; xdist puts the outcome first.
_OUTCOME = re.compile(r"\b(PASSED|FAILED|ERROR|SKIPPED)\b(?= tests/.+::| +\[|$| \()")
_TEST = re.compile(r"tests/\S+::\S+")


PARTS: Mapping[str, Part] = {
    "right": right,
    "peak": peak,
    "training": training,
    "measuring": measuring,
    "wide": wide,
    "level": level,
}


@click.command()
@click.option("--only", help="Parts, with commas; by default all.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="A folder of train/<class>/*, test/<class>/*."
)
@click.option("--epochs", default=10, show_default=True, help="Of the level's trainings.")
@click.option("--name", help="Of the file in benchmarks/results; by default the card's.")
def main(only: str | None, data: Path | None, epochs: int, name: str | None) -> None:
    """Prove and measure what only a GPU shows."""
    names = list(PARTS) if only is None else only.split(",")
    if unknown := set(names) - set(PARTS):
        raise click.ClickException(f"{', '.join(sorted(unknown))} is no part; choose of {', '.join(PARTS)}")
    if not torch.cuda.is_available():
        if "right" in names:
            right(Problem(torch.device("cpu"), None, 0), {})
        click.echo("skipped: peak, training, measuring, wide, level (there is no GPU with CUDA here)")
        return
    _run(names, Problem(torch.device("cuda"), data, epochs), name)


def _run(names: list[str], problem: Problem, name: str | None) -> None:
    card = torch.cuda.get_device_properties(0)
    file = name or "gpu_" + card.name.lower().replace(" ", "_")
    found: dict[str, dict[str, Any]] = {}
    around = environment(torch.get_num_threads(), {})
    memory = round(card.total_memory / 2**30, 1)
    around |= {"gpu": card.name, "gpu_memory_gib": memory, "cuda": torch.version.cuda}
    images = "noise" if problem.folder is None else "of a folder"
    parameters = {"parts": names, "images": images, "epochs": problem.epochs}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended: its time is over"))  # what was found is kept
    for part in names:
        began = time.perf_counter()
        click.echo(f"\n{part}")
        found[part] = {}
        try:
            PARTS[part](problem, found[part])
        except Exception:
            found[part]["failed_with"] = traceback.format_exc()
            click.echo(found[part]["failed_with"][-2500:])
        finally:
            found[part]["seconds"] = time.perf_counter() - began
            path = write_results("gpu", file, around, parameters, found)
        torch.cuda.empty_cache()
        say("seconds", f"{found[part]['seconds']:.1f}")
    failed = [part for part, results in found.items() if "failed_with" in results or results.get("exit")]
    click.echo(f"\nwritten to {path.relative_to(ROOT)}{'; failed: ' + ', '.join(failed) if failed else ''}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
