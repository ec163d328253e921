"""Result 3: pruning in one go ends in a smaller volume than pruning level by level."""

from __future__ import annotations

from lth.evidence.claim.claim import Claim, baselines
from lth.evidence.claim.reading import LOG_EIG_UNIT, log_eig_above_solution

_R3 = """\
log_eig_product of one_shot minus that of w(N), each in the space of its own mask, equally many weights.

Paper: Fig. 11."""

CLAIMS = (
    Claim(
        id="R3",
        statement="one_shot has a smaller volume than w(N)",
        paper="Fig. 11",
        unit=LOG_EIG_UNIT,
        cases=baselines("one_shot"),
        statistic=log_eig_above_solution,
        rule=_R3,
    ),
)
