"""The figures of one level: the report's own, of the points that are compared there."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.plan.jobs import RadiiJob, shared_space_points, successive_line
from lth.plan.place import Place, Point
from lth.report.exhibit import lines, radii, spectra
from lth.report.figure.appearance import Appearance, point_appearance


def draw_level(evidence: Evidence, level: int) -> dict[str, Figure]:
    """Return a figure for each measure that was taken at a level, by its file's name.

    Args:
        evidence: At least of what is to be drawn: any measurement may be missing.
        level: L.
    """
    figures = {}
    if points := [point for point in _curved(level) if point in evidence.curvature]:
        figures["spectra.png"] = spectra.draw_panels([evidence], [(f"level {level}", _looks(points, level))])
    norm = evidence.setting.analysis.direction_norm
    spaces = [points for points in shared_space_points(level) if RadiiJob(points, norm) in evidence.radii]
    if spaces:
        figures["radii.png"] = radii.draw_panels(
            [evidence], [(level, _looks(points, level)) for points in spaces]
        )
    if level > 0 and (between := successive_line(level)) in evidence.lines:
        figures["interpolation.png"] = lines.draw_lines(lambda _: [between], [evidence])
    return figures


def _curved(level: int) -> tuple[Point, ...]:
    solution = Point.at(Place.imp(level))
    return (solution, Point.projection(level), Point.reverse(level)) if level > 0 else (solution,)


def _looks(points: Iterable[Point], level: int) -> dict[Point, Appearance]:
    return {point: point_appearance(point, level) for point in points}
