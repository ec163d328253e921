"""A thousand leading Hessian eigenvalues of a trained ResNet-20: products, memory and time.

    python -m benchmarks.many_eigenvalues --data IMAGES --progress DIRECTORY

The Hessian is that of `benchmarks.curvature`, of a network trained in the same way, over so many images that a
thousand of its eigenvalues are positive beyond rounding. They are certified to 1e-3, a second start included.
What was trained, and the basis as far as it grew, is kept in `--progress`: the same command goes on where it
was stopped. With `--minutes` it stops by itself, and stores how far it came.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.curvature_setup import (
    CurvatureSetup,
    load_problem,
    loss_of,
    peak_bytes,
    problem_path,
    save_problem,
)
from benchmarks.environment import environment, print_table, write_results
from benchmarks.images import sample
from benchmarks.kept_basis import Keeper
from lth.data import Examples
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.spectrum import Spectrum, basis_capacity, search
from lth.measure.progress_file import measured_by
from lth.network import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights

_SEED = 0


class _StoppedError(Exception):
    """The time is over."""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, for lth.")
@click.option("--progress", type=click.Path(path_type=Path, file_okay=False), required=True, help="Kept here.")
@click.option("--network", default="resnet20", show_default=True)
@click.option("--train", default=1000, show_default=True, help="Images to train on.")
@click.option("--epochs", default=40, show_default=True, type=click.IntRange(min=1), help="Of the training.")
@click.option("--images", default=256, show_default=True, help="Of these, that the loss is the mean of.")
@click.option("--k", default=1000, show_default=True, type=click.IntRange(min=1), help="Eigenvalues.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--minutes", default=0.0, show_default=True, help="To stop after; 0: when all is found.")
@click.option(
    "--name", default="many_eigenvalues", show_default=True, help="Of the file in benchmarks/results."
)
def main(
    data: Path | None,
    dataset: str,
    progress: Path,
    network: str,
    train: int,
    epochs: int,
    images: int,
    k: int,
    threads: int,
    minutes: float,
    name: str,
) -> None:
    """Certify k eigenvalues, or as many as the time allows."""
    torch.set_num_threads(threads)
    surroundings = environment(threads, {})
    progress.mkdir(parents=True, exist_ok=True)
    setup = CurvatureSetup(problem_path(progress, network, train, epochs, images), k, network)
    if not setup.tensors.exists():
        save_problem(setup, sample(dataset, data, train, 10), epochs, images)
    problem = load_problem(setup)
    loss = loss_of(problem)
    zero, one, weights = torch.zeros(3, 1, 1), torch.ones(3, 1, 1), Weights.of(problem.network)
    space = LevelSpace(Mask.dense(problem.network), weights)
    operator = HessianOperator(
        problem.network, weights, space, Examples(problem.inputs, problem.labels, zero, one)
    )
    capacity = basis_capacity(operator, k)
    keeper = Keeper(progress, _SEED, f"{setup.tensors.name} {k}", measured_by([torch.device("cpu")], threads))
    basis = keeper.find(operator, capacity) or KrylovBasis(operator, _SEED, capacity)
    began, before = time.perf_counter(), keeper.seconds

    def keep() -> None:
        keeper.keep(basis)
        if minutes and time.perf_counter() - began > 60 * minutes:
            raise _StoppedError

    try:
        found: Spectrum | None = search(basis, k, keep=keep)
    except _StoppedError:
        keeper.keep(basis, at_once=True)
        found = search(basis, k, max_products=max(k, basis.num_products)) if len(basis) >= k else None
    seconds = before + time.perf_counter() - began
    results: dict[str, object] = {
        "parameters": operator.dimension,
        "loss": loss,
        "products": basis.num_products,
        "vectors": len(basis),
        "restarts": basis.num_restarts,
        "starts": basis.num_starts,
        "seconds": seconds,
        "basis_bytes": 4 * len(basis) * operator.dimension,
        "peak_bytes": peak_bytes(),
        "converged": found is not None and found.converged,
        **({} if found is None else _of_spectrum(found)),
    }
    headings = ["parameters", "images", "k", "products", "vectors", "s", "peak GiB", "converged"]
    row = [
        f"{operator.dimension:,}",
        str(images),
        str(k),
        str(basis.num_products),
        str(len(basis)),
        f"{seconds:.0f}",
        f"{peak_bytes() / 2**30:.2f}",
        str(results["converged"]),
    ]
    print_table(f"{network} trained to {loss:.4f} on the images", headings, [row])
    path = write_results(
        "many_eigenvalues",
        name,
        surroundings,
        {"network": network, "train": train, "epochs": epochs, "images": images, "k": k, "tolerance": 1e-3},
        results,
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def _of_spectrum(found: Spectrum) -> dict[str, object]:
    """Return what is known of the eigenvalues, of which not all need be positive."""
    told: dict[str, object] = {
        "positive": found.num_positive,
        "noise": found.noise,
        "failure_probability": found.failure_probability,
        "eigenvalues": found.eigenvalues.tolist(),
        "largest_relative_width": float(np.max((found.upper - found.eigenvalues) / found.eigenvalues[0])),
    }
    if found.num_positive == len(found.eigenvalues):
        told |= {"log_eig_product": found.log_eig_product, "log_eig_interval": found.log_eig_interval}
    return told


if __name__ == "__main__":
    main()
