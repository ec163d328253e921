"""Training loss and test accuracy: of IMP over the levels, and of w(N) beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.errors import LackingError
from lth.evidence.binomial import accuracy_intervals
from lth.evidence.evidence import Attained, Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.plan.place import BASELINES, METHODS, Place
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.figure.all_seeds import as_rows, drawn_middle, explain_seeds, middle
from lth.report.figure.appearance import Appearance, appearance
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TWO_COLUMNS,
    dress,
    new_figure,
    spans_a_decade,
    use_log_x,
    use_log_y,
)
from lth.setting.terms import terms

_SEEDS_BELOW = 0.28  # a row of dots
BINOMIAL = " (bars: binomial, 95 %)"
Measure = Callable[[Attained], float]


def panels() -> tuple[tuple[str, str, Measure], ...]:
    """Return title, quantity and measure of the loss and of the metric."""
    said = terms()
    return (
        ("Training loss", said.loss_axis(), lambda attained: attained.train_loss),
        (metric_title(), said.metric_axis, lambda attained: said.scale * attained.test_accuracy),
    )


def metric_title() -> str:
    """Return what stands over a panel of the metric."""
    return f"Test {terms().metric_name}"


def baselines(evidence: Evidence) -> list[Place]:
    """Return the baselines at the last level.

    Raises:
        LackingError: If there is none.
    """
    found = [place for kind in BASELINES if (place := Place(kind, evidence.last)) in evidence.attained]
    if not found:
        raise LackingError(f"any baseline at level {evidence.last}")
    return found


def methods(evidence: Evidence) -> list[Place]:
    """Return the methods beyond the paper's baselines at the last level, which a study need not have."""
    return [place for kind in METHODS if (place := Place(kind, evidence.last)) in evidence.attained]


def attained_table(evidence: Evidence, places: Sequence[Place]) -> Table:
    """Return what each solution reached, a row each, with the binomial interval (95 %) of its accuracy."""
    intervals = accuracy_intervals(evidence, places)
    rows: list[tuple[Cell, ...]] = []
    for place in places:
        attained = evidence.attained[place]
        interval = intervals[place] or (None, None)
        accuracy = float(attained.test_accuracy)
        rows.append((place.kind, place.level, attained.density, attained.train_loss, accuracy, *interval))
    headings = ("kind", "level", "density", "train_loss", "test_accuracy")
    return Table((*headings, "test_accuracy_low", "test_accuracy_high"), tuple(rows))


def _levels_with_dense(evidence: Evidence) -> list[int]:
    return list(range(evidence.last + 1))


def _say_levels(evidence: Evidence) -> str:
    attained = [evidence.attained[Place.imp(level)] for level in _levels_with_dense(evidence)]
    first, last = attained[0], attained[-1]
    best = max(range(len(attained)), key=lambda level: attained[level].test_accuracy)
    dense = terms().of_loss(rounded(first.train_loss))
    return (
        f"Training loss goes from {dense} (dense) to {rounded(last.train_loss)} at "
        f"level {evidence.last} ({rounded(100 * last.density)} % of weights), test {terms().metric_name} from "
        f"{_percent(first)} to {_percent(last)}, with the best, {_percent(attained[best])}, at level {best}."
    )


def _draw_levels(evidences: Sequence[Evidence]) -> Figure:
    levels = _levels_with_dense(evidences[0])
    places = [Place.imp(level) for level in levels]
    figure = new_figure(TWO_COLUMNS, 2.8)
    for axes, (title, quantity, measure) in zip(figure.subplots(1, 2), panels(), strict=True):
        values = as_rows([[measure(evidence.attained[place]) for place in places] for evidence in evidences])
        errors = accuracy_errors(evidences[0], places) if title == metric_title() else None
        if errors is not None and len(evidences) == 1:
            title += BINOMIAL
        begin_level_panel(axes, evidences[0], levels, title=title, quantity=quantity)
        if title == "Training loss" and spans_a_decade(values):
            use_log_y(axes)
        plot_over_levels(axes, levels, values.tolist(), Appearance(NEUTRAL_COLOUR, ""), "IMP", errors=errors)
        means = middle(values, logarithmic=axes.get_yscale() == "log").mean
        for place, mean in zip(places, means, strict=True):
            look = appearance(place)
            axes.plot(place.level, mean, color=look.colour, marker=look.marker, markersize=7, zorder=3)
    explain_seeds(figure, evidences)
    return figure


def accuracy_errors(evidence: Evidence, places: Sequence[Place]) -> np.ndarray | None:
    """Return how far below and above each accuracy its interval reaches, (2, places), %; None without one."""
    if not terms().is_counted:
        return None
    intervals = [interval for interval in accuracy_intervals(evidence, places).values() if interval is not None]
    if len(intervals) < len(places):
        return None
    accuracies = np.array([evidence.attained[place].test_accuracy for place in places])
    low, high = np.array(intervals).T
    # An accuracy of one is the end of its own interval, but for rounding.
    errors: np.ndarray = 100 * np.maximum([accuracies - low, high - accuracies], 0)
    return errors


