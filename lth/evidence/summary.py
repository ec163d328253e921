"""What a study found, a row per solution: the table a run ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LevelRow:
    """The headline numbers of one solution; None where it was not measured."""

    name: str
    kind: str  # "imp" or a baseline
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


_HEADINGS = (
    "solution",
    "density",
    "train loss",
    "test acc",
    "log_eig_product",
    "mean radius",
    "barrier to L-1",
)


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


def remarks(metrics: Mapping[str, float], k: int) -> str:
    """Return in a few words what did not converge, does not exist or is only a bound in a run."""
    found = []
    for name, value in metrics.items():
        what = name.removeprefix("solver/")
        if what.startswith("positive_eigenvalues") and value < k:
            found.append(f"only {value:.0f} of {k} {what.removeprefix('positive_')} positive")
        if what.startswith("spectrum_converged") and value == 0:
            found.append(f"{what.replace('_converged', '')} not converged")
        if what.startswith("radius_censored") and value > 0:
            found.append(f"{what.replace('_censored', '')} a lower bound")
    return ", ".join(found)


def text_table(rows: Sequence[LevelRow]) -> str:
    """Return the rows as aligned columns for a terminal."""
    cells = _cells(rows)
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(
            text.ljust(width) if column in (0, len(_HEADINGS)) else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown_table(rows: Sequence[LevelRow]) -> str:
    """Return the rows as a Markdown table, for the description of a run."""
    headings, *cells = _cells(rows)
    rule = "|---|" + "---:|" * (len(_HEADINGS) - 1) + "---|" * (len(headings) - len(_HEADINGS))
    lines = ["| " + " | ".join(line) + " |" for line in (headings, *cells)]
    return "\n".join([lines[0], rule, *lines[1:]])


def _cells(rows: Sequence[LevelRow]) -> list[tuple[str, ...]]:
    """Return headings and rows as text; the remarks only where there are any."""
    if not any(row.remarks for row in rows):
        return [_HEADINGS, *map(as_cells, rows)]
    return [(*_HEADINGS, "remarks"), *((*as_cells(row), row.remarks) for row in rows)]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
