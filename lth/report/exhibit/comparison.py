"""Which two points a figure compares at each level, and at which of them the paper finds the smaller basin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lth.evidence.evidence import Evidence
from lth.plan.place import Kind, Place, Point
from lth.report.figure.appearance import Appearance, appearance, point_appearance


@dataclass(frozen=True)
class Pair:
    """Two points that are compared at a level."""

    level: int
    sharper: Point  # where the paper finds the smaller basin: larger eigenvalues, shorter radii
    flatter: Point


@dataclass(frozen=True)
class Comparison:
    """The same comparison at every level it is made at."""

    sharper: str  # as a formula in L, or in N if it is made at the last level alone
    flatter: str
    pairs: Callable[[Evidence], tuple[Pair, ...]]


PROJECTION = Comparison(
    "m(L)⊙w(L-1)",
    "w(L)",
    lambda evidence: tuple(
        Pair(level, Point.projection(level), Point.at(Place.imp(level))) for level in evidence.levels
    ),
)
REVERSE = Comparison(
    "w(L) in level L-1 space",
    "w(L-1)",
    lambda evidence: tuple(
        Pair(level, Point.reverse(level), Point.at(Place.imp(level - 1))) for level in evidence.levels
    ),
)
NEXT_LARGER = Comparison(
    "m′(L)⊙w(L-1)",
    "m(L)⊙w(L-1)",
    lambda evidence: tuple(
        Pair(level, Point.next_larger(level), Point.projection(level)) for level in evidence.levels
    ),
)


def with_baseline(kind: Kind) -> Comparison:
    """Return the comparison of a baseline with w(N) at the last level."""

    def pairs(evidence: Evidence) -> tuple[Pair, ...]:
        last = evidence.last
        return (Pair(last, Point.at(Place(kind, last)), Point.at(Place.imp(last))),)

    return Comparison(kind, "w(N)", pairs)


def looks(pair: Pair) -> dict[Point, Appearance]:
    """Return how the two points of a pair are drawn; beside a baseline, in the colours of solutions."""
    points = (pair.sharper, pair.flatter)
    if pair.sharper.place.kind != "imp":
        return {point: appearance(point.place) for point in points}
    return {point: point_appearance(point, pair.level) for point in points}
