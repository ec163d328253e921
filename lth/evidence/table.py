"""A small table of numbers that can be written exactly for machines and rounded for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
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
        rows = [tuple(_rounded(cell) for cell in row) for row in self.rows]
        return markdown([self.headings, *rows], [" --- " for _ in self.headings]) + "\n"


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
