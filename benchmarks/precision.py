"""Whether training in bf16 costs accuracy: dense ResNet-20 on CIFAR-10 in both precisions, over several seeds.

    python -m benchmarks.precision --data IMAGES

For every seed the same network, data order and augmentation, once with fp32 and once with bf16 products; both
are evaluated in full float32 on all images. Reported is the paired difference bf16 - fp32 over seeds, with the
95 % interval of Student's t. Trainings that are in the results file already are not repeated.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.environment import RESULTS, environment, print_table, usable_cores, write_results
from benchmarks.images import sample
from lth.data import ImageData
from lth.evidence.certainty import estimate_mean
from lth.plan.place import Place
from lth.setting.preset import resolve
from lth.solution.problem import set_up, solve
from lth.solution.recipe import start_dense

PRECISIONS = ("fp32", "bf16")
FIGURES = ("test_accuracy", "train_loss", "test_loss")
NAME = "precision"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10.")
@click.option("--images", default=10_000, show_default=True, help="Training images.")
@click.option("--test-images", default=10_000, show_default=True)
@click.option("--epochs", default=10, show_default=True, help="lr falls tenfold after 6/10 and 9/10 of them.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=2))
@click.option("--threads", type=click.IntRange(min=1), help="By default all cores.")
def main(
    data: Path | None,
    dataset: str,
    images: int,
    test_images: int,
    epochs: int,
    seeds: int,
    threads: int | None,
) -> None:
    """Train in fp32 and bf16 under several seeds, and compare."""
    torch.set_num_threads(threads or usable_cores())
    surroundings = environment(torch.get_num_threads(), {})
    drawn = sample(dataset, data, images, test_images)
    parameters = {"data": drawn.name, "images": images, "test_images": test_images, "epochs": epochs}
    found = _found(parameters)
    for seed in range(seeds):
        for precision in PRECISIONS:
            name = f"{precision} seed {seed}"
            if name not in found:
                found[name] = _train(drawn, seed, precision, epochs)
                click.echo(f"{name}: {found[name]}")
                write_results(NAME, NAME, surroundings, parameters, {"trainings": found, **_compare(found)})
    _print(_compare(found))


def _found(parameters: dict[str, Any]) -> dict[str, dict[str, float]]:
    path = RESULTS / f"{NAME}.json"
    content = json.loads(path.read_text()) if path.exists() else {}
    return dict(content["results"]["trainings"]) if content.get("parameters") == parameters else {}


def _train(images: ImageData, seed: int, precision: str, epochs: int) -> dict[str, float]:
    setting = resolve(
        "resnet20-cifar10",
        {
            "seed": seed,
            "precision": precision,
            "epochs": epochs,
            "milestones": f"{round(0.6 * epochs)}ep,{round(0.9 * epochs)}ep",
            "rewind_step": "1ep",
            "trajectory": "none",
        },
    )
    problem = set_up(setting, images, torch.device("cpu"))
    began = time.perf_counter()
    solution = solve(problem, Place.imp(0), start_dense(problem.network, setting, len(problem.data.train)))
    last = solution.history[-1]
    return {
        "test_accuracy": last.test.accuracy,
        "train_loss": last.train.loss,
        "test_loss": last.test.loss,
        "seconds": time.perf_counter() - began,
    }


def _compare(found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return the mean of each figure by precision, and bf16 - fp32 with its interval."""
    seeds = [s for s in range(len(found)) if all(f"{p} seed {s}" in found for p in PRECISIONS)]
    compared = {}
    for figure in FIGURES:
        values = {p: [found[f"{p} seed {s}"][figure] for s in seeds] for p in PRECISIONS}
        differences = [b - a for a, b in zip(values["fp32"], values["bf16"], strict=True)]
        difference = estimate_mean(differences, alpha=0.025)
        compared[figure] = {
            **{p: sum(v) / max(len(v), 1) for p, v in values.items()},
            "difference": difference.mean,
            "low": difference.low,
            "high": difference.high,
        }
    return {"seeds": len(seeds), "compared": compared}


def _print(compared: dict[str, Any]) -> None:
    rows = [
        [
            figure,
            f"{c['fp32']:.4f}",
            f"{c['bf16']:.4f}",
            f"{c['difference']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]",
        ]
        for figure, c in compared["compared"].items()
    ]
    print_table(f"over {compared['seeds']} seeds", ["", "fp32", "bf16", "bf16 - fp32"], rows)


if __name__ == "__main__":
    main()
