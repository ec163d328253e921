"""Result 2: a fresh initialisation of the pruned network leaves the basin, for one of smaller volume."""

from __future__ import annotations

from lth.evidence.claim.claim import Claim, baselines
from lth.evidence.claim.reading import (
    LOG_EIG_UNIT,
    LOSS_UNIT,
    barrier_from_projection,
    log_eig_above_solution,
)

_R2A = """\
Loss barrier on the straight line from m(N)⊙w(N-1) to random_init, minus `loss_margin`.

Training loss above the chord between the ends, BatchNorm statistics interpolated like the weights. Refuted
means that the barrier is smaller than the margin.

Paper: Fig. 9, 29."""

_R2B = """\
log_eig_product of random_init minus that of w(N), each in the space of its mask, which is m(N) for both.

Paper: Fig. 10, 30, Table VIII."""

CLAIMS = (
    Claim(
        id="R2a",
        statement="A barrier separates m(N)⊙w(N-1) from random_init",
        paper="Fig. 9, 29",
        unit=LOSS_UNIT,
        cases=baselines("random_init"),
        statistic=barrier_from_projection,
        quantity="barrier − margin",
        rule=_R2A,
    ),
    Claim(
        id="R2b",
        statement="random_init has a smaller volume than w(N)",
        paper="Fig. 10, 30, Table VIII",
        unit=LOG_EIG_UNIT,
        cases=baselines("random_init"),
        statistic=log_eig_above_solution,
        rule=_R2B,
    ),
)