LEVELS = Exhibit(
    file="fig01_levels",
    title="Fig. 1 (23 for VGG-16): training loss and test accuracy of IMP over the levels",
    paper="Training loss and test accuracy of the IMP solutions, level by level.",
    found=_say_levels,
    numbers=lambda evidence: attained_table(
        evidence, [Place.imp(level) for level in _levels_with_dense(evidence)]
    ),
    draw=of_one(_draw_levels),
    draw_seeds=_draw_levels,
)


def _say_baselines(evidence: Evidence) -> str:
    solution, others = evidence.attained[Place.imp(evidence.last)], baselines(evidence)
    worse = sum(evidence.attained[place].train_loss > solution.train_loss for place in others)
    less = sum(evidence.attained[place].test_accuracy < solution.test_accuracy for place in others)
    lowest = min(others, key=lambda place: evidence.attained[place].train_loss)
    best = max(others, key=lambda place: evidence.attained[place].test_accuracy)
    theirs = f"{lowest.kind}, {rounded(evidence.attained[lowest].train_loss)}"
    own = terms().of_loss(rounded(solution.train_loss))
    return (
        f"w({evidence.last}) has a lower training loss ({own}) than {worse} of "
        f"{len(others)} baselines (the lowest of theirs: {theirs}), and a higher test {terms().metric_name} "
        f"({_percent(solution)}) than {less} of {len(others)} (the highest of theirs: {best.kind}, "
        f"{_percent(evidence.attained[best])}){_say_methods(evidence)}."
    )


def _say_methods(evidence: Evidence) -> str:
    """Say the same of the methods beyond the paper's baselines, if there are any."""
    solution = evidence.attained[Place.imp(evidence.last)]
    others = [evidence.attained[place] for place in methods(evidence)]
    if not others:
        return ""
    worse = sum(each.train_loss > solution.train_loss for each in others)
    less = sum(each.test_accuracy < solution.test_accuracy for each in others)
    return (
        f"; of {len(others)} methods beyond the paper's, {worse} {'has' if worse == 1 else 'have'} the higher "
        f"training loss and {less} the lower test {terms().metric_name}"
    )


def _percent(attained: Attained) -> str:
    return f"{rounded(terms().scale * attained.test_accuracy)}{terms().percent}"


def _draw_baselines(evidences: Sequence[Evidence]) -> Figure:
    last = evidences[0].last
    places = [Place.imp(last), *baselines(evidences[0]), *methods(evidences[0])]
    figure = new_figure(TWO_COLUMNS, 1.2 + 0.27 * len(places))
    names = [f"w({last})" if place.kind == "imp" else place.kind for place in places]
    for axes, (title, quantity, measure) in zip(figure.subplots(1, 2, sharey=True), panels(), strict=True):
        values = as_rows([[measure(evidence.attained[place]) for place in places] for evidence in evidences])
        errors = (
            accuracy_errors(evidences[0], places) if title == metric_title() and len(evidences) == 1 else None
        )
        dress(axes, title=f"{title} at level {last}{BINOMIAL if errors is not None else ''}", x=quantity, y="")
        _draw_dots(axes, places, values, errors)
        axes.set_yticks(range(len(places)), names, fontsize=SMALL_TEXT_SIZE)
        axes.set_ylim(len(places) - 0.4, -0.6)  # w(N) on top
    explain_seeds(figure, evidences)
    return figure


def _draw_dots(axes: Axes, places: Sequence[Place], values: np.ndarray, errors: np.ndarray | None) -> None:
    """Draw a row a place: the mean over seeds with its interval, or one seed's value, and each seed beneath."""
    if spans_a_decade(values):
        use_log_x(axes)
    found, low, high = drawn_middle(values, logarithmic=axes.get_xscale() == "log")
    bars = (found.mean - low, high - found.mean) if errors is None else errors
    axes.axvline(found.mean[0], color=NEUTRAL_COLOUR, linewidth=0.8, linestyle="--", zorder=1)
    for row, (place, value) in enumerate(zip(places, found.mean, strict=True)):
        look = appearance(place)
        axes.plot(value, row, color=look.colour, marker=look.marker, markersize=7 * look.scale, zorder=3)
        if len(values) > 1:
            below = [row + _SEEDS_BELOW] * len(values)
            axes.plot(values[:, row], below, color=look.colour, marker=".", markersize=3, linestyle="none")
        if len(values) > 1 or errors is not None:
            ends = [[bars[0][row]], [bars[1][row]]]
            axes.errorbar(value, row, xerr=ends, color=look.colour, elinewidth=1, capsize=2, zorder=2)
        axes.annotate(
            rounded(value),
            xy=(value, row),
            xytext=(8, 6 if len(values) > 1 or errors is not None else 0),
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
    numbers=lambda evidence: attained_table(
        evidence, [Place.imp(evidence.last), *baselines(evidence), *methods(evidence)]
    ),
    draw=of_one(_draw_baselines),
    draw_seeds=_draw_baselines,
)
