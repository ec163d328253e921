"""Result 5: one sublevel set holds all solutions of weight rewinding, and not those that start elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lth.evidence.claim.claim import Case, Claim, baselines, every_level
from lth.evidence.claim.reading import LOSS_UNIT, difference, highest_loss, line, sublevel_cutoff
from lth.evidence.evidence import Evidence
from lth.measure.kind.distances import StudyDistances
from lth.plan.place import Place, Point

_outside = baselines("random_init", "random_prune_one_shot")


_R5A = """\
Cutoff c minus the largest training loss on the straight line from w(L-1) to w(L), L = 1 … N.

c is the largest training loss of w(0) … w(N), on the examples that lines are measured on, plus the
`cutoff_margin` of basins: the set that Fig. 13 draws. Lines under c at every
level connect all solutions within the sublevel set {w : loss(w) <= c}. That is sufficient and not
necessary: refuted means that a straight line leaves the set, not that no path stays inside. BatchNorm
statistics interpolated.

Paper: Fig. 13."""


def _inside(evidence: Evidence, case: Case) -> float | None:
    path = line(evidence, Point.at(Place.imp(case.level - 1)), Point.at(Place.imp(case.level)))
    return difference(sublevel_cutoff(evidence), highest_loss(path))


_R5B = """\
The largest training loss on the straight line from w(N) to the baseline, minus c.

c is that of R5a and of Fig. 13, a `cutoff_margin` above the worst of w(0) … w(N). Above it the line leaves
the sublevel set, be it because the baseline itself is too high or because a barrier lies between. BatchNorm
statistics interpolated.

Paper: Fig. 13."""


def _straight_out(evidence: Evidence, case: Case) -> float | None:
    path = line(evidence, Point.at(Place.imp(case.level)), Point.at(case.place))
    return difference(highest_loss(path), sublevel_cutoff(evidence))


_R5C = """\
‖w(N) − baseline‖ minus the largest ‖w(N) − w(L)‖, L < N.

Euclidean, over all parameters, at the last level N.

Paper: Fig. 14."""


def _distance(evidence: Evidence, case: Case) -> float | None:
    row = _row_of_last(evidence, case, lambda found: found.euclidean)
    siblings = _siblings(row, case.level)
    return None if siblings is None else difference(row.get(case.place), max(siblings))


_R5D = """\
The smallest cos(w(N), w(L)), L < N, minus cos(w(N), baseline).

Over all parameters, at the last level N.

Paper: Fig. 15."""


def _cosine(evidence: Evidence, case: Case) -> float | None:
    row = _row_of_last(evidence, case, lambda found: found.cosine)
    siblings = _siblings(row, case.level)
    return None if siblings is None else difference(min(siblings), row.get(case.place))


def _row_of_last(
    evidence: Evidence, case: Case, matrix: Callable[[StudyDistances], np.ndarray]
) -> Mapping[Place, float]:
    """Return one row of a matrix between solutions, that of w(N), by the other; empty if it has none.

    It is the paper's own matrix, or where the case is a method the one that holds methods.
    """
    found, last = evidence.distances, Place.imp(evidence.last)
    if case.place not in found.places:
        found = evidence.all_distances
    if last not in found.places:
        return {}
    return dict(zip(found.places, matrix(found)[found.places.index(last)].tolist(), strict=True))


def _siblings(row: Mapping[Place, float], last: int) -> list[float] | None:
    """Return the entries of w(0) … w(N-1); None if one is missing."""
    levels = [Place.imp(level) for level in range(last)]
    return [row[place] for place in levels] if all(place in row for place in levels) else None


CLAIMS = (
    Claim(
        id="R5a",
        statement="The straight lines through all w(L) stay in one loss sublevel set",
        paper="Fig. 13",
        unit=LOSS_UNIT,
        cases=every_level,
        statistic=_inside,
        quantity="cutoff − loss",
        rule=_R5A,
    ),
    Claim(
        id="R5b",
        statement="The straight lines from w(N) to random_init and random_prune_one_shot leave it",
        paper="Fig. 13",
        unit=LOSS_UNIT,
        cases=_outside,
        statistic=_straight_out,
        quantity="loss − cutoff",
        rule=_R5B,
    ),
    Claim(
        id="R5c",
        statement="random_init and random_prune_one_shot are farther from w(N) than every w(L) is",
        paper="Fig. 14",
        unit="L2 distance",
        cases=_outside,
        statistic=_distance,
        rule=_R5C,
    ),
    Claim(
        id="R5d",
        statement="random_init and random_prune_one_shot have a smaller cosine with w(N) than every w(L)",
        paper="Fig. 15",
        unit="cosine",
        cases=_outside,
        statistic=_cosine,
        rule=_R5D,
    ),
)
