"""What one figure or table of a study is: its name, what the paper shows there, and what this study does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Table


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table, drawn from the evidence of one seed."""

    file: str  # stable name without extension
    title: str
    paper: str  # one sentence: what the paper shows there
    found: Callable[[Evidence], str]  # one sentence: what this study shows
    numbers: Callable[[Evidence], Table]  # of the figure in long format, or the table itself
    draw: Callable[[Evidence], Figure] | None  # None for a table
