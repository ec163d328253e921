"""Time and products to the leading Hessian eigenvalues of a trained ResNet-20: lth beside its peers.

    python -m benchmarks.curvature --data IMAGES

Every contender finds the k algebraically largest eigenvalues of the Hessian of the same mean loss, on the CPU,
in a process of its own with as many threads:

- lth: `leading_spectrum` to a certified interval of the log-product of 1e-3, a second start included;
- curvlinops: its `HessianLinearOperator` in ARPACK (`eigsh`, which="LA") to a tolerance of 1e-2;
- eigenthings: Lanczos of hessian-eigenthings with reorthogonalisation, told how many steps are enough;
- pyhessian: power iteration with deflation, for the few leading eigenvalues that it is asked for here; all
  others would take longer each.

The truth is lth's answer after 4 k products from another start, when residuals are below rounding. A product is
also timed alone, in turns, beside one by double backward through a graph that is kept (`plain`): the unit in
which `equivalents` counts the time a contender took.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.curvature_setup import (
    CurvatureSetup,
    Found,
    load_problem,
    loss_of,
    problem_path,
    save_problem,
)
from benchmarks.environment import environment, print_table, usable_cores, write_results
from benchmarks.images import sample
from benchmarks.rounds import Seat, Spread, interleaved, ratios, seated

CONTENDERS = {
    "lth": Seat("benchmarks.curvature_lth:prepare", "1e-3"),
    "curvlinops": Seat("benchmarks.curvature_peers:curvlinops", "1e-2"),
    "eigenthings": Seat("benchmarks.curvature_peers:eigenthings", "300"),
    "pyhessian": Seat("benchmarks.curvature_peers:pyhessian", "4"),
}
_PLAIN = Seat("benchmarks.curvature_peers:plain")
_TRUTH = Seat("benchmarks.curvature_lth:prepare", "0")


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, for lth.")
@click.option("--only", multiple=True, type=click.Choice(list(CONTENDERS)), help="Contenders; repeatable.")
@click.option("--k", default=100, show_default=True, type=click.IntRange(min=1), help="Eigenvalues.")
@click.option("--images", default=128, show_default=True, help="Images that the loss is the mean of.")
@click.option("--train", default=1000, show_default=True, help="Images to train on.")
@click.option("--epochs", default=40, show_default=True, type=click.IntRange(min=1), help="Of the training.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="Of single products.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of each contender; by default all cores.")
@click.option("--progress", type=click.Path(path_type=Path, file_okay=False), help="Keeps what was trained.")
@click.option("--name", default="curvature", show_default=True, help="Of the file in benchmarks/results.")
def main(
    data: Path | None,
    dataset: str,
    only: Sequence[str],
    k: int,
    images: int,
    train: int,
    epochs: int,
    rounds: int,
    threads: int | None,
    progress: Path | None,
    name: str,
) -> None:
    """Measure how long lth and its peers take to the leading eigenvalues of one Hessian."""
    threads = threads or usable_cores()
    surroundings = environment(threads, {})
    seats = {contender: seat for contender, seat in CONTENDERS.items() if not only or contender in only}
    with tempfile.TemporaryDirectory() as directory:
        kept = progress or Path(directory)
        kept.mkdir(parents=True, exist_ok=True)
        setup = CurvatureSetup(problem_path(kept, "resnet20", train, epochs, images), k)
        if not setup.tensors.exists():
            save_problem(setup, sample(dataset, data, train, 10), epochs, images)
        loss = loss_of(load_problem(setup))
        click.echo(f"trained to a loss of {loss:.4f} on the {images} images", err=True)
        with seated({"plain": _PLAIN, **seats}, setup, threads) as workers:
            turns = {contender: partial(worker, "one") for contender, worker in workers.items()}
            told = interleaved(turns, rounds, 1)
            singles = {contender: [one.seconds for one in by_round] for contender, by_round in told.items()}
            found: dict[str, Found] = {}
            for contender in seats:
                found[contender] = workers[contender]("all")
                click.echo(f"{contender}: {found[contender].seconds:.0f} s", err=True)
            if "lth" in seats:
                found["lth, again"] = workers["lth"]("all")
        with seated({"truth": _TRUTH}, setup, threads) as workers:
            truth = workers["truth"]("all").eigenvalues
    summary = _summary(found, truth, Spread.of(singles["plain"]).median)
    _print(summary, singles)
    path = write_results(
        "curvature",
        name,
        surroundings,
        {
            "dataset": dataset,
            "k": k,
            "images": images,
            "train": train,
            "epochs": epochs,
            "loss": loss,
            "rounds": rounds,
            "variants": {contender: seat.variant for contender, seat in seats.items()},
        },
        {
            "truth": truth,
            "found": {contender: asdict(one) for contender, one in found.items()},
            "summary": summary,
            "one_product": singles,
        },
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def _summary(
    found: Mapping[str, Found], truth: Sequence[float], unit: float
) -> dict[str, dict[str, float | int]]:
    own = found.get("lth")
    summary: dict[str, dict[str, float | int]] = {}
    for contender, one in found.items():
        expected = np.array(truth[: len(one.eigenvalues)])
        values = np.array(one.eigenvalues)
        product = float(np.log(expected).sum())
        error = (
            abs(float(np.log(values).sum()) - product) / abs(product) if (values > 0).all() else float("nan")
        )
        summary[contender] = {
            "seconds": one.seconds,
            "products": one.products,
            "equivalents": one.seconds / unit,
            "eigenvalues": len(values),
            "relative_error_of_log_product": error,
            "largest_relative_error": float((np.abs(values - expected) / np.abs(expected)).max()),
            "times_lth": one.seconds / own.seconds if own is not None else float("nan"),
        }
    return summary


def _print(summary: Mapping[str, Mapping[str, float]], singles: Mapping[str, Sequence[float]]) -> None:
    rows = [
        [
            contender,
            f"{one['eigenvalues']:.0f}",
            f"{one['seconds']:.0f}",
            f"{one['times_lth']:.2f}",
            f"{one['products']:.0f}",
            f"{one['equivalents']:.0f}",
            f"{one['relative_error_of_log_product']:.1e}",
            f"{one['largest_relative_error']:.1e}",
        ]
        for contender, one in summary.items()
    ]
    headings = ["", "k", "s", "times lth", "products", "equivalents", "error of Σ log λ", "worst λ"]
    print_table("leading eigenvalues", headings, rows)
    rows = [
        [contender, str(Spread.of(seconds)), str(ratios(singles["plain"], seconds))]
        for contender, seconds in singles.items()
    ]
    print_table("one product, s, and how many times as fast as plain", ["", "s", "times plain"], rows)


if __name__ == "__main__":
    main()
