"""Every way to a sparse network that a study trained, by what it attains and how sharp it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Attained, Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.jobs import LineJob
from lth.plan.place import BASELINES, METHODS, Place, Point
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.lines import barrier_if_any
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


def _panels() -> tuple[tuple[str, Callable[[Attained], float]], ...]:
    said = terms()
    return (
        (said.metric_axis, lambda attained: said.scale * attained.test_accuracy),
        (said.loss_axis(), lambda attained: attained.train_loss),
    )


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
        rows.append((place.kind, place.level, *reached, evidence.log_eig_product(point), converged, rise))
    headings = ("kind", "level", "density", "train_loss", "test_accuracy", "log_eig_product", "converged")
    return Table((*headings, "barrier_from_imp"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 3.9)
    for axes, (quantity, measure) in zip(figure.subplots(1, 2), _panels(), strict=True):
        _draw_panel(axes, evidences, quantity, measure)
    seeds = f"; a dot a seed, of {len(evidences)}" if len(evidences) > 1 else ""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=6,
        fontsize=SMALL_TEXT_SIZE,
        title=f"All at the density of level {evidences[0].last}{seeds}",
        title_fontsize=SMALL_TEXT_SIZE,
    )
    return figure


def _draw_panel(
    axes: Axes, evidences: Sequence[Evidence], quantity: str, measure: Callable[[Attained], float]
) -> None:
    dress(axes, title="", x="log_eig_product (Σ ln λ); flatter to the left", y=quantity)
    drawn = []
    for place in _places(evidences[0]):
        look = appearance(place)
        found = [
            (product, measure(evidence.attained[place]))
            for evidence in evidences
            if place in evidence.attained and (product := evidence.log_eig_product(Point.at(place))) is not None
        ]
        drawn += [value for _, value in found]
        axes.scatter(
            [product for product, _ in found],
            [value for _, value in found],
            color=NEUTRAL_COLOUR if place.kind == "imp" else look.colour,
            marker=look.marker,
            s=(60 if place.kind == "imp" else 34) * look.scale**2,
            linewidths=0,
            label=_name(place),
        )
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
