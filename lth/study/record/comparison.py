"""What a sweep looks like as an MLflow run: a table and a figure that compare its studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lth.evidence.summary import LevelRow
from lth.evidence.table import Cell, Table, markdown, mean_and_deviation
from lth.report.figure.comparison import draw_comparison
from lth.tracking.run import RunLog

SWEPT = "lth.swept"  # on the run of a sweep: the names of the parameters that have several values
_SHOWN: tuple[tuple[str, Callable[[LevelRow], float | None]], ...] = (
    ("train_loss", lambda row: row.train_loss),
    ("test_accuracy", lambda row: row.test_accuracy),
    ("log_eig_product", lambda row: row.log_eig_product),
    ("radius_mean", lambda row: row.radius_mean),
    ("barrier_loss", lambda row: row.barrier_loss),
    ("barrier_error", lambda row: row.barrier_error),
)


@dataclass(frozen=True)
class Compared:
    """One setting of a sweep: the values that it has of what is swept, and what its studies found."""

    values: Mapping[str, str]
    rows: Mapping[int, Sequence[LevelRow]]  # by seed
    every: Table  # all that is known, of all seeds
    runs: Mapping[int, str]  # of the studies, by seed

    @property
    def name(self) -> str:
        """What a person calls it."""
        return " ".join(f"{name}={value}" for name, value in self.values.items())


def comparison(settings: Sequence[Compared]) -> Table:
    """Return a row a setting and solution: mean ± standard deviation over the seeds of each headline number."""
    rows: list[tuple[Cell, ...]] = []
    for setting in settings:
        first = next(iter(setting.rows.values()))
        for row in first:
            found = [_row(rows, row.name) for rows in setting.rows.values()]
            known = [one for one in found if one is not None]
            numbers = [mean_and_deviation([measure(one) for one in known]) for _, measure in _SHOWN]
            rows.append((*setting.values.values(), row.name, row.level, row.density, len(known), *numbers))
    swept = tuple(settings[0].values)
    headings = (*swept, "solution", "level", "density", "seeds", *(name for name, _ in _SHOWN))
    return Table(headings, tuple(rows))


def tidy_comparison(settings: Sequence[Compared]) -> Table:
    """Return every solution of every setting and seed with all that is known of it, and what is swept first."""
    swept = tuple(settings[0].values)
    headings = dict.fromkeys(name for setting in settings for name in setting.every.headings)
    others = tuple(name for name in headings if name not in swept)
    rows: list[tuple[Cell, ...]] = []
    for setting in settings:
        for row in setting.every.rows:
            known = dict(zip(setting.every.headings, row, strict=True))
            rows.append((*setting.values.values(), *(known.get(name) for name in others)))
    return Table((*swept, *others), tuple(rows))


def log_comparison(run: RunLog, settings: Sequence[Compared], link: Callable[[str], str]) -> None:
    """Log the comparison of a sweep's settings: tables, a figure, and each one's ends in the description.

    Args:
        run: Of the sweep.
        settings: In the order of the table.
        link: Returns the address of a run by its id.
    """
    every = comparison(settings)
    run.file("comparison.csv", every.csv().encode())
    run.file("comparison.md", every.markdown().encode())
    run.file("solutions.csv", tidy_comparison(settings).csv().encode())
    run.figure(draw_comparison({setting.name: setting.rows for setting in settings}), "comparison.png")
    run.note(_ends(settings, link))


def _ends(settings: Sequence[Compared], link: Callable[[str], str]) -> str:
    """Return a row for the dense network and for the last level of each setting."""
    headings = ("setting", "solution", "density", *(name for name, _ in _SHOWN))
    cells = [headings]
    for setting in settings:
        seeds = ", ".join(f"[seed {seed}]({link(run)})" for seed, run in setting.runs.items())
        name = f"{setting.name} ({seeds})"
        levels = [row for row in next(iter(setting.rows.values())) if row.kind == "imp"]
        for row in dict.fromkeys((levels[0].name, levels[-1].name)):
            known = [one for rows in setting.rows.values() if (one := _row(rows, row)) is not None]
            numbers = [mean_and_deviation([measure(one) for one in known]) for _, measure in _SHOWN]
            cells.append((name, row, f"{known[0].density:.1%}", *numbers))
    return markdown(cells, [" --- " for _ in headings])


def _row(rows: Sequence[LevelRow], name: str) -> LevelRow | None:
    return next((row for row in rows if row.name == name), None)
