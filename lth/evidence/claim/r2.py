"""Result 2: a fresh initialisation of the pruned network leaves the basin, for one of smaller volume."""

from __future__ import annotations

from lth.evidence.claim.claim import Case, Claim, baselines
from lth.evidence.claim.reading import LOG_EIG_UNIT, LOSS_UNIT, barrier_above_margin, line, log_eig_gap
from lth.evidence.evidence import Evidence
from lth.plan.place import Place, Point


def _barrier(evidence: Evidence, case: Case) -> float | None:
    """Loss barrier on the straight line from m(N)⊙w(N-1) to random_init, minus `loss_margin`.

    Training loss above the chord between the ends, BatchNorm statistics interpolated like the weights. Refuted
    means that the barrier is smaller than the margin.

    Paper: Fig. 9, 29.
    """
    return barrier_above_margin(evidence, line(evidence, Point.projection(case.level), Point.at(case.place)))


def _curvature(evidence: Evidence, case: Case) -> float | None:
    """log_eig_product of random_init minus that of w(N), each in the space of its mask, which is m(N) for both.

    Paper: Fig. 10, 30, Table VIII.
    """
    return log_eig_gap(evidence, Point.at(case.place), Point.at(Place.imp(case.level)))


CLAIMS = (
    Claim(
        id="R2a",
        statement="A barrier separates m(N)⊙w(N-1) from random_init",
        paper="Fig. 9, 29",
        unit=LOSS_UNIT,
        cases=baselines("random_init"),
        statistic=_barrier,
    ),
    Claim(
        id="R2b",
        statement="random_init has a smaller volume than w(N)",
        paper="Fig. 10, 30, Table VIII",
        unit=LOG_EIG_UNIT,
        cases=baselines("random_init"),
        statistic=_curvature,
    ),
)
