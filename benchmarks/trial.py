"""What the trial of a user's own network costs: ResNet-20 in a module of theirs, CIFAR's shape, one thread.

    python -m benchmarks.trial

Some fresh processes, in each of which lth, torch and mlflow are imported, as in a command at that point. The
first optimiser and the first export of a process load libraries of torch's, in every training of any network:
`libraries` is that alone, before; `trial` is what the trial itself takes, for training and curvature; `ours` is
the same for the ResNet-20 of lth, of which it is known.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import click
import torch
from torch import Tensor, nn

from benchmarks.environment import ROOT, environment, print_table, write_results
from lth.network.resnet import CifarResNet

_TRAIN, _TEST, _SHAPE, _CLASSES = 1000, 200, (3, 32, 32), 10

Seconds = dict[str, float]  # cpu and wall


class Own(nn.Module):
    """A ResNet-20 as a user would have it: nothing is known of it."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.network = CifarResNet(20, 16, channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.network(images)


def own(input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """Return the network that is tried."""
    return Own(input_shape[0], num_classes)


@click.command()
@click.option("--times", default=5, show_default=True, type=click.IntRange(min=1), help="Fresh processes.")
def main(times: int) -> None:
    """Time the trial of a user's network and of ours, in fresh processes."""
    surroundings = environment(1, {})
    processes = [_process() for _ in range(times)]
    middle = {
        part: {clock: statistics.median(each[part][clock] for each in processes) for clock in ("cpu", "wall")}
        for part in processes[0]
    }
    rows = [
        [part, *(f"{seconds[clock]:.3f}" for clock in ("cpu", "wall")), _each(part, processes)]
        for part, seconds in middle.items()
    ]
    print_table(f"median of {times} processes", ["", "CPU, s", "wall, s", "CPU of each, s"], rows)
    parameters = {"times": times, "train": _TRAIN, "test": _TEST, "shape": _SHAPE, "classes": _CLASSES}
    path = write_results("trial", "trial", surroundings, parameters, {"processes": processes, "median": middle})
    click.echo(f"written to benchmarks/results/{path.name}")


def measure() -> None:
    """Try both networks in this process, and print the seconds of every part."""
    import mlflow.pytorch  # noqa: F401 (as a command has by then)

    from lth.data import ImageData
    from lth.setting.preset import resolve
    from lth.solution.problem import Problem, set_up
    from lth.study.trial.trial import Trial

    stream = torch.Generator().manual_seed(0)

    def split(count: int) -> tuple[Tensor, Tensor]:
        images = torch.randint(0, 256, (count, *_SHAPE), generator=stream).to(torch.uint8)
        return images, torch.arange(count) % _CLASSES

    data = ImageData("noise", *split(_TRAIN), *split(_TEST))

    def problem(network: str) -> Problem:
        return set_up(resolve("resnet20-cifar10", {"network": network}), data, torch.device("cpu"))

    def attempt(network: str) -> Callable[[], None]:
        trial = Trial(problem(network), lambda _: None)

        def run() -> None:
            trial.need("training")
            trial.need("curvature")
            trial.run()

        return run

    theirs, ours = attempt("benchmarks.trial:own"), attempt("resnet20")
    found = {"libraries": _timed(_load_libraries), "trial": _timed(theirs), "ours": _timed(ours)}
    sys.stdout.write(json.dumps(found))


def _load_libraries() -> None:
    layer = nn.Linear(2, 2)
    torch.optim.SGD(layer.parameters(), lr=0.1)
    torch.export.export(layer, (torch.zeros(2, 2),))


def _timed(run: Callable[[], object]) -> Seconds:
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def _process() -> dict[str, Seconds]:
    done = subprocess.run(
        [sys.executable, "-c", "from benchmarks.trial import measure; measure()"],
        check=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return json.loads(done.stdout)


def _each(part: str, processes: list[dict[str, Seconds]]) -> str:
    return ", ".join(f"{process[part]['cpu']:.3f}" for process in processes)


if __name__ == "__main__":
    main()
