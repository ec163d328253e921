"""What one figure or table of a study is: its name, what the paper shows there, and what this study does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Table

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table, drawn from the evidence of one seed."""

    file: str  # stable name without extension
    title: str
    paper: str  # one sentence: what the paper shows there
    found: Callable[[Evidence], str]  # one sentence: what this study shows
    numbers: Callable[[Evidence], Table]  # of the figure in long format, or the table itself
    draw: Callable[[Evidence], Figure] | None  # None for a table


@dataclass(frozen=True)
class Template(Generic[Subject]):
    """What several figures or tables have in common, each of its own subject."""

    found: Callable[[Subject, Evidence], str]
    numbers: Callable[[Subject, Evidence], Table]
    draw: Callable[[Subject, Evidence], Figure] | None  # None for a table

    def of(self, file: str, title: str, paper: str, subject: Subject) -> Exhibit:
        """Return the figure or table of a subject."""
        draw = None if self.draw is None else partial(self.draw, subject)
        return Exhibit(file, title, paper, partial(self.found, subject), partial(self.numbers, subject), draw)
