"""The local volume of what the paper compares by log_eig_product, beside that, and where the two part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.claim.claim import Case
from lth.evidence.claim.reading import log_eig_gap, volume_gap
from lth.evidence.claim.volume import COMPARED_BY_VOLUME, pair_of
from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.measure.volume import LocalVolume
from lth.plan.jobs import volume_pairs
from lth.plan.place import Place, Point
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.figure.appearance import (
    NEXT_LARGER_LOOK,
    OTHER,
    PREVIOUS_LOOK,
    PROJECTION_LOOK,
    REVERSE_LOOK,
    SOLUTION_LOOK,
    Appearance,
)
from lth.report.figure.panels import legend_above
from lth.report.figure.style import SMALL_TEXT_SIZE, TWO_COLUMNS, dress, new_figure

_VOLUME, _PRODUCT = "log volume (nats a weight)", "log_eig_product (upside down)"


@dataclass(frozen=True)
class _Compared:
    """The two points of a case of a claim, and their volumes."""

    claim: str
    case: Case
    larger: Point  # where the claim says the volume is larger
    smaller: Point
    volumes: tuple[LocalVolume, LocalVolume]  # there and there

    @property
    def gap(self) -> float:
        """Difference of the means, nats a dimension, whether they are estimates or lower bounds."""
        return self.volumes[0].per_weight - self.volumes[1].per_weight


def _compared(evidence: Evidence) -> Iterator[_Compared]:
    """Yield every case of the claims whose volumes were measured."""
    for claim in COMPARED_BY_VOLUME:
        for case in claim.cases(evidence.last):
            larger, smaller = pair_of(claim.id, case)
            first, second = evidence.volume(larger, smaller), evidence.volume(smaller, larger)
            if first is not None and second is not None:
                yield _Compared(claim.id, case, larger, smaller, (first, second))


def _say(evidence: Evidence) -> str:
    found = list(_compared(evidence))
    every = [volume for each in found for volume in each.volumes]
    estimated = sum(volume.is_estimated for volume in every)
    means = f"Of {count(every, 'mean')} {estimated} {'is an estimate' if estimated == 1 else 'are estimates'}"
    if estimated < len(every):
        means += ", the others are lower bounds, whose differences are none of volumes"
    held = ", ".join(filter(None, (_held(evidence, claim.id, found) for claim in COMPARED_BY_VOLUME)))
    by_both = f"in the claim's direction by these means and by log_eig_product are {held}"
    apart = [
        f"{each.claim} at {each.case.label}"
        for each in found
        if (proxy := log_eig_gap(evidence, each.smaller, each.larger)) is not None
        and (proxy > 0) != (each.gap > 0)
    ]
    parts = f"they part in {', '.join(apart)}" if apart else "they part nowhere"
    return sentence([means, by_both, parts])


def _held(evidence: Evidence, claim: str, found: Sequence[_Compared]) -> str:
    """Return in how many cases of a claim either quantity has its direction."""
    cases = [each for each in found if each.claim == claim]
    if not cases:
        return ""
    proxies = [log_eig_gap(evidence, each.smaller, each.larger) for each in cases]
    by_volume = sum(each.gap > 0 for each in cases)
    by_proxy = sum(proxy is not None and proxy > 0 for proxy in proxies)
    return f"{claim} {by_volume} and {by_proxy} of {len(cases)}"


def _numbers(evidence: Evidence) -> Table:
    """Return a row for each point of each comparison."""
    rows: list[tuple[Cell, ...]] = []
    claims = {
        frozenset(pair_of(claim.id, case)): claim.id
        for claim in COMPARED_BY_VOLUME
        for case in claim.cases(evidence.last)
    }
    for pair in volume_pairs(evidence.last, evidence.setting.analysis.all_methods):
        for point, other in (pair, pair[::-1]):
            if (volume := evidence.volume(point, other)) is None:
                continue
            proxy = evidence.log_eig_product(point) if point in evidence.curvature else None
            claim = claims.get(frozenset(pair), "")
            gap = volume_gap(evidence, point, other)
            rows.append(
                (
                    max(point.place.level, other.place.level),
                    claim,
                    point.symbol,
                    other.symbol,
                    *_row(volume),
                    proxy,
                    gap,
                )
            )
    known = ("log_volume", "a_weight", "low", "high", "is_estimated", "tail_index", "effective_directions")
    taken = ("directions", "censored", "typical_log_volume", "dimension", "preconditioned", "cutoff", "loss")
    headings = ("level", "claim", "point", "beside", *known, *taken, "log_eig_product", "gap_a_weight")
    return Table(headings, tuple(rows))


def _row(volume: LocalVolume) -> tuple[Cell, ...]:
    low, high = volume.interval
    tail = volume.tail
    return (
        volume.estimate,
        volume.per_weight,
        low,
        high if math.isfinite(high) else None,
        yes_no(volume.is_estimated),
        tail if math.isfinite(tail) else None,
        volume.num_effective,
        len(volume.log_volumes),
        volume.num_censored,
        volume.typical,
        volume.dimension,
        volume.preconditioned,
        volume.cutoff,
        volume.loss,
    )


@dataclass(frozen=True)
class _Series:
    """A point of every level, and the one that it shares its cutoff with."""

    label: str
    look: Appearance
    at: Callable[[int], tuple[Point, Point]]


def _solution(level: int) -> Point:
    return Point.at(Place.imp(level))


_PANELS: tuple[tuple[str, tuple[_Series, ...]], ...] = (
    (
        "R1a: level-L space",
        (
            _Series("w(L)", SOLUTION_LOOK, lambda level: (_solution(level), Point.projection(level))),
            _Series("m(L)⊙w(L-1)", PROJECTION_LOOK, lambda level: (Point.projection(level), _solution(level))),
        ),
    ),
    (
        "R1c: level L-1 space",
        (
            _Series("w(L-1)", PREVIOUS_LOOK, lambda level: (_solution(level - 1), Point.reverse(level))),
            _Series("w(L)", REVERSE_LOOK, lambda level: (Point.reverse(level), _solution(level - 1))),
        ),
    ),
    (
        "R6a: which weights are pruned",
        (
            _Series(
                "m(L)⊙w(L-1)",
                PROJECTION_LOOK,
                lambda level: (Point.projection(level), Point.next_larger(level)),
            ),
            _Series(
                "next-larger band pruned",
                NEXT_LARGER_LOOK,
                lambda level: (Point.next_larger(level), Point.projection(level)),
            ),
        ),
    ),
)


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 12.0)
    cells = figure.subplots(4, 2).T
    for column, (title, series) in enumerate(_PANELS):
        _draw_over_levels(cells[0, column], evidences, title, series, _volume_at, _VOLUME)
        _draw_over_levels(cells[1, column], evidences, title, series, _product_at, _PRODUCT)
    _draw_baselines(cells[0, 3], evidences, _volume_at, _VOLUME)
    _draw_baselines(cells[1, 3], evidences, _product_at, _PRODUCT)
    for axes in cells[1]:
        axes.invert_yaxis()  # a larger product is a smaller basin
    explain_seeds(figure, evidences)
    return figure


_Quantity = Callable[[Evidence, Point, Point], float | None]


def _volume_at(evidence: Evidence, point: Point, beside: Point) -> float | None:
    found = evidence.volume(point, beside)
    return None if found is None else found.per_weight


def _product_at(evidence: Evidence, point: Point, _beside: Point) -> float | None:
    return evidence.log_eig_product(point) if point in evidence.curvature else None


def _draw_over_levels(
    axes: Axes,
    evidences: Sequence[Evidence],
    title: str,
    every: Sequence[_Series],
    quantity: _Quantity,
    unit: str,
) -> None:
    levels = list(evidences[0].levels)
    begin_level_panel(axes, evidences[0], levels, title="", quantity=unit)
    for series in every:
        pairs = [series.at(level) for level in levels]
        values = [[quantity(evidence, *pair) for pair in pairs] for evidence in evidences]
        label, errors = series.label, None
        if quantity is _volume_at:
            label += _bounds(evidences, pairs)
            errors = _errors(evidences[0], pairs)
        plot_over_levels(axes, levels, values, series.look, label, errors=errors)
    legend_above(axes, title)


def _draw_baselines(axes: Axes, evidences: Sequence[Evidence], quantity: _Quantity, unit: str) -> None:
    """Draw each solution beside w(N), and w(N) under the same cutoff."""
    last, methods = evidences[0].last, evidences[0].setting.analysis.all_methods
    pairs = [pair for pair in volume_pairs(last, methods) if pair[0].place.kind != "imp"]
    dress(axes, title="", x="", y=unit)
    sides = (
        (-0.12, "itself", OTHER, pairs),
        (0.12, "w(N), same cutoff", SOLUTION_LOOK, [(other, point) for point, other in pairs]),
    )
    for shift, name, look, shown in sides:
        values = as_rows([[quantity(evidence, *pair) for pair in shown] for evidence in evidences])
        label = name + (_bounds(evidences, shown) if quantity is _volume_at else "")
        draw_bars(axes, [position + shift for position in range(len(pairs))], values, look, label, "")
    names = [pair[0].place.kind for pair in pairs]
    axes.set_xticks(range(len(pairs)), names, fontsize=SMALL_TEXT_SIZE, rotation=35, ha="right")
    axes.set_xlim(-0.6, len(pairs) - 0.4)
    legend_above(axes, "R2b, R3, R6b, R7: beside w(N)")


def _bounds(evidences: Sequence[Evidence], pairs: Sequence[tuple[Point, Point]]) -> str:
    """Say how many of the means are lower bounds."""
    found = [evidence.volume(*pair) for evidence in evidences for pair in pairs]
    lower = sum(volume is not None and not volume.is_estimated for volume in found)
    if lower == len(found):
        return " (lower bounds)"
    return f" ({lower} of {len(found)} are lower bounds)" if lower else ""


def _errors(evidence: Evidence, pairs: Sequence[tuple[Point, Point]]) -> np.ndarray:
    """Return how far the interval of each reaches down and up, (2, points); up no further if it has no end."""
    reach = []
    for pair in pairs:
        if (volume := evidence.volume(*pair)) is None:
            reach.append((0.0, 0.0))
            continue
        low, high = volume.interval
        up = high - volume.estimate if math.isfinite(high) else 0.0
        reach.append(((volume.estimate - low) / volume.dimension, up / volume.dimension))
    return np.array(reach).T


VOLUME = Exhibit(
    file="beyond_volume",
    title="Beyond the paper: local volume by importance sampling, beside log_eig_product",
    paper="The paper takes the product of leading eigenvalues for an inverse volume. arXiv 2501.18812 samples "
    "volumes, and finds means over directions that are not preconditioned off by orders of magnitude.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
