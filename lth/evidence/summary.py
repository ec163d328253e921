"""What a study found, a row per solution: the table a run ends with, of one seed or over several.

What is known of a number stands beside it: within how much log_eig_product is certain, the standard error of
the mean radius over its directions, and Wilson's interval of an accuracy. Over seeds it is the deviation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lth.evidence.binomial import interval_if_any, num_examples
from lth.evidence.table import aligned, markdown, mean_and_deviation
from lth.plan.place import Kind, Place
from lth.setting.terms import terms

_ROUNDING = 1e-12  # of a difference of losses or shares, in float64; one test example is a larger share


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
    log_eig_width: float | None = None  # of the interval that log_eig_product lies in
    radius_standard_error: float | None = None  # of radius_mean, over the directions
    remarks: str = ""  # what a reader of the numbers must know

    @property
    def place(self) -> Place:
        """Which solution it is."""
        return Place(self.kind, self.level)


def without_rounding(barrier: float | None) -> float | None:
    """Return a barrier as people see it: 0 where it is no more than the rounding of the chord below it.

    Example:
        >>> without_rounding(1.1e-16), without_rounding(0.004), without_rounding(None)
        (0.0, 0.004, None)
    """
    return 0.0 if barrier is not None and abs(barrier) < _ROUNDING else barrier


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


def _headings() -> tuple[str, ...]:
    return tuple(each if terms().is_share else each.replace("acc", terms().metric_name) for each in _HEADINGS)


def as_cells(row: LevelRow, examples: int | None = None) -> tuple[str, ...]:
    """Return the row as text, in the order of the table's headings.

    Args:
        row: Of a solution.
        examples: That its accuracy was counted on; with them, its interval of 95 % is given (Wilson).
    """
    interval = interval_if_any(row.test_accuracy, examples) if terms().is_counted else None
    return (
        row.name,
        f"{row.density:.1%}",
        f"{row.train_loss:.4g}",
        (f"{row.test_accuracy:.2%}" if terms().is_share else f"{row.test_accuracy:.4g}")
        + (f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else ""),
        _number(row.log_eig_product, ".3f", row.log_eig_width),
        _number(row.radius_mean, ".4f", row.radius_standard_error),
        _number(row.barrier_loss, ".4g"),
    )


def text_table_over_seeds(studies: Mapping[int, Sequence[LevelRow]]) -> str:
    """Return a row a solution for a terminal, each number its mean ± standard deviation over the seeds.

    Args:
        studies: The rows of each seed's study; a solution that one lacks is left out.
    """
    common = [row.name for row in next(iter(studies.values()))]
    found = {seed: {row.name: row for row in rows} for seed, rows in studies.items()}
    cells = [
        _over_seeds({seed: rows[name] for seed, rows in found.items()})
        for name in common
        if all(name in rows for rows in found.values())
    ]
    return _ruled(_with_remarks(cells))


def _over_seeds(rows: Mapping[int, LevelRow]) -> tuple[str, ...]:
    given = list(rows.values())
    return (
        given[0].name,
        f"{given[0].density:.1%}",
        mean_and_deviation([row.train_loss for row in given]),
        f"{mean_and_deviation([terms().scale * row.test_accuracy for row in given])}{terms().percent}",
        mean_and_deviation([row.log_eig_product for row in given]),
        mean_and_deviation([row.radius_mean for row in given]),
        mean_and_deviation([row.barrier_loss for row in given]),
        "; ".join(f"seed {seed}: {row.remarks}" for seed, row in rows.items() if row.remarks),
    )


def text_table(rows: Sequence[LevelRow]) -> str:
    """Return the rows as aligned columns for a terminal."""
    return _ruled(_cells(rows))


def markdown_table(rows: Sequence[LevelRow]) -> str:
    """Return the rows as a Markdown table, for the description of a run."""
    cells = _cells(rows)
    return markdown(cells, ["---:" if column in _NUMBERS else "---" for column in range(len(cells[0]))])


def _cells(rows: Sequence[LevelRow]) -> list[tuple[str, ...]]:
    """Return headings and rows as text; the remarks only where there are any."""
    examples = num_examples(row.test_accuracy for row in rows)
    return _with_remarks([(*as_cells(row, examples), row.remarks) for row in rows])


def _with_remarks(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return headings and rows, whose last cell is remarks, which go where no row has any."""
    if any(row[-1] for row in rows):
        return [(*_headings(), "remarks"), *rows]
    return [_headings(), *(row[:-1] for row in rows)]


def _ruled(cells: Sequence[Sequence[str]]) -> str:
    headings, *others = aligned(cells, _NUMBERS)
    lines = ["  ".join(row).rstrip() for row in (headings, *others)]
    return "\n".join([lines[0], "  ".join("-" * len(cell) for cell in headings), *lines[1:]])


def _number(value: float | None, form: str, error: float | None = None) -> str:
    if value is None:
        return "-"
    return format(value, form) if error is None else f"{value:{form}} ± {error:.1g}"
