"""Result 1: solutions of small volume that pruning exposes, and why SGD does not find them before."""

from __future__ import annotations

import numpy as np

from lth.evidence.claim.claim import Case, Claim, every_level
from lth.evidence.claim.reading import LOG_EIG_UNIT, difference, log_eig_gap, radius_gap, steepness
from lth.evidence.evidence import Evidence
from lth.plan.place import Place, Point

_R1A = """\
log_eig_product of m(L)⊙w(L-1) minus that of w(L), both in level-L space, L = 1 … N.

It is a log volume turned upside down: the claim is that the basin around w(L) is the larger one.

Paper: Fig. 5, 26, Tables I, V, VI."""


def _curvature_in_own_space(evidence: Evidence, case: Case) -> float | None:
    return log_eig_gap(evidence, Point.projection(case.level), Point.at(Place.imp(case.level)))


_R1B = """\
Mean radius at w(L) minus mean radius at m(L)⊙w(L-1), both in level-L space, L = 1 … N.

Under one cutoff, along the same random directions, normalised as `direction_norm` says. With censored radii
a mean is a lower bound; the difference is then missing unless its sign is settled all the same.

Paper: Fig. 6, Table II."""


def _radius_in_own_space(evidence: Evidence, case: Case) -> float | None:
    return radius_gap(evidence, case.level, Point.at(Place.imp(case.level)), Point.projection(case.level))


_R1C = """\
log_eig_product of w(L) minus that of w(L-1), both in level L-1 space, L = 1 … N.

Paper: Fig. 7, 27, Tables III, V, VII."""


def _curvature_in_previous_space(evidence: Evidence, case: Case) -> float | None:
    return log_eig_gap(evidence, Point.reverse(case.level), Point.at(Place.imp(case.level - 1)))


_R1D = """\
Mean radius at w(L-1) minus mean radius at w(L), both in level L-1 space, L = 1 … N.

Under one cutoff, along the same random directions, normalised as `direction_norm` says. With censored radii
a mean is a lower bound; the difference is then missing unless its sign is settled all the same.

Paper: Fig. 8, Table IV."""


def _radius_in_previous_space(evidence: Evidence, case: Case) -> float | None:
    return radius_gap(evidence, case.level, Point.at(Place.imp(case.level - 1)), Point.reverse(case.level))


_R1E = """\
‖m(L-1)⊙wk − w(L-1)‖ minus ‖m(L-1)⊙wk − w(L)‖, L = 1 … N.

Euclidean, over all parameters, from the rewind point of level L-1. The paper sees it at all levels but two.

Paper: Fig. 3."""


def _distance_travelled(evidence: Evidence, case: Case) -> float | None:
    (found,) = np.nonzero(evidence.travel.level == case.level)
    if len(found) == 0:
        return None
    return float(evidence.travel.to_previous[found[0]] - evidence.travel.to_solution[found[0]])


_R1F = """\
Steepness of the path to w(L-1) minus steepness of the path to w(L), L = 1 … N.

Steepness is minus the least-squares slope of the natural log of the training loss against the epoch, over
the epochs that both histories have. Seen in level L-1 the path to w(L) has the same losses.

Paper: Fig. 4, 25."""


def _steepness(evidence: Evidence, case: Case) -> float | None:
    before, after = case.level - 1, case.level
    return difference(steepness(evidence, before, after), steepness(evidence, after, before))


CLAIMS = (
    Claim(
        id="R1a",
        statement="In level-L space the basin of w(L) is larger than that of m(L)⊙w(L-1): curvature",
        paper="Fig. 5, 26, Tables I, V, VI",
        unit=LOG_EIG_UNIT,
        cases=every_level,
        statistic=_curvature_in_own_space,
        rule=_R1A,
    ),
    Claim(
        id="R1b",
        statement="In level-L space the basin of w(L) is larger than that of m(L)⊙w(L-1): radius",
        paper="Fig. 6, Table II",
        unit="mean radius (× direction)",
        cases=every_level,
        statistic=_radius_in_own_space,
        rule=_R1B,
    ),
    Claim(
        id="R1c",
        statement="In level L-1 space the basin of w(L-1) is larger than that of w(L): curvature",
        paper="Fig. 7, 27, Tables III, V, VII",
        unit=LOG_EIG_UNIT,
        cases=every_level,
        statistic=_curvature_in_previous_space,
        rule=_R1C,
    ),
    Claim(
        id="R1d",
        statement="In level L-1 space the basin of w(L-1) is larger than that of w(L): radius",
        paper="Fig. 8, Table IV",
        unit="mean radius (× direction)",
        cases=every_level,
        statistic=_radius_in_previous_space,
        rule=_R1D,
    ),
    Claim(
        id="R1e",
        statement="w(L) is nearer to the rewind point m(L-1)⊙wk than w(L-1) is",
        paper="Fig. 3",
        unit="L2 distance",
        cases=every_level,
        statistic=_distance_travelled,
        rule=_R1E,
    ),
    Claim(
        id="R1f",
        statement="The path to w(L-1) is steeper than the path to w(L)",
        paper="Fig. 4, 25",
        unit="1 / epoch",
        cases=every_level,
        statistic=_steepness,
        rule=_R1F,
    ),
)
