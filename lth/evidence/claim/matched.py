"""Results 1, 3 and 7 at one training loss: claims of this project beside R1a to R1d, R3 and R7.

They say what those say, of the same points, but for the one that lies lower: it is taken from where its
training had the loss of the other. They are a family of their own, judged beside the paper's claims and not
counted among them.
"""

from __future__ import annotations

from collections.abc import Callable

from lth.evidence.claim import r1, r3, r7
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.claim.reading import log_eig_gap_at_one_loss, radius_gap_at_one_loss
from lth.evidence.evidence import Evidence
from lth.plan.jobs import MatchedJob, baseline_matched, projection_matched, reverse_matched

_AT_ONE_LOSS = """\
At one training loss, that of whichever of the two is the higher, over the examples that curvature is of. The
lower is taken from the last place of its training, as far as its weights were kept, where it had that loss;
between kept epochs on the straight line, BatchNorm statistics interpolated like the weights, same mask.
Without a value if its training never had it.

Paper: not in it; beside {}."""

Pair = Callable[[Case], MatchedJob]
_BY_LEVEL: dict[str, Pair] = {
    "R1a": lambda case: projection_matched(case.level),
    "R1b": lambda case: projection_matched(case.level),
    "R1c": lambda case: reverse_matched(case.level),
    "R1d": lambda case: reverse_matched(case.level),
    "R3": lambda case: baseline_matched(case.place.kind, case.level),
    "R7": lambda case: baseline_matched(case.place.kind, case.level),
}
_OF_RADII = ("R1b", "R1d")


def _matched(claim: Claim) -> Claim:
    """Return a claim of the paper at one loss."""
    gap = radius_gap_at_one_loss if claim.id in _OF_RADII else log_eig_gap_at_one_loss
    pair = _BY_LEVEL[claim.id]

    def statistic(evidence: Evidence, case: Case) -> float | None:
        return gap(evidence, pair(case))

    own, _, _ = claim.rule.partition("\n\nPaper:")
    return Claim(
        id=f"{claim.id}-matched",
        statement=f"At one loss: {claim.statement}",
        paper=f"beyond it, beside {claim.id}",
        unit=claim.unit,
        cases=claim.cases,
        statistic=statistic,
        rule=f"{own}\n\n{_AT_ONE_LOSS.format(claim.id)}",
        beside=claim.id,
    )


MATCHED_CLAIMS = tuple(
    _matched(claim) for claim in (*r1.CLAIMS, *r3.CLAIMS, *r7.CLAIMS) if claim.id in _BY_LEVEL
)
