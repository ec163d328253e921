"""Everything that only a GPU shows, in one command of eight minutes: is it right, how fast, how wide.

    make gpu        or, without MLflow and without a virtual environment:  bash benchmarks/gpu.sh

- right: the tests in `tests/gpu`: the CPU's results to stated tolerances, the same bits twice, after a kill,
  by two processes at once and under NVIDIA's service; steps of every kind captured;
- peak: what the card does at best, and what a launch costs;
- measuring: products of the Hessian, losses on a plane;
- products: where the time of those goes, and what would cut it;
- wide: trainings at once on the one card: in processes of their own, under the service, on streams of one
  process, and as replicas in one step;
- training: images a second of ResNet-20 as a study trains it (batches of 128, masked, cropped and flipped, its
  evaluations included), launched kernel by kernel, captured as a CUDA graph, and compiled besides;
- level: level 1 of `resnet20-cifar10`, trained for `--epochs` and measured by the preset: what a chain takes.

Images are noise of CIFAR-10's size unless `--data` names a folder of images: rates are the same, accuracies are
not. A check that fails says so, and the others go on; a part that takes longer than its share of `--minutes` is
ended, and what a part leaves is for those after it. What was found is in `benchmarks/results/gpu_<card>.json`,
written anew after every part. Without a GPU only the tests that need none run, and nothing is written.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.environment import ROOT, environment, write_results
from benchmarks.gpu_measuring import level, measuring
from benchmarks.gpu_problem import OutOfTimeError, Problem, say
from benchmarks.gpu_products import products
from benchmarks.gpu_training import peak, training, wide

Part = Callable[[Problem, dict[str, Any]], None]  # which notes what it finds as soon as it is found

# A process each on a GPU, where most of the time is Python's; the last holds what a user's network may do.
_ON_A_GPU = [
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "gpu").glob("test_*.py")),
    "tests/measure/curvature/test_second_derivative_check.py",
]
_STANDING_IN = ["test_capture", "test_captured_training", "test_own_gradients", "test_sharing"]


def right(_problem: Problem, found: dict[str, Any]) -> None:
    """Run the tests of the GPU, or of what stands in for one."""
    command = [sys.executable, "-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider"]
    if torch.cuda.is_available():
        # The tests' own configuration needs what the commands need: MLflow, SQLAlchemy.
        commands = [[*command, "-m", "gpu", "--noconftest", file] for file in _ON_A_GPU]
    else:
        commands = [[*command, "tests/gpu", *(f"tests/training/{name}.py" for name in _STANDING_IN)]]
    running = [
        subprocess.Popen(each, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for each in commands
    ]
    with ThreadPoolExecutor(len(running)) as readers:
        try:
            found["exit"] = max(readers.map(partial(_note, found), running))
        finally:
            for tests in running:
                tests.kill()
            counts = [f"{len(tests)} {outcome}" for outcome, tests in found.items() if outcome != "exit"]
            say("tests", ", ".join(counts) or "none")


def _note(found: dict[str, Any], tests: subprocess.Popen[str]) -> int:
    """Show what tests say, note what became of each, and return their exit status."""
    assert tests.stdout is not None
    for line in tests.stdout:
        click.echo(f"  {line.rstrip()}")
        if (outcome := _OUTCOME.search(line)) and (test := _TEST.search(line)):
            found.setdefault(outcome[0].lower(), []).append(test[0])
    return tests.wait()


_OUTCOME = re.compile(r"\b(PASSED|FAILED|ERROR|SKIPPED)\b(?= +\[|$| \()")  # at the end of a test's line
_TEST = re.compile(r"tests/\S+::\S+")


# With the seconds that each may take of eight minutes.
PARTS: Mapping[str, tuple[Part, float]] = {
    "right": (right, 120),
    "peak": (peak, 15),
    "measuring": (measuring, 30),
    "products": (products, 50),
    "wide": (wide, 60),
    "training": (training, 75),
    "level": (level, 130),
}


@click.command()
@click.option("--only", help="Parts, with commas; by default all.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="A folder of train/<class>/*, test/<class>/*."
)
@click.option("--minutes", default=8.0, show_default=True, help="That all of it may take.")
@click.option("--epochs", default=10, show_default=True, help="Of the level's trainings.")
@click.option("--name", help="Of the file in benchmarks/results; by default the card's.")
def main(only: str | None, data: Path | None, minutes: float, epochs: int, name: str | None) -> None:
    """Prove and measure what only a GPU shows."""
    names = list(PARTS) if only is None else only.split(",")
    if unknown := set(names) - set(PARTS):
        raise click.ClickException(f"{', '.join(sorted(unknown))} is no part; choose of {', '.join(PARTS)}")
    if not torch.cuda.is_available():
        found: dict[str, Any] = {}
        if "right" in names:
            right(Problem(torch.device("cpu"), None, 0), found)
        for skipped in [part for part in names if part != "right"]:
            say(skipped, "skipped: there is no GPU with CUDA here, unmeasured")
        sys.exit(found.get("exit", 0))
    _run(names, Problem(torch.device("cuda"), data, epochs), name, 60 * minutes)


def _run(names: list[str], problem: Problem, name: str | None, seconds: float) -> None:
    card = torch.cuda.get_device_properties(0)
    file = name or "gpu_" + card.name.lower().replace(" ", "_")
    found: dict[str, dict[str, Any]] = {}
    around = environment(torch.get_num_threads(), {})
    memory = round(card.total_memory / 2**30, 1)
    around |= {"gpu": card.name, "gpu_memory_gib": memory, "cuda": torch.version.cuda}
    images = "noise" if problem.folder is None else "of a folder"
    parameters = {"parts": names, "images": images, "epochs": problem.epochs}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended: its time is over"))  # what was found is kept
    end = time.monotonic() + seconds
    for number, part in enumerate(names):
        began = time.perf_counter()
        click.echo(f"\n{part}")
        found[part] = {}
        try:
            with _within(end - time.monotonic() - _needed(names[number + 1 :], names, seconds)):
                PARTS[part][0](problem, found[part])
        except (Exception, OutOfTimeError) as error:
            found[part]["failed_with"] = traceback.format_exc()
            click.echo(
                f"  {error}" if isinstance(error, OutOfTimeError) else found[part]["failed_with"][-2500:]
            )
        finally:
            found[part]["seconds"] = time.perf_counter() - began
            path = write_results("gpu", file, around, parameters, found)
        torch.cuda.empty_cache()
        say("seconds", f"{found[part]['seconds']:.1f}")
    failed = [part for part, results in found.items() if _has_failed(results)]
    click.echo(f"\nwritten to {path.relative_to(ROOT)}{'; failed: ' + ', '.join(failed) if failed else ''}")
    sys.exit(bool(failed))


def _has_failed(results: Mapping[str, Any]) -> bool:
    return bool("failed_with" in results or results.get("exit") or results.get("failed_checks"))


def _needed(later: list[str], names: list[str], seconds: float) -> float:
    """Return how many seconds are for the parts to come, of all that there are for those that were chosen."""
    whole = sum(PARTS[name][1] for name in names)
    return seconds * sum(PARTS[name][1] for name in later) / whole


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` in what takes longer, when its Python goes on."""

    def out_of_time(*_: object) -> None:
        raise OutOfTimeError(f"ended after {seconds:.0f} s, which is its share of the time")

    before = signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1.0))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main()
