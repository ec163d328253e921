"""A small table of numbers that can be written exactly for machines and rounded for people."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from lth.errors import InputError

Cell = str | int | float | None


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
        lines = [_line(self.headings), _line(tuple("---" for _ in self.headings))]
        lines += [_line(tuple(_rounded(cell) for cell in row)) for row in self.rows]
        return "\n".join(lines) + "\n"


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
    if isinstance(cell, float):
        return rounded(cell)
    return str(cell).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
