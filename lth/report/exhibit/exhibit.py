"""What one figure or table of a study is: its name, what the paper shows there, and what this study does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Table
from lth.report.figure.interactive import Interactive

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table, drawn from the evidence of one seed, and where it can be from that of several."""

    file: str  # stable name without extension
    title: str
    paper: str  # one sentence: what the paper shows there
    found: Callable[[Evidence], str]  # one sentence: what this study shows
    numbers: Callable[[Evidence], Table]  # of the figure in long format, or the table itself
    draw: Callable[[Evidence], Figure] | None  # None for a table
    draw_seeds: Callable[[Sequence[Evidence]], Figure] | None = None  # one figure of all; None if there is none
    interactive: Callable[[Evidence], Interactive] | None = None  # to hover over and to turn; None for most


def of_one(draw_seeds: Callable[[Sequence[Evidence]], Figure]) -> Callable[[Evidence], Figure]:
    """Return how one seed is drawn by what draws several."""
    return lambda evidence: draw_seeds([evidence])


@dataclass(frozen=True)
class Template(Generic[Subject]):
    """What several figures or tables have in common, each of its own subject."""

    found: Callable[[Subject, Evidence], str]
    numbers: Callable[[Subject, Evidence], Table]
    draw: Callable[[Subject, Evidence], Figure] | None  # None for a table
    draw_seeds: Callable[[Subject, Sequence[Evidence]], Figure] | None = None

    def of(self, file: str, title: str, paper: str, subject: Subject) -> Exhibit:
        """Return the figure or table of a subject."""
        draw = None if self.draw is None else partial(self.draw, subject)
        draw_seeds = None if self.draw_seeds is None else partial(self.draw_seeds, subject)
        numbers = partial(self.numbers, subject)
        return Exhibit(file, title, paper, partial(self.found, subject), numbers, draw, draw_seeds)
