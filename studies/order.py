"""Accuracies beside the order that papers give: `python -m studies.order FILE.csv --level=4 --seeds=0,1,2`.

A row a pair of ways to a sparse network, of which a paper says that one attains more at the same density: by
how much it does here, on average over the seeds that have both, and in how many of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import click

import lth
from lth.evidence.table import Table

_RENDA = "Renda et al. 2020, arXiv 2003.02389"
_FRANKLE = "Frankle et al. 2021, arXiv 2009.08576"
_DIGITS = 6  # of an accuracy
_LR, _WEIGHTS, _NONE = (f"imp, rewind={rewind}" for rewind in ("lr", "weights", "none"))
_AT_INIT = ("snip", "grasp", "synflow", "magnitude_at_init")

Accuracies = Mapping[tuple[str, int], float]  # by way and seed


@dataclass(frozen=True)
class Pair:
    """Two ways, of which a paper has the first at least as accurate as the second."""

    better: str
    worse: str
    source: str


PAIRS = (
    Pair(_LR, _WEIGHTS, _RENDA),
    Pair(_WEIGHTS, _NONE, _RENDA),
    Pair(_LR, _NONE, _RENDA),
    *(Pair(_WEIGHTS, kind, _FRANKLE) for kind in _AT_INIT),
    *(Pair(kind, "random_prune_one_shot", _FRANKLE) for kind in _AT_INIT),
)


def ordered(found: Accuracies) -> Table:
    """Return a row a pair that at least one seed has both of.

    Example:
        >>> found = {("snip", 0): 0.5, ("random_prune_one_shot", 0): 0.25}
        >>> ordered(found).rows
        (('snip', 'random_prune_one_shot', 0.25, None, 1, 1, 'Frankle et al. 2021, arXiv 2009.08576'),)
    """
    rows: list[tuple[str | float | int | None, ...]] = []
    for pair in PAIRS:
        seeds = sorted(seed for way, seed in found if way == pair.better and (pair.worse, seed) in found)
        ahead = [found[pair.better, seed] - found[pair.worse, seed] for seed in seeds]
        if ahead:
            spread = round(stdev(ahead), _DIGITS) if len(ahead) > 1 else None
            agreeing = sum(value >= 0 for value in ahead)
            middle = round(mean(ahead), _DIGITS)
            rows.append((pair.better, pair.worse, middle, spread, agreeing, len(ahead), pair.source))
    headings = ("at least", "as", "test accuracy ahead", "deviation", "seeds that agree", "seeds", "source")
    return Table(headings, tuple(rows))


def _found(level: int, seeds: set[int]) -> dict[tuple[str, int], float]:
    """Return the test accuracies of an experiment at a level."""
    table = lth.results()
    found = {}
    for row in table[table["level"] == level].to_dict("records"):
        rewind, seed = row.get("rewind", "weights"), int(row["seed"])
        way = f"imp, rewind={rewind}" if row["kind"] == "imp" else str(row["kind"])
        if seed in seeds and (row["kind"] == "imp" or rewind == "weights"):
            found[way, seed] = float(row["test_accuracy"])
    return found


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--level", required=True, type=int, help="At which they are compared, the last.")
@click.option("--seeds", required=True, help="Which, such as 0,1,2.")
def main(file: Path, level: int, seeds: str) -> None:
    """Write FILE, of the experiment that the environment names, and print it."""
    table = ordered(_found(level, set(map(int, seeds.split(",")))))
    file.write_text(table.csv())
    click.echo(table.markdown())


if __name__ == "__main__":
    main()
