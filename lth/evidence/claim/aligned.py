"""Result 2 with permutations and BatchNorm treated right: a claim of this project beside R2a."""

from __future__ import annotations

from lth.evidence.claim.claim import Case, Claim, baselines
from lth.evidence.claim.reading import LOSS_UNIT
from lth.evidence.evidence import Evidence
from lth.measure.interpolation import rise
from lth.plan.jobs import aligned_line

_R2A_ALIGNED = """\
The smallest of the loss barriers on the straight line from m(N)⊙w(N-1) to random_init with its units matched,
minus `loss_margin`.

Smallest over two matchings of units, by weights and by activations, and over every treatment of what normalises
on the way: BatchNorm statistics interpolated like the weights, estimated anew, and activations repaired. So it
is supported only if a barrier is left whatever is done. Refuted means that one of them leaves less than the
margin. Without a value if a loss is not finite, or if no unit of the network can be permuted.

Paper: not in it; beside R2a. Sources: arXiv 2209.04836 (matching), 2211.08403 (repair)."""


def _smallest_barrier(evidence: Evidence, case: Case) -> float | None:
    """Return the smallest barrier behind alignment, minus `loss_margin`."""
    found = evidence.aligned.get(aligned_line(case.place.kind, case.level))
    if found is None or found.units.groups == 0:
        return None
    paths = [path for (matching, _), path in found.lines.items() if matching != "identity"]
    if not all(path.is_finite for path in paths):
        return None
    return min(rise(path.train_loss) for path in paths) - evidence.setting.analysis.loss_margin


ALIGNED_CLAIMS = (
    Claim(
        id="R2a-aligned",
        statement="The barrier between m(N)⊙w(N-1) and random_init survives alignment",
        paper="beyond it, beside R2a",
        unit=LOSS_UNIT,
        cases=baselines("random_init"),
        statistic=_smallest_barrier,
        quantity="barrier − margin",
        rule=_R2A_ALIGNED,
        beside="R2a",
        family="aligned",
    ),
)
