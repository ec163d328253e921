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

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import torch

from benchmarks.environment import ROOT, environment, write_results
from benchmarks.gpu_measuring import level, measuring
from benchmarks.gpu_problem import Problem, say
from benchmarks.gpu_training import peak, training, wide

Part = Callable[[Problem], Mapping[str, object]]


def right(_problem: Problem) -> Mapping[str, object]:
    """Run the tests of the GPU, or of what stands in for one."""
    arguments = ["-q", "-p", "no:cacheprovider", "tests/gpu"]
    if torch.cuda.is_available():
        # The tests' own configuration needs what the commands need: MLflow, SQLAlchemy.
        arguments += ["tests/measure/curvature/test_second_derivative_check.py", "-m", "gpu", "--noconftest"]
    else:
        arguments.append("tests/training/test_capture.py")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = tests.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    say("tests", lines[-1] if lines else tests.stderr.strip()[-300:])
    if failed:
        click.echo(tests.stdout[-6000:])
    return {"summary": lines[-1] if lines else "", "failed": failed, "exit": tests.returncode}


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
            right(Problem(torch.device("cpu"), None, 0))
        click.echo("skipped: peak, training, measuring, wide, level (there is no GPU with CUDA here)")
        return
    _run(names, Problem(torch.device("cuda"), data, epochs), name)


def _run(names: list[str], problem: Problem, name: str | None) -> None:
    card = torch.cuda.get_device_properties(0)
    file = name or "gpu_" + card.name.lower().replace(" ", "_")
    found: dict[str, object] = {}
    around = environment(torch.get_num_threads(), {})
    memory = round(card.total_memory / 2**30, 1)
    around |= {"gpu": card.name, "gpu_memory_gib": memory, "cuda": torch.version.cuda}
    images = "noise" if problem.folder is None else "of a folder"
    parameters = {"parts": names, "images": images, "epochs": problem.epochs}
    failed = []
    for part in names:
        began = time.perf_counter()
        click.echo(f"\n{part}")
        try:
            found[part] = PARTS[part](problem)
        except Exception:
            failed.append(part)
            found[part] = {"failed": traceback.format_exc()}
            click.echo(traceback.format_exc()[-2500:])
        torch.cuda.empty_cache()
        say("seconds", f"{time.perf_counter() - began:.1f}")
        path = write_results("gpu", file, around, parameters, found)
    click.echo(f"\nwritten to {path.relative_to(ROOT)}{'; failed: ' + ', '.join(failed) if failed else ''}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
