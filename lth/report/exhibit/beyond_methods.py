"""Every way to a sparse network that a study trained, by what it attains and how sharp it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Attained, Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.jobs import LineJob, own_radii
from lth.plan.place import BASELINES, METHODS, Place, Point
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.lines import barrier_if_any
from lth.report.exhibit.radii import UNITS
from lth.report.exhibit.spectra import say_not_converged
from lth.report.exhibit.wording import sentence
from lth.report.figure.appearance import appearance
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TWO_COLUMNS,
    dress,
    new_figure,
    spans_a_decade,
    use_log_y,
)
from lth.setting.terms import terms

_Measure = Callable[[Evidence, Place], float | None]


def _attained() -> tuple[tuple[str, Callable[[Attained], float]], ...]:
    """Return what a solution attains, one over the other: quantity and number."""
    said = terms()
    return (
        (said.metric_axis, lambda attained: said.scale * attained.test_accuracy),
        (said.loss_axis(), lambda attained: attained.train_loss),
    )


def _measures(evidence: Evidence) -> tuple[tuple[str, _Measure], ...]:
    """Return what of its basin that is drawn against, side by side: quantity and number, if there is one.

    A further measure of volume is a line here.
    """
    unit = UNITS[evidence.setting.analysis.direction_norm]
    return (
        ("log_eig_product (Σ ln λ); flatter to the left", _log_eig_product),
        (f"mean {unit}; wider to the right", _mean_radius),
    )


def _log_eig_product(evidence: Evidence, place: Place) -> float | None:
    return evidence.log_eig_product(Point.at(place))


def _mean_radius(evidence: Evidence, place: Place) -> float | None:
    """Return the mean radius in the space of the solution's own mask, up to a margin above its own loss."""
    found = evidence.radii.get(own_radii(place, evidence.setting.analysis))
    return None if found is None else found[Point.at(place)].mean


def has_methods(evidence: Evidence) -> bool:
    """Return whether a study trained more than the paper's solutions."""
    return any(place.kind in METHODS for place in evidence.attained)


def _places(evidence: Evidence) -> list[Place]:
    """Return all solutions at the last level, w(N) first."""
    candidates = [Place(kind, evidence.last) for kind in ("imp", *BASELINES, *METHODS)]
    return [place for place in candidates if place in evidence.attained]


def _name(place: Place) -> str:
    return Point.at(place).symbol


def _say(evidence: Evidence) -> str:
    solution, *others = _places(evidence)
    own = evidence.attained[solution]
    better = [place for place in others if evidence.attained[place].test_accuracy > own.test_accuracy]
    products = {place: evidence.log_eig_product(Point.at(place)) for place in (solution, *others)}
    reference = products.pop(solution)
    known = {place: product for place, product in products.items() if product is not None}
    flatter = [place for place in known if reference is not None and known[place] < reference]
    return sentence(
        [
            f"Of {len(others)} other ways to this density, {_listed(better)} the higher test "
            f"{terms().metric_name} than {_name(solution)}",
            f"{_listed(flatter)} the smaller log_eig_product",
            say_not_converged(evidence, [Point.at(place) for place in (solution, *others)]),
        ]
    )


def _listed(places: Sequence[Place]) -> str:
    if not places:
        return "none has"
    return f"{', '.join(_name(place) for place in places)} {'has' if len(places) == 1 else 'have'}"


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    solution = Place.imp(evidence.last)
    for place in _places(evidence):
        attained, point = evidence.attained[place], Point.at(place)
        line = LineJob(Point.at(solution), point)
        rise = barrier_if_any(evidence.lines[line].stored.train_loss) if line in evidence.lines else None
        converged = yes_no(evidence.curvature[point].spectrum.converged)
        reached = attained.density, attained.train_loss, float(attained.test_accuracy)
        measured = evidence.log_eig_product(point), converged, rise, _mean_radius(evidence, place)
        rows.append((place.kind, place.level, *reached, *measured))
    headings = ("kind", "level", "density", "train_loss", "test_accuracy", "log_eig_product", "converged")
    return Table((*headings, "barrier_from_imp", "mean_radius"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    """Draw what is attained against each measure of the basin: a dot a solution and seed, larger their mean."""
    figure = new_figure(TWO_COLUMNS, 6.6)
    measures, attained = _measures(evidences[0]), _attained()
    cells = figure.subplots(len(attained), len(measures), sharex="col", sharey="row")
    for row, (quantity, number) in zip(cells, attained, strict=True):
        for axes, (measured, measure) in zip(row, measures, strict=True):
            dress(axes, title="", x=measured, y=quantity)
            axes.label_outer()
            _draw_panel(axes, evidences, number, measure)
    seeds = (
        f"; a small dot a seed, of {len(evidences)}, and a large one their mean" if len(evidences) > 1 else ""
    )
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=5,
        fontsize=SMALL_TEXT_SIZE,
        title=f"All at the density of level {evidences[0].last}{seeds}",
        title_fontsize=SMALL_TEXT_SIZE,
    )
    return figure


def _draw_panel(
    axes: Axes, evidences: Sequence[Evidence], number: Callable[[Attained], float], measure: _Measure
) -> None:
    drawn: list[float] = []
    for place in _places(evidences[0]):
        found = np.array(
            [
                (measured, number(evidence.attained[place]))
                for evidence in evidences
                if place in evidence.attained and (measured := measure(evidence, place)) is not None
            ]
        ).reshape(-1, 2)
        drawn += found[:, 1].tolist()
        look, size = appearance(place), 60 if place.kind == "imp" else 34
        colour = NEUTRAL_COLOUR if place.kind == "imp" else look.colour
        style: dict[str, Any] = {"color": colour, "marker": look.marker, "linewidths": 0}
        if len(evidences) > 1:
            axes.scatter(found[:, 0], found[:, 1], s=0.3 * size * look.scale**2, alpha=0.6, **style)
        middle = found.mean(axis=0, keepdims=True) if len(found) else found
        axes.scatter(middle[:, 0], middle[:, 1], s=size * look.scale**2, label=_name(place), zorder=3, **style)
    if spans_a_decade(np.array(drawn)):
        use_log_y(axes)


METHODS_SHOWN = Exhibit(
    file="beyond_methods",
    title="Beyond the paper: every way to this density, what it attains against how sharp it lies",
    paper="The paper ends with the question for algorithms that find the good sparser solutions directly.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
