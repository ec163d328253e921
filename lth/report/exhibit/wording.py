"""Sentences that say which of two numbers is larger, level by level, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lth.evidence.table import rounded


@dataclass(frozen=True)
class Compared:
    """A quantity at two places of one level; None where it does not exist."""

    level: int
    larger: float | None  # where the paper finds it larger
    smaller: float | None

    @property
    def difference(self) -> float | None:
        """Larger minus smaller, positive in the paper's direction; None if one of them does not exist."""
        if self.larger is None or self.smaller is None:
            return None
        return self.larger - self.smaller


def compare(quantity: str, larger: str, smaller: str, found: Sequence[Compared], *, absent: str) -> str:
    """Return at how many levels the quantity is larger where the paper finds it so, without a full stop.

    Args:
        quantity: Subject of the sentence.
        larger: The place where the paper finds it larger, as a formula.
        smaller: The other.
        found: One a level.
        absent: Why a number may not exist.
    """
    differences = [one.difference for one in found if one.difference is not None]
    missing = [one.level for one in found if one.difference is None]
    gap = f"; it does not exist for {listed_levels(missing)} ({absent})" if missing else ""
    if not differences:
        return f"{quantity} can't be compared between {larger} and {smaller}{gap}"
    if len(found) == 1:
        return f"{quantity} is {_both(found[0], larger, smaller)}, {_direction(differences[0])}"
    above = sum(difference > 0 for difference in differences)
    sizes = f"{_signed(float(np.mean(differences)))} on average"
    if len(differences) > 1:
        sizes += f", {_signed(min(differences))} to {_signed(max(differences))}"
    return (
        f"{quantity} is larger at {larger} than at {smaller} for {above} of {count(differences, 'level')} "
        f"(difference {sizes}){gap}"
    )


def count(things: Sequence[object] | int, noun: str) -> str:
    """Return `1 level`, `3 levels`."""
    number = things if isinstance(things, int) else len(things)
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed_levels(levels: Sequence[int]) -> str:
    """Return `L = 1, 4`."""
    return f"L = {', '.join(map(str, levels))}"


def sentence(parts: Iterable[str]) -> str:
    """Join what is not empty with semicolons, into one sentence."""
    text = "; ".join(part for part in parts if part)
    return f"{text}." if text else ""


def _both(only: Compared, larger: str, smaller: str) -> str:
    values = ((only.larger, larger), (only.smaller, smaller))
    return " and ".join(f"{rounded(value)} at {place}" for value, place in values if value is not None)


def _direction(difference: float) -> str:
    if difference == 0:
        return "no difference"
    side = "in" if difference > 0 else "against"
    return f"a difference of {_signed(difference)} {side} the paper's direction"


def _signed(value: float) -> str:
    return f"{value:+.4g}"
