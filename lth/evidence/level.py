"""What is known of one level of a study, as metrics: the view of evidence that its analysis shows.

In level-L space: w(L) and its baseline m(L) ⊙ w(L-1), the "projected" point. In level L-1 space: w(L), the
"reverse" projection, and w(L-1), the "previous" solution. The two points of a space share one cutoff and
one set of directions.
"""

from __future__ import annotations

from collections.abc import Mapping

from lth.evidence.evidence import Evidence
from lth.measure.kind import curvature, line, radii
from lth.plan.jobs import CurvatureJob, RadiiJob, shared_space_points, successive_line, suffixes


def level_numbers(evidence: Evidence, level: int) -> dict[str, float]:
    """Return what was measured at a level, by metric name; radii in the setting's own directions.

    Args:
        evidence: At least of what is to be shown: any measurement may be missing.
        level: L.
    """
    numbers: dict[str, float] = {}
    suffix, norm = suffixes(level), evidence.setting.analysis.direction_norm
    of_level = [point for point in suffix if point.place.level == level]  # w(L-1) has an analysis of its own
    for point in of_level:
        if point in evidence.curvature:
            found = curvature.numbers(evidence.curvature[point], CurvatureJob(point))
            numbers |= _suffixed(found, suffix[point])
    for shared in shared_space_points(level):
        if (job := RadiiJob(shared, norm)) in evidence.radii:
            for point in shared:
                numbers |= _suffixed(radii.numbers_at(evidence.radii[job][point]), suffix[point])
    if level > 0 and (between := successive_line(level)) in evidence.lines:
        numbers |= line.numbers(evidence.lines[between], between)
    return numbers


def _suffixed(numbers: Mapping[str, float], suffix: str) -> dict[str, float]:
    return {f"{name}{suffix}": value for name, value in numbers.items()}
