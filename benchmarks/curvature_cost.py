"""What the leading Hessian eigenvalues cost: time, products and memory against images, parameters and k.

    python -m benchmarks.curvature_cost --data IMAGES
    python -m benchmarks.curvature_cost --data IMAGES --point vgg16:32:100 --epochs 10 --name curvature_vgg16

Each point `network:images:k` is measured in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.curvature_setup import CurvatureSetup, Found, load_problem, save_problem
from benchmarks.environment import environment, print_table, usable_cores, write_results
from benchmarks.images import sample
from benchmarks.rounds import Seat, seated
from lth.data import ImageData

_LTH = Seat("benchmarks.curvature_lth:prepare", "1e-3")
_POINTS = (
    "resnet20:64:50",
    "resnet20:128:50",
    "resnet20:256:50",
    "resnet20-w8:128:50",
    "resnet20-w32:128:50",
    "resnet20:128:20",
    "resnet20:128:100",
)


@dataclass(frozen=True)
class Cost:
    """What one point took."""

    network: str
    parameters: int
    images: int
    k: int
    loss: float  # on the images
    one_product: float  # s
    found: Found


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, for lth.")
@click.option("--point", "points", multiple=True, default=_POINTS, help="network:images:k; repeatable.")
@click.option("--train", default=1000, show_default=True, help="Images to train on.")
@click.option("--epochs", default=40, show_default=True, type=click.IntRange(min=1), help="Of the training.")
@click.option("--threads", type=click.IntRange(min=1), help="By default all cores.")
@click.option("--name", default="curvature_cost", show_default=True, help="Of the file in benchmarks/results.")
def main(
    data: Path | None,
    dataset: str,
    points: Sequence[str],
    train: int,
    epochs: int,
    threads: int | None,
    name: str,
) -> None:
    """Measure what lth's leading eigenvalues cost at each point."""
    threads = threads or usable_cores()
    surroundings = environment(threads, {})
    drawn = sample(dataset, data, train, 10)
    costs = []
    for point in points:
        network, images, k = _parse(point)
        with _problem(network, images, k, drawn, epochs) as (setup, loss):
            parameters = sum(p.numel() for p in load_problem(setup).network.parameters())
            with seated({point: _LTH}, setup, threads) as workers:
                found: Found = workers[point]("all")
                one: Found = workers[point]("one")
        click.echo(f"{point}: {found.seconds:.0f} s, {found.products} products", err=True)
        costs.append(Cost(network, parameters, images, k, loss, one.seconds, found))
    rows = [
        [
            cost.network,
            f"{cost.parameters:,}",
            str(cost.images),
            str(cost.k),
            f"{cost.one_product:.3f}",
            str(cost.found.products),
            f"{cost.found.seconds:.0f}",
            f"{cost.found.peak_bytes / 2**30:.2f}",
        ]
        for cost in costs
    ]
    headings = ["", "parameters", "images", "k", "s a product", "products", "s in all", "peak GiB"]
    print_table("cost of the k leading eigenvalues, certified to 1e-3", headings, rows)
    path = write_results(
        "curvature_cost",
        name,
        surroundings,
        {"data": drawn.name, "train": train, "epochs": epochs, "tolerance": float(_LTH.variant)},
        {"costs": [asdict(cost) for cost in costs]},
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def _parse(point: str) -> tuple[str, int, int]:
    try:
        network, images, k = point.split(":")
        return network, int(images), int(k)
    except ValueError as error:
        raise click.ClickException(f"point={point!r}; write network:images:k, as resnet20:128:50") from error


@contextmanager
def _problem(
    network: str, images: int, k: int, drawn: ImageData, epochs: int
) -> Iterator[tuple[CurvatureSetup, float]]:
    with tempfile.TemporaryDirectory() as directory:
        setup = CurvatureSetup(Path(directory, "problem.safetensors"), k, network)
        yield setup, save_problem(setup, drawn, epochs, images)


if __name__ == "__main__":
    main()
