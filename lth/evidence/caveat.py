"""What a reader of a level's numbers must know: what does not exist, has not converged or is only a bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lth.setting.setting import AnalysisSetting


@dataclass(frozen=True)
class Caveat:
    """Something to know of a number, in few words for a table and as a sentence."""

    remark: str
    warning: str


def caveats(metrics: Mapping[str, float], analysis: AnalysisSetting) -> list[Caveat]:
    """Return what is wrong with numbers, as their metrics under `solver/` count it.

    Args:
        metrics: Of a curvature, or of a level (`lth.evidence.level`).
        analysis: What they were measured with.
    """
    found = []
    for name, value in metrics.items():
        for counted, flaw in _FLAWS.items():
            if name.startswith(counted):
                found += flaw(value, name.removeprefix(counted), metrics, analysis)
    return found


def _not_positive(
    value: float, suffix: str, _metrics: Mapping[str, float], analysis: AnalysisSetting
) -> list[Caveat]:
    if value >= analysis.k:
        return []
    return [
        Caveat(
            f"only {value:.0f} of {analysis.k} eigenvalues{suffix} positive",
            f"log_eig_product{suffix} does not exist: only {value:.0f} of the {analysis.k} leading eigenvalues "
            "are positive; lower k",
        )
    ]


def _not_converged(
    value: float, suffix: str, metrics: Mapping[str, float], _analysis: AnalysisSetting
) -> list[Caveat]:
    if value != 0:
        return []
    products = metrics.get(f"solver/hessian_products{suffix}", 0)
    return [
        Caveat(
            f"spectrum{suffix} not converged",
            f"log_eig_product{suffix} did not converge in {products:.0f} products",
        )
    ]


def _censored(
    value: float, suffix: str, _metrics: Mapping[str, float], analysis: AnalysisSetting
) -> list[Caveat]:
    if value == 0:
        return []
    return [
        Caveat(
            f"radius{suffix} a lower bound",
            f"radius_mean{suffix} is a lower bound: {value:.0f} of {analysis.directions} directions never left "
            "the basin",
        )
    ]


def _not_finite(
    value: float, suffix: str, _metrics: Mapping[str, float], _analysis: AnalysisSetting
) -> list[Caveat]:
    if value == 0:
        return []
    how = ", BatchNorm statistics estimated anew," if suffix else ""
    return [
        Caveat(
            f"no barrier{suffix}",
            f"the line to the level before{how} has losses that are not finite, so it has no barrier",
        )
    ]


_FLAWS = {
    "solver/positive_eigenvalues": _not_positive,
    "solver/spectrum_converged": _not_converged,
    "solver/radius_censored": _censored,
    "solver/line_points_not_finite": _not_finite,
}
