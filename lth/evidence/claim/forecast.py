"""Whether flatness limits how much of a level can be pruned, of studies that forecast it."""

from __future__ import annotations

import math

from lth.evidence.claim.claim import Case, Claim, every_level
from lth.evidence.evidence import Evidence
from lth.plan.place import Place, Point

_FACTOR = 2.0  # within which a forecast is taken for one

_LIMIT = f"""\
ln {_FACTOR:g} minus |ln(f̂ / f)|: f is the largest share of w(L-1) that goes before the sublevel set is left, f̂
its second-order forecast, L = 1 … N.

Weights go by magnitude, the smallest first, and nothing is trained again. The set is that of R5a; the forecast
is the loss at w(L-1) plus ½ δᵀHδ. Above zero the forecast is right within a factor of {_FACTOR:g}, which is
this project's. A share is a lower bound where the set is not left; then there is a value only if the other
one is off by more than the factor all the same.

Paper: not in it. Source: Paul et al. 2023, arXiv 2210.03044: flatness at the end of training limits the
fraction of weights that can be pruned at each iteration."""


def _within_factor(evidence: Evidence, case: Case) -> float | None:
    point = Point.at(Place.imp(case.level - 1))
    if point not in evidence.forecasts:
        return None
    found, cutoff = evidence.forecasts[point], evidence.sublevel_cutoff
    if not math.isfinite(cutoff):
        return None
    curves = (found.forecast(found.quadratic), found.loss)
    shares = [found.largest(curve, cutoff) for curve in curves]
    if min(shares) <= 0:
        return None
    value = math.log(_FACTOR) - abs(math.log(shares[0] / shares[1]))
    is_bound = any(bool((curve <= cutoff).all()) for curve in curves)
    return None if is_bound and value > 0 else value


FORECAST_CLAIMS = (
    Claim(
        id="P-limit",
        statement=f"Curvature tells within a factor of {_FACTOR:g} how much of w(L-1) can be pruned",
        paper="beyond it, Paul et al. 2023, arXiv 2210.03044",
        unit="ln of a ratio",
        cases=every_level,
        statistic=_within_factor,
        rule=_LIMIT,
        beside="R6a",
        family="forecast",
    ),
)
