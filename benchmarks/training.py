"""Images a second that one ResNet-20 level trains on CIFAR-10: lth beside open_lth and a plain PyTorch loop.

    python -m benchmarks.training --data IMAGES --open-lth CHECKOUT

Every contender trains the same network (ResNet-20, 272,474 parameters) from the same state under the same
random mask of density 0.64 on the same images, cropped and flipped at random, by SGD in batches of 128, on the
CPU:

- open_lth-0, open_lth-2: open_lth's own loop and callbacks, with 0 and 2 workers that load images;
- plain-0, plain-2: torchvision's transforms in a DataLoader, and a loop that masks weights after every step;
- lth-fp32, lth-bf16, lth-fp32-compiled, lth-bf16-compiled: `lth.training.train.train`.

What makes it fair: each runs in a process of its own with as many threads (workers come on top); they take
turns in every round, so that what else the machine does hits all alike, and ratios are of the same round; a
first round is not counted. What happens once a training is not timed: lth pads its images for crops and
compiles, the plain loop's workers start. (open_lth's start every epoch; that is its loop, and is timed.)

`steps` is training alone; `steps + test` adds the evaluation of the test set, `steps + train + test` that of
the whole training set too, and both what is saved at the end of an epoch. `as it comes` is an epoch as each
does it unless told otherwise: lth evaluates the test set and a tenth of the training set (all of it in the
last epoch), the others the test set. lth evaluates in the precision it trains in, but in the last epoch. A
dash: the program does not do that. The test accuracy after the epoch shows that all of them train.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from benchmarks.environment import environment, print_table, usable_cores, write_results
from benchmarks.images import sample
from benchmarks.peak import PEAK, STEP_GFLOP
from benchmarks.rounds import Seat, Spread, best_peer, interleaved, ratios, seated
from benchmarks.training_setup import Lap, TrainingSetup, save_problem

CONTENDERS = {
    "open_lth-0": Seat("benchmarks.training_open_lth:prepare", "0"),
    "open_lth-2": Seat("benchmarks.training_open_lth:prepare", "2"),
    "plain-0": Seat("benchmarks.training_plain:prepare", "0"),
    "plain-2": Seat("benchmarks.training_plain:prepare", "2"),
    "lth-fp32": Seat("benchmarks.training_lth:prepare", "fp32"),
    "lth-bf16": Seat("benchmarks.training_lth:prepare", "bf16"),
    "lth-fp32-compiled": Seat("benchmarks.training_lth:prepare", "fp32-compiled"),
    "lth-bf16-compiled": Seat("benchmarks.training_lth:prepare", "bf16-compiled"),
}

SECONDS: dict[str, Callable[[Lap], float | None]] = {
    "steps": lambda lap: lap.steps,
    "steps + test": lambda lap: lap.steps + lap.evaluate_test + lap.save,
    "steps + train + test": lambda lap: (
        None if lap.evaluate_train is None else lap.steps + lap.evaluate_test + lap.evaluate_train + lap.save
    ),
    "as it comes": lambda lap: lap.steps + lap.evaluate_test + (lap.evaluate_some or 0.0) + lap.save,
}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option(
    "--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, as lth reads it."
)
@click.option("--open-lth", type=click.Path(exists=True, path_type=Path), help="A checkout of open_lth.")
@click.option("--only", multiple=True, type=click.Choice(list(CONTENDERS)), help="Contenders; may be repeated.")
@click.option(
    "--baseline", type=click.Choice(list(CONTENDERS)), help="What ratios are to; by default the best peer."
)
@click.option("--images", default=6400, show_default=True, help="Training images of one epoch.")
@click.option("--test-images", default=1280, show_default=True, help="Test images.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--warmup", default=1, show_default=True, type=click.IntRange(min=0), help="Rounds before, not kept."
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of each contender; by default all cores.")
@click.option("--name", default="training", show_default=True, help="Of the file in benchmarks/results.")
def main(
    data: Path | None,
    dataset: str,
    open_lth: Path | None,
    only: Sequence[str],
    baseline: str | None,
    images: int,
    test_images: int,
    rounds: int,
    warmup: int,
    threads: int | None,
    name: str,
) -> None:
    """Measure how many images a second lth trains on, beside open_lth and a plain PyTorch loop."""
    threads = threads or usable_cores()
    surroundings = environment(threads, {"open_lth": open_lth} if open_lth else {})
    seats = _chosen(only, open_lth)
    if baseline is not None and baseline not in seats:
        raise click.ClickException(f"{baseline} does not take part")
    drawn = sample(dataset, data, images, test_images)
    with tempfile.TemporaryDirectory() as directory:
        setup = TrainingSetup(Path(directory, "problem.safetensors"), open_lth and open_lth.resolve())
        save_problem(setup, drawn)
        with seated({"peak": PEAK, **seats}, setup, threads) as workers:
            told = interleaved(
                {name: partial(worker, "epoch") for name, worker in workers.items()}, rounds, warmup
            )
    peaks = told.pop("peak")
    peak = {precision: max(one[precision] for one in peaks) for precision in peaks[0]}
    speeds = {what: _speeds(told, seconds, images) for what, seconds in SECONDS.items()}
    bases = {
        what: baseline or best_peer(by_contender, ("open_lth", "plain"))
        for what, by_contender in speeds.items()
    }
    for what, by_contender in speeds.items():
        _print(what, by_contender, bases[what], peak, told)
    click.echo(f"\npeak of a matrix product, GFLOP/s: fp32 {peak['fp32']:.0f}, bf16 {peak['bf16']:.0f}")
    path = write_results(
        "training",
        name,
        surroundings,
        {
            "data": drawn.name,
            "images": images,
            "test_images": test_images,
            "rounds": rounds,
            "warmup": warmup,
            "batch_size": setup.batch_size,
            "density": setup.density,
        },
        {
            "peak_gflop_per_second": peak,
            "laps": {contender: [asdict(lap) for lap in laps] for contender, laps in told.items()},
            "images_per_second": {
                what: {
                    contender: {
                        **asdict(Spread.of(values)),
                        "rounds": values,
                        "baseline": bases[what],
                        "times_baseline": asdict(ratios(values, by_contender[bases[what]])),
                        **_work(contender, values, peak, what),
                    }
                    for contender, values in by_contender.items()
                }
                for what, by_contender in speeds.items()
            },
        },
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def _chosen(only: Sequence[str], open_lth: Path | None) -> dict[str, Seat]:
    seats = {name: seat for name, seat in CONTENDERS.items() if not only or name in only}
    if open_lth is not None:
        return seats
    if any(name.startswith("open_lth") for name in only):
        raise click.ClickException("open_lth needs --open-lth, a checkout of it (docs/benchmarks.md)")
    click.echo("without --open-lth, open_lth is left out", err=True)
    return {name: seat for name, seat in seats.items() if not name.startswith("open_lth")}


def _speeds(
    told: Mapping[str, Sequence[Lap]], seconds: Callable[[Lap], float | None], images: int
) -> dict[str, list[float]]:
    """Return images a second, by contender and round; without the contenders that do not do that."""
    speeds = {}
    for contender, laps in told.items():
        taken = [second for lap in laps if (second := seconds(lap)) is not None]
        if taken:
            speeds[contender] = [images / second for second in taken]
    return speeds


def _work(contender: str, values: Sequence[float], peak: Mapping[str, float], what: str) -> dict[str, float]:
    """Return what of the machine's peak the steps reach; nothing where evaluations are in the time."""
    if what != "steps":
        return {}
    reached = Spread.of(values).median * STEP_GFLOP
    return {
        "gflop_per_second": reached,
        "fraction_of_peak": reached / peak["bf16" if "bf16" in contender else "fp32"],
    }


def _print(
    what: str,
    by_contender: Mapping[str, Sequence[float]],
    base: str,
    peak: Mapping[str, float],
    told: Mapping[str, Sequence[Lap]],
) -> None:
    rows = []
    for contender in told:
        if contender not in by_contender:
            rows.append([contender, *["–"] * 5])
            continue
        values = by_contender[contender]
        work = _work(contender, values, peak, what)
        rows.append(
            [
                contender,
                str(Spread.of(values)),
                str(ratios(values, by_contender[base])),
                f"{work['gflop_per_second']:.0f}" if work else "–",
                f"{work['fraction_of_peak']:.0%}" if work else "–",
                f"{Spread.of([lap.test_accuracy for lap in told[contender]]).median:.1%}",
            ]
        )
    headings = ["", "images/s", f"times {base}", "GFLOP/s", "of peak", "test accuracy"]
    print_table(f"{what}: median [min, max] over rounds", headings, rows)


if __name__ == "__main__":
    main()
