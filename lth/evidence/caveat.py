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


_COUNTED = ("positive_eigenvalues", "spectrum_converged", "radius_censored", "line_points_not_finite")


def caveats(metrics: Mapping[str, float], analysis: AnalysisSetting) -> list[Caveat]:
    """Return what is wrong with numbers, as their metrics under `solver/` count it.

    Args:
        metrics: Of a curvature, or of a level (`lth.evidence.level`).
        analysis: What they were measured with.
    """
    found = []
    for name, value in metrics.items():
        for counted in _COUNTED:
            if name.startswith(f"solver/{counted}"):
                suffix = name.removeprefix(f"solver/{counted}")
                found.append(_caveat(counted, value, suffix, metrics, analysis))
    return [caveat for caveat in found if caveat is not None]


def _caveat(
    counted: str, value: float, suffix: str, metrics: Mapping[str, float], analysis: AnalysisSetting
) -> Caveat | None:
    """Return what a single count says, if it says anything; `suffix` is that of the point or the line."""
    match counted:
        case "positive_eigenvalues" if value < analysis.k:
            return Caveat(
                f"only {value:.0f} of {analysis.k} eigenvalues{suffix} positive",
                f"log_eig_product{suffix} does not exist: only {value:.0f} of the {analysis.k} leading "
                "eigenvalues are positive; lower k",
            )
        case "spectrum_converged" if value == 0:
            products = metrics.get(f"solver/hessian_products{suffix}", 0)
            return Caveat(
                f"spectrum{suffix} not converged",
                f"log_eig_product{suffix} did not converge in {products:.0f} products",
            )
        case "radius_censored" if value > 0:
            return Caveat(
                f"radius{suffix} a lower bound",
                f"radius_mean{suffix} is a lower bound: {value:.0f} of {analysis.directions} directions never "
                "left the basin",
            )
        case "line_points_not_finite" if value > 0:
            how = ", BatchNorm statistics estimated anew," if suffix else ""
            return Caveat(
                f"no barrier{suffix}",
                f"the line to the level before{how} has losses that are not finite, so it has no barrier",
            )
    return None
