"""Result 6: why the smallest weights are pruned, and neither larger nor random ones."""

from __future__ import annotations

from lth.evidence.claim.claim import Case, Claim, baselines, every_level
from lth.evidence.claim.reading import (
    LOG_EIG_UNIT,
    LOSS_UNIT,
    barrier_from_projection,
    log_eig_above_solution,
    log_eig_gap,
)
from lth.evidence.evidence import Evidence
from lth.plan.place import Point

_R6A = """\
log_eig_product of w(L-1) without the next-larger band minus that of m(L)⊙w(L-1), L = 1 … N.

Neither is retrained. Each is in the space of its own mask, equally many weights: m(L) prunes the smallest
share p of the survivors, the other mask keeps those and prunes the shares from p to 2p.

Paper: Fig. 16."""


def _larger_band(evidence: Evidence, case: Case) -> float | None:
    return log_eig_gap(evidence, Point.next_larger(case.level), Point.projection(case.level))


_R6B = """\
log_eig_product of the randomly pruned solution minus that of w(N), each in the space of its own mask.

Equally many weights. random_prune and random_prune_one_shot, at the last level N.

Paper: Fig. 18, 20, 32, Table IX."""

_R6C = """\
Loss barrier on the straight line from m(N)⊙w(N-1) to random_prune_one_shot, minus `loss_margin`.

Training loss above the chord between the ends, BatchNorm statistics interpolated like the weights. Refuted
means that the barrier is smaller than the margin.

Paper: Fig. 17, 31."""

CLAIMS = (
    Claim(
        id="R6a",
        statement="Pruning the next-larger band costs more volume than pruning the smallest weights",
        paper="Fig. 16",
        unit=LOG_EIG_UNIT,
        cases=every_level,
        statistic=_larger_band,
        rule=_R6A,
    ),
    Claim(
        id="R6b",
        statement="Randomly pruned solutions have a smaller volume than w(N)",
        paper="Fig. 18, 20, 32, Table IX",
        unit=LOG_EIG_UNIT,
        cases=baselines("random_prune", "random_prune_one_shot"),
        statistic=log_eig_above_solution,
        rule=_R6B,
    ),
    Claim(
        id="R6c",
        statement="A barrier separates m(N)⊙w(N-1) from random_prune_one_shot",
        paper="Fig. 17, 31",
        unit=LOSS_UNIT,
        cases=baselines("random_prune_one_shot"),
        statistic=barrier_from_projection,
        quantity="barrier − margin",
        rule=_R6C,
    ),
)
