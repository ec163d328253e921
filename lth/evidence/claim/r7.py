"""Result 7: fine-tuning ends in a smaller volume than rewinding."""

from __future__ import annotations

from lth.evidence.claim.claim import Claim, baselines
from lth.evidence.claim.reading import LOG_EIG_UNIT, log_eig_above_solution

_R7 = """\
log_eig_product of fine_tune minus that of w(N), each in the space of its mask, which is m(N) for both.

Paper: Fig. 21."""

CLAIMS = (
    Claim(
        id="R7",
        statement="fine_tune has a smaller volume than w(N)",
        paper="Fig. 21",
        unit=LOG_EIG_UNIT,
        cases=baselines("fine_tune"),
        statistic=log_eig_above_solution,
        rule=_R7,
    ),
)
