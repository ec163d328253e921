"""What a study found, a row per solution: the table a run ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lth.evidence.table import aligned, markdown
from lth.plan.place import Kind, Place


@dataclass(frozen=True)
class LevelRow:
    """The headline numbers of one solution; None where it was not measured."""

    name: str
    kind: Kind
    level: int
    density: float
    train_loss: float  # nats an example
    test_accuracy: float
    log_eig_product: float | None = None
    log_eig_product_projected: float | None = None
    log_eig_product_reverse: float | None = None
    radius_mean: float | None = None
    radius_mean_projected: float | None = None
    barrier_loss: float | None = None  # to the level before, nats an example
    barrier_error: float | None = None  # share of test examples
    remarks: str = ""  # what a reader of the numbers must know

    @property
    def place(self) -> Place:
        """Which solution it is."""
        return Place(self.kind, self.level)


_HEADINGS = (
    "solution",
    "density",
    "train loss",
    "test acc",
    "log_eig_product",
    "mean radius",
    "barrier to L-1",
)
_NUMBERS = range(1, len(_HEADINGS))


def as_cells(row: LevelRow) -> tuple[str, ...]:
    """Return the row as text, in the order of the table's headings."""
    return (
        row.name,
        f"{row.density:.1%}",
        f"{row.train_loss:.4g}",
        f"{row.test_accuracy:.2%}",
        _number(row.log_eig_product, ".3f"),
        _number(row.radius_mean, ".4f"),
        _number(row.barrier_loss, ".4g"),
    )


def text_table(rows: Sequence[LevelRow]) -> str:
    """Return the rows as aligned columns for a terminal."""
    headings, *others = aligned(_cells(rows), _NUMBERS)
    lines = ["  ".join(cells).rstrip() for cells in (headings, *others)]
    return "\n".join([lines[0], "  ".join("-" * len(cell) for cell in headings), *lines[1:]])


def markdown_table(rows: Sequence[LevelRow]) -> str:
    """Return the rows as a Markdown table, for the description of a run."""
    cells = _cells(rows)
    return markdown(cells, ["---:" if column in _NUMBERS else "---" for column in range(len(cells[0]))])


def _cells(rows: Sequence[LevelRow]) -> list[tuple[str, ...]]:
    """Return headings and rows as text; the remarks only where there are any."""
    if not any(row.remarks for row in rows):
        return [_HEADINGS, *map(as_cells, rows)]
    return [(*_HEADINGS, "remarks"), *((*as_cells(row), row.remarks) for row in rows)]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
