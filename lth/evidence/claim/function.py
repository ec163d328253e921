"""Results of the field in function space, of studies that measure it: which solutions predict alike."""

from __future__ import annotations

import math

from lth.evidence.claim.claim import Case, Claim, baselines
from lth.evidence.claim.reading import difference, test_step
from lth.evidence.evidence import Evidence
from lth.plan.jobs import FunctionJob
from lth.plan.place import Place

FAMILY = "function"
_UNIT = "share of test examples"

_R5C_FUNCTION = """\
Share of test examples on which w(N) and the baseline disagree, minus the largest such share of w(N) and a
w(L), L < N.

Two disagree where the classes of their largest outputs differ. Without a value if the network does not
classify.

Paper: not in it; beside R5c. Source: Fort et al. 2019, arXiv 1912.02757: other initialisations
are far in function space, what lies in one basin is near."""

_RELEARNING = """\
Share of test examples on which random_init and w(N-1) disagree, minus that of w(N) and w(N-1).

w(N-1) is the solution that m(N) was pruned from; w(N) and random_init are trained under that mask, from the
rewind point and from a fresh initialisation. Without a value if the network does not classify.

Paper: not in it; beside R5c. Source: Evci et al. 2022, arXiv 2010.03533: lottery tickets re-learn the pruning
solution that they are derived from. There it is pruned gradually; here w(N-1) is."""


def disagreement(evidence: Evidence, first: Place, second: Place) -> float | None:
    """Return the share of test examples on which two solutions disagree; None of what was not compared."""
    if not evidence.has(FunctionJob) or not {first, second} <= set(evidence.functions.places):
        return None
    found = evidence.functions
    value = float(found.between(found.functions.disagreement, first, second))
    return value if math.isfinite(value) else None


def _outside(evidence: Evidence, case: Case) -> float | None:
    solution = Place.imp(case.level)
    siblings = [disagreement(evidence, solution, Place.imp(level)) for level in range(case.level)]
    known = [value for value in siblings if value is not None]
    if len(known) < len(siblings):
        return None
    return difference(disagreement(evidence, solution, case.place), max(known))


def _relearned(evidence: Evidence, case: Case) -> float | None:
    before = Place.imp(case.level - 1)
    again = disagreement(evidence, Place.imp(case.level), before)
    return difference(disagreement(evidence, case.place, before), again)


FUNCTION_CLAIMS = (
    Claim(
        id="R5c-function",
        statement="random_init and random_prune_one_shot disagree with w(N) more than every w(L) does",
        paper="beyond it, beside R5c",
        unit=_UNIT,
        cases=baselines("random_init", "random_prune_one_shot"),
        statistic=_outside,
        rule=_R5C_FUNCTION,
        resolution=test_step,
        beside="R5c",
        family=FAMILY,
    ),
    Claim(
        id="F-relearning",
        statement="w(N) re-learns the function of w(N-1), more than random_init does",
        paper="beyond it, Evci et al. 2022, arXiv 2010.03533",
        unit=_UNIT,
        cases=baselines("random_init"),
        statistic=_relearned,
        rule=_RELEARNING,
        resolution=test_step,
        beside="R5c",
        family=FAMILY,
    ),
)
