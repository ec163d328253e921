"""Results 1, 2, 3, 6 and 7 by adaptive sharpness, and whether that tells how solutions generalise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import kendalltau

from lth.evidence.claim import r1, r2, r3, r6, r7
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.claim.reading import difference
from lth.evidence.evidence import Evidence
from lth.measure.sharpness import mean_and_error
from lth.plan.place import Place, Point

FAMILY = "sharpness"
_LEAST = 3  # solutions that have an order

_RULE = """\
ln S(ρ) at {sharper} minus ln S(ρ) at {flatter}, at the largest ρ of the study.

S(ρ) is adaptive sharpness on average: how much the loss rises at w + δ, δ ~ N(0, ρ² w²), over the draws that
both share. It does not depend on the scale of the weights, as log_eig_product does. Without a value where a
loss does not rise.

Paper: not in it; beside {beside}. Sources: Kwon et al. 2021, arXiv 2102.11600; Andriushchenko et al. 2023,
arXiv 2302.07011."""

_GENERALISATION = """\
Kendall's τ between adaptive sharpness and the generalisation gap, over all solutions of the study.

Sharpness in the worst case of p = 2, at the largest ρ; the gap is test loss minus training loss, after the
last epoch. Without a value of fewer than three solutions, or where all are alike.

Paper: not in it. Source: Kwon et al. 2021, arXiv 2102.11600, who find a correlation. Andriushchenko et al.
2023, arXiv 2302.07011, find none in the settings of today: refuted is what they say."""

# The paper's claims, with the point that each says is the sharper, and the flatter.
_COMPARED: dict[str, tuple[str, str, Callable[[Case], tuple[Point, Point]]]] = {
    "R1a": (
        "m(L)⊙w(L-1)",
        "w(L)",
        lambda case: (Point.projection(case.level), Point.at(Place.imp(case.level))),
    ),
    **{
        name: (
            what,
            "w(N)",
            lambda case: (Point.at(case.place), Point.at(Place.imp(case.level))),
        )
        for name, what in (
            ("R2b", "random_init"),
            ("R3", "one_shot"),
            ("R6b", "the randomly pruned solution"),
            ("R7", "fine_tune"),
        )
    },
}


def _log_average(evidence: Evidence, point: Point) -> float | None:
    """Return ln of the average adaptive sharpness at the largest size of the change."""
    if point not in evidence.sharpness:
        return None
    found = evidence.sharpness[point]
    mean, _ = mean_and_error(found.gaussian[int(np.argmax(found.rho))])
    return math.log(mean) if math.isfinite(mean) and mean > 0 else None


def _by_sharpness(claim: Claim) -> Claim:
    """Return a claim of the paper by adaptive sharpness."""
    sharper, flatter, pair = _COMPARED[claim.id]

    def statistic(evidence: Evidence, case: Case) -> float | None:
        return difference(*(_log_average(evidence, point) for point in pair(case)))

    return Claim(
        id=f"{claim.id}-sharpness",
        statement=f"By adaptive sharpness: {sharper} is sharper than {flatter}",
        paper=f"beyond it, beside {claim.id}",
        unit="ln of a ratio",
        cases=claim.cases,
        statistic=statistic,
        rule=_RULE.format(sharper=sharper, flatter=flatter, beside=claim.id),
        beside=claim.id,
        family=FAMILY,
    )


def _whole_study(last: int) -> tuple[Case, ...]:
    return (Case(Place.imp(last)),) if last > 0 else ()


def _correlation(evidence: Evidence, _case: Case) -> float | None:
    """Return Kendall's τ between sharpness and the generalisation gap over the solutions of a study."""
    pairs = np.array(list(_sharpness_and_gap(evidence))).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < _LEAST or (np.ptp(pairs, axis=0) == 0).any():
        return None
    return float(kendalltau(pairs[:, 0], pairs[:, 1]).statistic)


def _sharpness_and_gap(evidence: Evidence) -> Iterator[tuple[float, float]]:
    for point in evidence.sharpness:
        if point.form == "solution" and point.place in evidence.attained:
            found, end = evidence.sharpness[point], evidence.attained[point.place].history[-1]
            worst, _ = mean_and_error(found.worst_2[int(np.argmax(found.rho))])
            yield worst, end.test.loss - end.train.loss


SHARPNESS_CLAIMS = (
    *(
        _by_sharpness(claim)
        for claim in (*r1.CLAIMS, *r2.CLAIMS, *r3.CLAIMS, *r6.CLAIMS, *r7.CLAIMS)
        if claim.id in _COMPARED
    ),
    Claim(
        id="S-generalisation",
        statement="The sharper a solution is, the worse it generalises",
        paper="beyond it, Kwon et al. 2021, arXiv 2102.11600",
        unit="Kendall's τ",
        cases=_whole_study,
        statistic=_correlation,
        rule=_GENERALISATION,
        beside="R0b",
        family=FAMILY,
    ),
)
