"""What is known of one level of a study, as metrics: the view of evidence that its analysis shows.

In level-L space: w(L) and its baseline m(L) ⊙ w(L-1), the "projected" point. In level L-1 space: w(L), the
"reverse" projection, and w(L-1), the "previous" solution. The two points of a space share one cutoff and
one set of directions.
"""

from __future__ import annotations

from collections.abc import Mapping

from lth.evidence.evidence import Evidence
from lth.measure.kind import curvature, line, radii
from lth.plan.jobs import RadiiJob, shared_space_points, successive_line
from lth.plan.place import Place, Point


def suffixes(level: int) -> dict[Point, str]:
    """Return what the metrics of each point of a level end in; those of w(L), in its own space, in nothing."""
    solution = {Point.at(Place.imp(level)): ""}
    if level == 0:
        return solution
    return solution | {
        Point.projection(level): "_projected",
        Point.reverse(level): "_reverse",
        Point.at(Place.imp(level - 1)): "_previous",
    }


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
            numbers |= _suffixed(curvature.numbers(evidence.curvature[point]), suffix[point])
    for shared in shared_space_points(level):
        if (job := RadiiJob(shared, norm)) in evidence.radii:
            for point in shared:
                numbers |= _suffixed(radii.numbers_at(evidence.radii[job][point]), suffix[point])
    if level > 0 and (between := successive_line(level)) in evidence.lines:
        numbers |= line.numbers(evidence.lines[between])
    return numbers


def _suffixed(numbers: Mapping[str, float], suffix: str) -> dict[str, float]:
    return {f"{name}{suffix}": value for name, value in numbers.items()}
