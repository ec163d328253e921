"""The baselines that a study trains at every level, over the levels; the others at the last level alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.place import BASELINES, METHODS, Kind, Place, Point
from lth.report.exhibit.attainment import BINOMIAL, accuracy_errors, metric_title
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.spectra import known_within, say_not_converged
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.all_seeds import said_of_seeds
from lth.report.figure.appearance import Appearance, appearance
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TWO_COLUMNS,
    new_figure,
    spans_a_decade,
    use_log_y,
)
from lth.setting.terms import terms

_SIDE_BY_SIDE = "Baselines stand side by side where they would hide each other"
_DODGE = 0.06  # levels between the markers of two kinds
_MOST_DODGE = 0.9  # levels that all kinds take together, so that each stays at its level
_Measure = Callable[[Evidence, Place], float | None]
_Errors = Callable[[Evidence, Sequence[Place]], Sequence[float | None] | np.ndarray | None]


def _panels() -> tuple[tuple[str, str, _Measure, _Errors | None], ...]:
    """Return title, quantity, measure, and within how much its numbers of one seed are known."""
    said = terms()
    return (
        (
            "log_eig_product",
            "log_eig_product (Σ ln λ)",
            lambda evidence, place: evidence.log_eig_product(Point.at(place)),
            lambda evidence, places: [known_within(evidence, Point.at(place)) for place in places],
        ),
        (
            "Training loss",
            said.loss_axis(),
            lambda evidence, place: evidence.attained[place].train_loss,
            None,
        ),
        (
            metric_title(),
            said.metric_axis,
            lambda evidence, place: said.scale * evidence.attained[place].test_accuracy,
            lambda evidence, places: accuracy_errors(evidence, places) if places else None,
        ),
    )


def _places(evidence: Evidence, kind: Kind) -> list[Place]:
    return [place for level in evidence.levels if (place := Place(kind, level)) in evidence.attained]


def _at_every_level(evidence: Evidence) -> list[Kind]:
    return [kind for kind in _kinds(evidence) if len(_places(evidence, kind)) == evidence.last]


def _kinds(evidence: Evidence) -> list[Kind]:
    """Return the baselines, and the methods that were trained below the last level too."""
    methods = [kind for kind in METHODS if len(_places(evidence, kind)) > 1]
    return [*BASELINES, *methods]


def _say(evidence: Evidence) -> str:
    everywhere = _at_every_level(evidence)
    if evidence.last == 1 or not everywhere:
        return f"No baseline was trained below level {evidence.last}, the last."
    parts = []
    for kind in everywhere:
        places = _places(evidence, kind)
        solutions = [evidence.attained[Place.imp(place.level)] for place in places]
        others = [evidence.attained[place] for place in places]
        lower = sum(ours.train_loss < theirs.train_loss for ours, theirs in zip(solutions, others, strict=True))
        better = sum(
            ours.test_accuracy > theirs.test_accuracy for ours, theirs in zip(solutions, others, strict=True)
        )
        products = [
            (ours, theirs)
            for place in places
            if (ours := evidence.log_eig_product(Point.at(Place.imp(place.level)))) is not None
            and (theirs := evidence.log_eig_product(Point.at(place))) is not None
        ]
        flatter = sum(ours < theirs for ours, theirs in products)
        parts.append(
            f"w(L) has the lower training loss than {kind} at {lower} of {count(places, 'level')}, the higher "
            f"test {terms().metric_name} at {better}, and the smaller log_eig_product at {flatter} of "
            f"{len(products)}"
        )
    drawn = [Point.at(place) for kind in ("imp", *everywhere) for place in _places(evidence, kind)]
    return sentence([*parts, say_not_converged(evidence, drawn)])


def _numbers(evidence: Evidence) -> Table:
    kinds: list[Kind] = ["imp", *_kinds(evidence)]
    rows: list[tuple[Cell, ...]] = []
    for place in [place for kind in kinds for place in _places(evidence, kind)]:
        # Without a baseline at every level there is no trend to show, and the last level says it all.
        if _at_every_level(evidence) or place.level == evidence.last:
            attained = evidence.attained[place]
            product = evidence.log_eig_product(Point.at(place))
            accuracy = float(attained.test_accuracy)
            converged = yes_no(evidence.curvature[Point.at(place)].spectrum.converged)
            reached = attained.density, attained.train_loss, accuracy
            rows.append((place.kind, place.level, *reached, product, converged))
    headings = ("kind", "level", "density", "train_loss", "test_accuracy", "log_eig_product", "converged")
    return Table(headings, tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, evidence = new_figure(TWO_COLUMNS, 3.6), evidences[0]
    for axes, (title, quantity, measure, error) in zip(figure.subplots(1, 3), _panels(), strict=True):
        levels = list(evidence.levels)
        series = [("IMP", Appearance(NEUTRAL_COLOUR, "o"), [Place.imp(level) for level in levels], 0.0)]
        kinds = _kinds(evidence)
        for index, kind in enumerate(kinds):
            # Series of several seeds are set apart already.
            step = min(_DODGE, _MOST_DODGE / len(kinds))
            dodge = 0.0 if len(evidences) > 1 else step * (index - (len(kinds) - 1) / 2)
            series.append((kind, appearance(Place(kind, evidence.last)), _places(evidence, kind), dodge))
        found = [[[measure(one, place) for place in places] for one in evidences] for _, _, places, _ in series]
        drawn = [value for values in found for row in values for value in row]
        counted = BINOMIAL if title == metric_title() and terms().is_counted and len(evidences) == 1 else ""
        begin_level_panel(axes, evidence, levels, title=_caveated(title, drawn) + counted, quantity=quantity)
        exist = np.array([value for value in drawn if value is not None])
        if title == "Training loss" and spans_a_decade(exist):
            use_log_y(axes)
        for (name, look, places, dodge), values in zip(series, found, strict=True):
            errors = None if error is None else error(evidence, places)
            plot_over_levels(axes, [place.level + dodge for place in places], values, look, name, errors=errors)
    said = said_of_seeds(evidences, logarithmic=any(each.get_yscale() == "log" for each in figure.axes))
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        fontsize=SMALL_TEXT_SIZE,
        title="\n".join(filter(None, (_SIDE_BY_SIDE, said))),
        title_fontsize=SMALL_TEXT_SIZE,
    )
    return figure


def _caveated(title: str, values: Sequence[float | None]) -> str:
    missing = sum(value is None for value in values)
    return f"{title} ({missing} of {len(values)} do not exist)" if missing else title


EVERY_LEVEL = Exhibit(
    file="beyond_every_level",
    title="Beyond the paper: baselines over the levels",
    paper="The paper shows the baselines at one level alone.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
