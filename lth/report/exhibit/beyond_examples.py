"""How log_eig_product depends on the number of examples: at n, n/2, … of them, and what it goes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.claim.reading import difference
from lth.evidence.evidence import Evidence, log_eig_product
from lth.evidence.extrapolation import Extrapolated, Measured, extrapolate
from lth.evidence.table import Cell, Table, plus_minus
from lth.plan.jobs import PartJob
from lth.plan.place import Place, Point
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.all_seeds import explain_seeds
from lth.report.figure.appearance import (
    NEXT_LARGER_LOOK,
    OTHER,
    PROJECTION_LOOK,
    REVERSE_LOOK,
    SOLUTION_LOOK,
    Appearance,
)
from lth.report.figure.panels import legend_above
from lth.report.figure.style import NEUTRAL_COLOUR, TWO_COLUMNS, new_figure

_LOOKS = (SOLUTION_LOOK, REVERSE_LOOK, NEXT_LARGER_LOOK, OTHER)  # of n, n/2, …; the last for all that follow
_Of = Callable[[Evidence, int, int, int], float | None]  # of a level, in one of so many parts


def _product(evidence: Evidence, point: Point, part: int, parts: int) -> float | None:
    if parts == 1:
        return evidence.log_eig_product(point)
    return log_eig_product(evidence.parts[PartJob(point, part, parts)].curvature.spectrum)


def _count(evidence: Evidence) -> int:
    """Return how many examples all was measured on."""
    halves = [PartJob(Point.at(Place.imp(0)), part, 2) for part in (1, 2)]
    return sum(evidence.parts[half].examples for half in halves)


def _solution(evidence: Evidence, level: int, part: int, parts: int) -> float | None:
    return _product(evidence, Point.at(Place.imp(level)), part, parts)


def _gap(evidence: Evidence, level: int, part: int, parts: int) -> float | None:
    """Return the difference of the claim R1a over the same examples at both points."""
    return difference(
        _product(evidence, Point.projection(level), part, parts), _solution(evidence, level, part, parts)
    )


_SERIES: tuple[tuple[str, _Of, int], ...] = (  # with the first level that has it
    ("w(L)", _solution, 0),
    ("m(L)⊙w(L-1) minus w(L)", _gap, 1),
)


def _divisions(evidence: Evidence) -> list[int]:
    """Return into how many parts the examples were divided: 1, 2, 4, …."""
    return [2**halving for halving in range(evidence.setting.analysis.halvings + 1)]


def _measured(evidence: Evidence, of: _Of, level: int) -> list[Measured]:
    """Return the number at every size down to the first where it does not exist in all parts."""
    sizes, total = [], _count(evidence)
    for parts in _divisions(evidence):
        values = [of(evidence, level, part, parts) for part in range(1, parts + 1)]
        known = tuple(value for value in values if value is not None)
        if len(known) < parts:
            break
        sizes.append(Measured(total / parts, known))
    return sizes


def _limit(evidence: Evidence, of: _Of, level: int) -> Extrapolated | None:
    sizes = _measured(evidence, of, level)
    return extrapolate(sizes) if len(sizes) > 1 else None


def _say(evidence: Evidence) -> str:
    parts = []
    for name, of, first in _SERIES:
        level = evidence.last
        sizes, limit = _measured(evidence, of, level), _limit(evidence, of, level)
        if limit is None:
            parts.append(f"of {name} at level {level} does not exist on fewer examples")
            continue
        shown = ", ".join(f"{each.mean:.2f} on {each.size:.0f}" for each in sizes)
        towards = plus_minus(limit.value, limit.uncertainty)
        parts.append(f"of {name} at level {level} is {shown} examples, which goes to {towards}")
        if first:
            levels = range(first, evidence.last + 1)
            found = [(_measured(evidence, of, each), _limit(evidence, of, each)) for each in levels]
            kept = [
                here for sizes_there, here in found if here and (here.value > 0) == (sizes_there[0].mean > 0)
            ]
            parts.append(f"its sign is that of the limit at {len(kept)} of {count(len(found), 'level')}")
    return sentence(["log_eig_product " + parts[0], *parts[1:]])


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, of, first in _SERIES:
        for level in range(first, evidence.last + 1):
            sizes, limit = _measured(evidence, of, level), _limit(evidence, of, level)
            for each in sizes:
                rows += [(level, name, each.size, value, None) for value in each.values]
            if limit is not None:
                rows.append((level, name, "limit", limit.value, limit.uncertainty))
    return Table(("level", "of", "examples", "log_eig_product", "uncertainty"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 3.4)
    for axes, (name, of, first) in zip(figure.subplots(1, 2), _SERIES, strict=True):
        _draw_panel(axes, evidences, of, list(range(first, evidences[0].last + 1)))
        if first:
            axes.axhline(0, color=NEUTRAL_COLOUR, linewidth=0.9, label="_zero")
        legend_above(axes, name)
    explain_seeds(figure, evidences)
    return figure


def _draw_panel(axes: Axes, evidences: Sequence[Evidence], of: _Of, levels: list[int]) -> None:
    begin_level_panel(axes, evidences[0], levels, title="", quantity="log_eig_product")
    for index, parts in enumerate(_divisions(evidences[0])):
        values = [[_at(evidence, of, level, index) for level in levels] for evidence in evidences]
        label = f"{_count(evidences[0]) / parts:.0f} examples"
        plot_over_levels(axes, levels, values, _LOOKS[min(index, len(_LOOKS) - 1)], label)
    limits = [[_limit(evidence, of, level) for level in levels] for evidence in evidences]
    values = [[None if each is None else each.value for each in row] for row in limits]
    errors = [None if each is None else each.uncertainty for each in limits[0]]
    look = Appearance(PROJECTION_LOOK.colour, "s")
    plot_over_levels(axes, levels, values, look, "ever more, extrapolated", errors=errors, line="--")


def _at(evidence: Evidence, of: _Of, level: int, index: int) -> float | None:
    sizes = _measured(evidence, of, level)
    return sizes[index].mean if index < len(sizes) else None


EXAMPLES = Exhibit(
    file="beyond_examples",
    title="Beyond the paper: how log_eig_product depends on the number of examples",
    paper="The paper takes curvature over one sample of the training examples; that of a sample is biased "
    "(arXiv 2410.14325).",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
