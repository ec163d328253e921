"""Training loss and test accuracy: of IMP over the levels, and of w(N) beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Attained, Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.plan.place import BASELINES, Place
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.figure.appearance import Appearance, appearance
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    dress,
    new_figure,
    spans_a_decade,
    use_log_x,
    use_log_y,
)

Measure = Callable[[Attained], float]
PANELS: tuple[tuple[str, str, Measure], ...] = (
    ("Training loss", "training loss (nats)", lambda attained: attained.train_loss),
    ("Test accuracy", "test accuracy (%)", lambda attained: 100 * attained.test_accuracy),
)


def baselines(evidence: Evidence) -> list[Place]:
    """Return the baselines at the last level."""
    return [place for kind in BASELINES if (place := Place(kind, evidence.last)) in evidence.attained]


def attained_table(evidence: Evidence, places: Sequence[Place]) -> Table:
    """Return what each solution reached, a row each."""
    rows: list[tuple[Cell, ...]] = []
    for place in places:
        attained = evidence.attained[place]
        rows.append(
            (place.kind, place.level, attained.density, attained.train_loss, float(attained.test_accuracy))
        )
    return Table(("kind", "level", "density", "train_loss", "test_accuracy"), tuple(rows))


def _levels_with_dense(evidence: Evidence) -> list[int]:
    return list(range(evidence.last + 1))


def _say_levels(evidence: Evidence) -> str:
    attained = [evidence.attained[Place.imp(level)] for level in _levels_with_dense(evidence)]
    first, last = attained[0], attained[-1]
    best = max(range(len(attained)), key=lambda level: attained[level].test_accuracy)
    return (
        f"Training loss goes from {rounded(first.train_loss)} nats (dense) to {rounded(last.train_loss)} at "
        f"level {evidence.last} ({rounded(100 * last.density)} % of weights), test accuracy from "
        f"{_percent(first)} to {_percent(last)}, with the best, {_percent(attained[best])}, at level {best}."
    )


def _draw_levels(evidence: Evidence) -> Figure:
    levels = _levels_with_dense(evidence)
    figure = new_figure(9.6, 3.8)
    for axes, (title, quantity, measure) in zip(figure.subplots(1, 2), PANELS, strict=True):
        values = [measure(evidence.attained[Place.imp(level)]) for level in levels]
        begin_level_panel(axes, evidence, levels, title=title, quantity=quantity)
        if title == "Training loss" and spans_a_decade(np.array(values)):
            use_log_y(axes)
        plot_over_levels(axes, levels, values, Appearance(NEUTRAL_COLOUR, ""), "IMP")
        for level, value in zip(levels, values, strict=True):
            look = appearance(Place.imp(level))
            axes.plot(level, value, color=look.colour, marker=look.marker, markersize=7, zorder=3)
    return figure


LEVELS = Exhibit(
    file="fig01_levels",
    title="Fig. 1 (23 for VGG-16): training loss and test accuracy of IMP over the levels",
    paper="Training loss and test accuracy of the IMP solutions, level by level.",
    found=_say_levels,
    numbers=lambda evidence: attained_table(
        evidence, [Place.imp(level) for level in _levels_with_dense(evidence)]
    ),
    draw=_draw_levels,
)


def _say_baselines(evidence: Evidence) -> str:
    solution, others = evidence.attained[Place.imp(evidence.last)], baselines(evidence)
    worse = sum(evidence.attained[place].train_loss > solution.train_loss for place in others)
    less = sum(evidence.attained[place].test_accuracy < solution.test_accuracy for place in others)
    lowest = min(others, key=lambda place: evidence.attained[place].train_loss)
    best = max(others, key=lambda place: evidence.attained[place].test_accuracy)
    theirs = f"{lowest.kind}, {rounded(evidence.attained[lowest].train_loss)}"
    return (
        f"w({evidence.last}) has a lower training loss ({rounded(solution.train_loss)} nats) than {worse} of "
        f"{len(others)} baselines (the lowest of theirs: {theirs}), and a higher test accuracy "
        f"({_percent(solution)}) than {less} of {len(others)} (the highest of theirs: {best.kind}, "
        f"{_percent(evidence.attained[best])})."
    )


def _percent(attained: Attained) -> str:
    return f"{rounded(100 * attained.test_accuracy)} %"


def _draw_baselines(evidence: Evidence) -> Figure:
    places = [Place.imp(evidence.last), *baselines(evidence)]
    figure = new_figure(9.6, 1.4 + 0.34 * len(places))
    names = [f"w({evidence.last})" if place.kind == "imp" else place.kind for place in places]
    for axes, (title, quantity, measure) in zip(figure.subplots(1, 2, sharey=True), PANELS, strict=True):
        dress(axes, title=f"{title} at level {evidence.last}", x=quantity, y="")
        _draw_dots(axes, places, [measure(evidence.attained[place]) for place in places])
        axes.set_yticks(range(len(places)), names, fontsize=SMALL_TEXT_SIZE)
        axes.set_ylim(len(places) - 0.4, -0.6)  # w(N) on top
    return figure


def _draw_dots(axes: Axes, places: Sequence[Place], values: Sequence[float]) -> None:
    if spans_a_decade(np.array(values)):
        use_log_x(axes)
    axes.axvline(values[0], color=NEUTRAL_COLOUR, linewidth=0.8, linestyle="--", zorder=1)
    for row, (place, value) in enumerate(zip(places, values, strict=True)):
        look = appearance(place)
        axes.plot(value, row, color=look.colour, marker=look.marker, markersize=7 * look.scale, zorder=3)
        axes.annotate(
            rounded(value),
            xy=(value, row),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL_TEXT_SIZE,
        )
    axes.margins(x=0.25)  # leaves room for the numbers


AGAINST_BASELINES = Exhibit(
    file="fig02_baselines",
    title="Fig. 2 (24 for VGG-16): training loss and test accuracy of w(N) and of the baselines",
    paper="At the last level the IMP solution has a lower training loss and a higher test accuracy than every "
    "baseline.",
    found=_say_baselines,
    numbers=lambda evidence: attained_table(evidence, [Place.imp(evidence.last), *baselines(evidence)]),
    draw=_draw_baselines,
)
