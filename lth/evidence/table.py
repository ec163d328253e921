"""A small table of numbers that can be written exactly for machines and rounded for people."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lth.errors import InputError

Cell = str | int | float | None
_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Table:
    """Named columns and their rows; a number that does not exist is None."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise InputError(f"a row of {len(row)} cells under {len(self.headings)} headings: {row}")

    def csv(self) -> str:
        """Return the table as CSV; every float reads back bit by bit, None is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.headings)
        writer.writerows([[_exact(cell) for cell in row] for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """Return the table as Markdown; numbers have four significant digits, counts are whole."""
        rows = [tuple(_rounded(cell) for cell in row) for row in self.rows]
        return markdown([self.headings, *rows], [" --- " for _ in self.headings]) + "\n"


def with_seeds(tables: Mapping[int, Table]) -> Table:
    """Return the rows of all seeds' tables one after the other, the seed in a column of its own."""
    first = next(iter(tables.values()))
    rows = [(seed, *row) for seed, table in tables.items() for row in table.rows]
    return Table(("seed", *first.headings), tuple(rows))


def over_seeds(tables: Mapping[int, Table]) -> Table:
    """Return one table of what several seeds have found: mean ± standard deviation of each number over them.

    A cell that is the same in all of them stays; a text that is not is told seed by seed, and a number that
    does not exist in all is counted (`3.2 ± 0.1 of 2`).

    Args:
        tables: By seed, each with the same rows of different numbers.
    """
    first = next(iter(tables.values()))
    if any(len(table.rows) != len(first.rows) or table.headings != first.headings for table in tables.values()):
        raise InputError("the tables of the seeds have different rows or headings; give those of one study")
    rows = zip(*(table.rows for table in tables.values()), strict=True)
    return Table(
        first.headings,
        tuple(
            tuple(_over_seeds(dict(zip(tables, cells, strict=True))) for cells in zip(*row, strict=True))
            for row in rows
        ),
    )


def _over_seeds(cells: Mapping[int, Cell]) -> Cell:
    values, first = list(cells.values()), next(iter(cells.values()))
    if all(type(cell) is type(first) and cell == first for cell in values):
        return first
    if any(isinstance(cell, str) for cell in values):
        return "; ".join(f"seed {seed}: {cell}" for seed, cell in cells.items() if cell is not None)
    return mean_and_deviation([None if isinstance(cell, str | None) else float(cell) for cell in values])


def mean_and_deviation(values: Sequence[float | None]) -> str:
    """Return mean ± standard deviation as text, to two digits of the latter, of the values that exist.

    Where some do not, it says of how many it is; one alone has no deviation, and none at all is a dash.

    Example:
        >>> mean_and_deviation([1.0, 2.0, 3.0]), mean_and_deviation([1.0, None, 3.0])
        ('2.0 ± 1.0', '2.0 ± 1.4 of 2')
    """
    known = [value for value in values if value is not None]
    missing = "" if len(known) == len(values) else f" of {len(known)}"
    if not known:
        return "–"
    if len(known) == 1:
        return f"{rounded(known[0])}{missing}"
    if not all(map(math.isfinite, known)):
        return f"not finite{missing}"
    return f"{plus_minus(statistics.fmean(known), statistics.stdev(known))}{missing}"


def plus_minus(value: float, error: float) -> str:
    """Return `value ± error`, to two digits of the error where those are decimals.

    Example:
        >>> plus_minus(97.2345, 0.312), plus_minus(12345.6, 123.4), plus_minus(1.5, 0.0)
        ('97.23 ± 0.31', '12346 ± 123', '1.5 ± 0')
    """
    if error == 0 or not math.isfinite(error):
        return f"{rounded(value)} ± {error:g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    if decimals > _MOST_DECIMALS or abs(value) >= 10**_MOST_DECIMALS:
        return f"{rounded(value)} ± {error:.2g}"
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def rounded(value: float) -> str:
    """Return four significant digits of a number, as tables and sentences write it."""
    return f"{value:.4g}"


def yes_no(claim: object) -> str:
    """Return what a table says of a claim."""
    return "yes" if claim else "no"


def _exact(cell: Cell) -> str:
    if cell is None:
        return ""
    # `float` takes NumPy's scalars along, whose own repr names their type.
    return repr(float(cell)) if isinstance(cell, float) else str(cell)


def _rounded(cell: Cell) -> str:
    if cell is None:
        return "–"
    return rounded(cell) if isinstance(cell, float) else str(cell)


def markdown(rows: Sequence[Sequence[str]], rules: Sequence[str]) -> str:
    """Return rows of text, the headings first, as a Markdown table.

    Args:
        rows: Any text; what would end a cell is escaped.
        rules: What stands under each heading, such as `---:`.
    """
    headings, *others = (f"| {' | '.join(map(_escaped, row))} |" for row in rows)
    return "\n".join([headings, f"|{'|'.join(rules)}|", *others])


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[list[str]]:
    """Return rows of text with the cells of a column all equally wide.

    Args:
        rows: All equally long.
        right: Which columns are flush right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
