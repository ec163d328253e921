"""The paper's results as claims that studies can support or refute (docs/protocol.md, section 5).

A claim names a statistic of one seed's evidence that it says is above zero, in each of its cases. The rule of
a statistic (what is subtracted from what, in which space, against which margin, and which figure of the paper
shows it) is written in `Claim.rule` and nowhere else.
"""

from lth.evidence.claim import r0, r1, r2, r3, r4, r5, r6, r7
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.claim.finding import Finding, Outcome, as_table, evaluate, expected_errors

CLAIMS: tuple[Claim, ...] = (
    *r0.CLAIMS,
    *r1.CLAIMS,
    *r2.CLAIMS,
    *r3.CLAIMS,
    *r4.CLAIMS,
    *r5.CLAIMS,
    *r6.CLAIMS,
    *r7.CLAIMS,
)

__all__ = ["CLAIMS", "Case", "Claim", "Finding", "Outcome", "as_table", "evaluate", "expected_errors"]
