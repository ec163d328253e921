"""Solutions as a tidy table: a row a solution, with its place and all that is known of it.

A column is a metric of the solution's run: without `landscape/` or `solver/` before it, every other `/` a `_`.
The shares of weights that a layer keeps (`mask/…`) are left out: they are as many as there are layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from lth.evidence.table import Cell, Table
from lth.plan.jobs import CurvatureJob
from lth.plan.place import SOLUTIONS, Place, Point
from lth.study.record.row import geometry
from lth.tracking.store import KEY, STUDY, FoundRun, is_finished, model_of

Row = dict[str, Cell]

PLACE = ("preset", "changes", "seed", "solution", "kind", "level")
_ATTAINED = ("density", "train/loss", "train/accuracy", "test/loss", "test/accuracy")
_FIRST = (*PLACE, *(name.replace("/", "_") for name in _ATTAINED))
_LAST = ("warnings", "run_id", "model_id")
_LEFT_OUT = ("mask/", "system/")


def tidy_row(run: FoundRun, measured: Mapping[str, float]) -> Row:
    """Return the row of a solution.

    Args:
        run: Of its training.
        measured: Metrics of its measurements, whether or not the run has them too.
    """
    tags = run.data.tags
    place = Place(tags["kind"], int(tags["level"]))
    metrics = {**run.data.metrics, **measured}
    numbers = {
        name: _finite(value)
        for name, value in metrics.items()
        if not name.startswith(_LEFT_OUT) and name not in ("level", "seed")
    }
    return {
        "preset": tags.get("preset", ""),
        "changes": tags.get("changes", ""),
        "seed": int(tags["seed"]),
        "solution": place.name,
        "kind": place.kind,
        "level": place.level,
        **{_column(name): numbers[name] for name in sorted(numbers)},
        "warnings": tags.get("lth.warnings", ""),
        "run_id": str(run.info.run_id),
        "model_id": model_of(run),
    }


def tidy(rows: Sequence[Row]) -> Table:
    """Return rows as a table; a number that one lacks is None there."""
    names = dict.fromkeys(name for row in rows for name in row)
    middle = sorted(name for name in names if name not in _FIRST and name not in _LAST)
    headings = tuple(name for name in (*_FIRST, *middle, *_LAST) if name in names or name in PLACE)
    return Table(headings, tuple(tuple(row.get(name) for name in headings) for row in rows))


def joined(tables: Sequence[Table]) -> Table:
    """Return the rows of several tables as one."""
    return tidy([dict(zip(table.headings, row, strict=True)) for table in tables for row in table.rows])


def rows_of(runs: Iterable[FoundRun]) -> list[Row]:
    """Return a row for each solution among some runs, the latest of those that are equal, studies together.

    What an earlier version measured of a solution is on other runs than its own: if they are among these, it is
    found there.
    """
    every = [run for run in runs if is_finished(run)]
    measured = _measured(every)
    solutions: dict[str, FoundRun] = {}
    for run in every:
        if run.data.tags.get("kind") in SOLUTIONS:
            solutions.setdefault(run.data.tags[KEY], run)
    found = [(run, geometry(run.data.metrics) or measured.get(_site(run), {})) for run in solutions.values()]
    rows = [tidy_row(run, numbers) for run, numbers in found]
    return sorted(rows, key=_order)


def _measured(runs: Iterable[FoundRun]) -> dict[tuple[str, str], dict[str, float]]:
    """Return what the analyses and the curvatures among some runs found, by study and the solution's name."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for run in runs:
        tags = run.data.tags
        if tags.get("kind") == "analysis":
            name = Place.imp(int(tags["level"])).name
        elif tags.get("kind") == "measurement" and tags.get("measure") == "spectra":
            name = str(run.info.run_name)
        else:
            continue
        site = (tags.get(STUDY, ""), name)
        found[site] = {**geometry(run.data.metrics), **found.get(site, {})}  # the latest comes first
    return found


def _site(run: FoundRun) -> tuple[str, str]:
    """Return under what `_measured` has the numbers of a solution."""
    tags = run.data.tags
    place = Place(tags["kind"], int(tags["level"]))
    name = place.name if place.kind == "imp" else CurvatureJob(Point.at(place)).name
    return tags.get(STUDY, ""), name


def _order(row: Row) -> tuple[str, str, int, bool, int, str]:
    return (
        str(row["preset"]),
        str(row["changes"]),
        int(str(row["seed"])),
        row["kind"] != "imp",
        int(str(row["level"])),
        str(row["kind"]),
    )


def _column(metric: str) -> str:
    return metric.removeprefix("landscape/").removeprefix("solver/").replace("/", "_")


def _finite(value: float) -> float | None:
    """Return a number, None if it is not finite; MLflow writes infinity as the largest there is."""
    return value if math.isfinite(value) and abs(value) < 1e308 else None
