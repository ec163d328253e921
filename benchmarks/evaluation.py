"""Losses a second along a line and on a plane of weights: lth beside loss-landscapes and a plain loop.

    python -m benchmarks.evaluation --data IMAGES --loss-landscapes CHECKOUT

Every contender evaluates the mean cross-entropy of the same CIFAR-10 images in float32 on the CPU, on the line
between two networks and on the plane through three, whose weights are random and whose BatchNorm statistics are
those of a pass over the images:

- loss-landscapes-whole, -128, -500: `linear_interpolation` and `planar_interpolation` of that package, with its
  `Loss` of all images at once, and with a metric that takes the mean of batches;
- plain-128, plain-500: weights computed and loaded into the network point by point, and batches run through it;
- lth: `interpolate` and `loss_surface` with its `Evaluator`.

What makes it fair: each runs in a process of its own with as many threads; they take turns in every round, so
that what else the machine does hits all alike, and ratios are of the same round; a first round is not
counted; images are normalised before, weights of the points are computed in the time. The peer's setting that
was best in the median is what ratios are to. (`random_plane` is left out: it differs from
`planar_interpolation` in the directions alone, which it draws and normalises in the time.)

The losses themselves are compared: on the line and at the peers' points of the plane between all contenders, at
the points of `loss_surface` (as many, but others: it covers a margin) between lth and the plain loop. Where
two differ by more than 1e-5, absolutely or relative to a loss above 1, the program ends with status 1.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.environment import environment, print_table, usable_cores, write_results
from benchmarks.evaluation_setup import EvaluationSetup, Tour, plane, save_problem
from benchmarks.images import sample
from benchmarks.peak import FORWARD_GFLOP, PEAK
from benchmarks.rounds import Seat, Spread, best_peer, interleaved, ratios, seated
from benchmarks.worker import Worker

CONTENDERS = {
    "loss-landscapes-whole": Seat("benchmarks.evaluation_loss_landscapes:prepare", "whole"),
    "loss-landscapes-128": Seat("benchmarks.evaluation_loss_landscapes:prepare", "128"),
    "loss-landscapes-500": Seat("benchmarks.evaluation_loss_landscapes:prepare", "500"),
    "plain-128": Seat("benchmarks.evaluation_plain:prepare", "128"),
    "plain-500": Seat("benchmarks.evaluation_plain:prepare", "500"),
    "lth": Seat("benchmarks.evaluation_lth:prepare"),
}
TOLERANCE = 1e-5
_COMMANDS = ("line", "plane")


@dataclass(frozen=True)
class Difference:
    """How far losses at the same points are apart at most."""

    points: str
    contender: str
    to: str
    absolute: float
    relative: float
    agrees: bool


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, for lth.")
@click.option("--loss-landscapes", type=click.Path(exists=True, path_type=Path), help="A checkout of it.")
@click.option("--only", multiple=True, type=click.Choice(list(CONTENDERS)), help="Contenders; repeatable.")
@click.option("--images", default=1024, show_default=True, help="Images that a loss is the mean of.")
@click.option("--points", default=8, show_default=True, type=click.IntRange(min=2), help="Points of the line.")
@click.option("--grid", default=4, show_default=True, type=click.IntRange(min=3), help="A side of the plane.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--warmup", default=1, show_default=True, type=click.IntRange(min=0), help="Rounds not kept.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of each contender; by default all cores.")
@click.option("--name", default="evaluation", show_default=True, help="Of the file in benchmarks/results.")
def main(
    data: Path | None,
    dataset: str,
    loss_landscapes: Path | None,
    only: Sequence[str],
    images: int,
    points: int,
    grid: int,
    rounds: int,
    warmup: int,
    threads: int | None,
    name: str,
) -> None:
    """Measure how many losses a second lth evaluates, beside loss-landscapes and a plain loop."""
    threads = threads or usable_cores()
    surroundings = environment(threads, {"loss-landscapes": loss_landscapes} if loss_landscapes else {})
    seats = _chosen(only, loss_landscapes)
    drawn = sample(dataset, data, images, 10)
    with tempfile.TemporaryDirectory() as directory:
        checkout = loss_landscapes and loss_landscapes.resolve()
        setup = EvaluationSetup(Path(directory, "problem.safetensors"), checkout, points, grid)
        save_problem(setup, drawn)
        with seated({"peak": PEAK, **seats}, setup, threads) as workers:
            turns = {contender: partial(_tours, workers[contender]) for contender in seats}
            told = interleaved({"peak": partial(workers["peak"], "peak"), **turns}, rounds, warmup)
            peak = max(one["fp32"] for one in told.pop("peak"))
            differences = _compare(told, workers, grid)
    speeds = {
        command: {
            contender: [len(tours[command].losses) / tours[command].seconds for tours in by_round]
            for contender, by_round in told.items()
        }
        for command in _COMMANDS
    }
    for what, by_contender in speeds.items():
        _print(what, by_contender, images, peak)
    click.echo(f"\npeak of a matrix product, GFLOP/s: fp32 {peak:.0f}")
    rows = [
        [
            one.points,
            one.contender,
            one.to,
            f"{one.absolute:.1e}",
            f"{one.relative:.1e}",
            "agree" if one.agrees else "DIFFER",
        ]
        for one in differences
    ]
    print_table("losses compared", ["points", "contender", "to", "absolute", "relative", ""], rows)
    path = write_results(
        "evaluation",
        name,
        surroundings,
        {
            "data": drawn.name,
            "images": images,
            "points": points,
            "grid": grid,
            "rounds": rounds,
            "warmup": warmup,
            "tolerance": TOLERANCE,
        },
        {
            "peak_gflop_per_second": peak,
            "losses_per_second": {
                what: _summary(by_contender, images, peak) for what, by_contender in speeds.items()
            },
            "differences": [asdict(one) for one in differences],
        },
    )
    click.echo(f"written to benchmarks/results/{path.name}")
    if not all(one.agrees for one in differences):
        click.echo(f"losses differ by more than {TOLERANCE:g}", err=True)
        sys.exit(1)


def _chosen(only: Sequence[str], checkout: Path | None) -> dict[str, Seat]:
    seats = {name: seat for name, seat in CONTENDERS.items() if not only or name in only}
    if checkout is not None:
        return seats
    if any(name.startswith("loss-landscapes") for name in only):
        raise click.ClickException("it needs --loss-landscapes, a checkout of it (docs/benchmarks.md)")
    click.echo("without --loss-landscapes, that package is left out", err=True)
    return {name: seat for name, seat in seats.items() if not name.startswith("loss-landscapes")}


def _tours(worker: Worker) -> dict[str, Tour]:
    return {command: worker(command) for command in _COMMANDS}


def _compare(
    told: Mapping[str, Sequence[Mapping[str, Tour]]], workers: Mapping[str, Worker], grid: int
) -> list[Difference]:
    """Compare the losses of all contenders with those of the plain loop, or else of the first of them."""
    reference = next((name for name in told if name.startswith("plain")), next(iter(told)))
    expected = told[reference][0]
    differences = []
    for name, by_round in told.items():
        if name == reference:
            continue
        on_line = [tours["line"].losses for tours in by_round]
        on_plane = [tours["plane"].losses for tours in by_round]
        if name == "lth":
            on_plane = [workers[name](plane(grid)).losses]
        differences.append(_difference("line", name, on_line, reference, expected["line"].losses))
        differences.append(_difference("plane", name, on_plane, reference, expected["plane"].losses))
    if "lth" in told and reference.startswith("plain"):
        surface = told["lth"][0]["plane"]
        there = workers[reference](surface.coordinates).losses
        differences.append(_difference("loss_surface", "lth", [surface.losses], reference, there))
    return differences


def _difference(
    points: str,
    contender: str,
    losses: Sequence[Sequence[float]],  # by round, by point
    reference: str,
    expected: Sequence[float],
) -> Difference:
    apart, size = np.abs(np.array(losses) - np.array(expected)), np.abs(np.array(expected))
    agrees = bool((apart <= TOLERANCE * np.maximum(1, size)).all())
    relative = float((apart / size).max())
    return Difference(points, contender, reference, float(apart.max()), relative, agrees)


def _summary(
    by_contender: Mapping[str, Sequence[float]], images: int, peak: float
) -> dict[str, dict[str, object]]:
    base = best_peer(by_contender, ("loss-landscapes", "plain"))
    summary: dict[str, dict[str, object]] = {}
    for contender, speeds in by_contender.items():
        reached = Spread.of(speeds).median * images * FORWARD_GFLOP
        summary[contender] = {
            **asdict(Spread.of(speeds)),
            "rounds": speeds,
            "baseline": base,
            "times_baseline": asdict(ratios(speeds, by_contender[base])),
            "gflop_per_second": reached,
            "fraction_of_peak": reached / peak,
        }
    return summary


def _print(what: str, by_contender: Mapping[str, Sequence[float]], images: int, peak: float) -> None:
    base = best_peer(by_contender, ("loss-landscapes", "plain"))
    rows = []
    for contender, speeds in by_contender.items():
        reached = Spread.of(speeds).median * images * FORWARD_GFLOP
        times = str(ratios(speeds, by_contender[base]))
        rows.append([contender, str(Spread.of(speeds)), times, f"{reached:.0f}", f"{reached / peak:.0%}"])
    headings = ["", "losses/s", f"times {base}", "GFLOP/s", "of peak"]
    print_table(f"{what}: median [min, max] over rounds", headings, rows)


if __name__ == "__main__":
    main()
