"""The mass of basins that the paper compares by log_eig_product, beside that and the bounds of their volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.claim.claim import Case
from lth.evidence.claim.reading import log_eig_gap, mass_gap
from lth.evidence.claim.volume import COMPARED_BY_VOLUME, pair_of
from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, yes_no
from lth.measure.mass import Mass, NoisyLoss
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

_MASS, _PRODUCT = "log mass (nats)", "log_eig_product (upside down)"


@dataclass(frozen=True)
class _Compared:
    """The two points of a case of a claim, and the masses of their basins."""

    claim: str
    case: Case
    larger: Point  # where the claim says the volume is larger
    smaller: Point
    masses: tuple[Mass, Mass]  # there and there
    gap: float | None  # of their logarithms; None if it is not known which is larger


def _compared(evidence: Evidence) -> Iterator[_Compared]:
    """Yield every case of the claims whose masses were measured."""
    for claim in COMPARED_BY_VOLUME:
        for case in claim.cases(evidence.last):
            larger, smaller = pair_of(claim.id, case)
            first, second = evidence.mass(larger, smaller), evidence.mass(smaller, larger)
            if first is not None and second is not None:
                gap = mass_gap(evidence, larger, smaller)
                yield _Compared(claim.id, case, larger, smaller, (first, second), gap)


def _say(evidence: Evidence) -> str:
    found = list(_compared(evidence))
    every = [mass for each in found for mass in each.masses]
    estimated = sum(mass.is_estimated for mass in every)
    number = "1 mass" if len(every) == 1 else f"{len(every)} masses"
    said = f"Of {number} {estimated} {'is an estimate' if estimated == 1 else 'are estimates'}"
    if estimated < len(every):
        said += f", the others are upper bounds{_narrower(evidence)}"
    held = ", ".join(filter(None, (_held(evidence, claim.id, found) for claim in COMPARED_BY_VOLUME)))
    by_both = f"in the claim's direction by mass and by log_eig_product are {held}"
    apart = [
        f"{each.claim} at {each.case.label}"
        for each in found
        if each.gap is not None
        and (proxy := log_eig_gap(evidence, each.smaller, each.larger)) is not None
        and (proxy > 0) != (each.gap > 0)
    ]
    parts = f"they part in {', '.join(apart)}" if apart else "they part nowhere"
    return sentence([said, by_both, parts, _of_volumes(evidence)])


def _narrower(evidence: Evidence) -> str:
    """Return the window in which every mass that is but a bound would be seen, as far as that can be told."""
    share, windows = evidence.setting.analysis.mass_window, []
    for pair in volume_pairs(evidence.last, evidence.setting.analysis.all_methods):
        for point, other in (pair, pair[::-1]):
            cutoff = evidence.mass_cutoff(point, other)
            if cutoff is None or (noisy := evidence.masses[point]).under(cutoff).is_estimated:
                continue
            sigma = noisy.narrower(cutoff)
            if sigma is not None:
                windows.append(share * sigma / noisy.sigma)
    if not windows or min(windows) >= share:
        return ""
    return f" (mass_window={min(windows):.2g} would see them, if losses rise as its square)"


def _of_volumes(evidence: Evidence) -> str:
    """Say how many volumes without a window are known."""
    every = [volume for found in evidence.volumes.values() for volume in found.values()]
    estimated = sum(volume.is_estimated for volume in every)
    return (
        f"without a window, {estimated} of {count(every, 'volume')} are more than lower bounds" if every else ""
    )


def _held(evidence: Evidence, claim: str, found: Sequence[_Compared]) -> str:
    """Return in how many cases of a claim either quantity has its direction."""
    cases = [each for each in found if each.claim == claim]
    if not cases:
        return ""
    proxies = [log_eig_gap(evidence, each.smaller, each.larger) for each in cases]
    by_mass = sum(each.gap is not None and each.gap > 0 for each in cases)
    by_proxy = sum(proxy is not None and proxy > 0 for proxy in proxies)
    return f"{claim} {by_mass} and {by_proxy} of {len(cases)}"


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
            mass, volume = evidence.mass(point, other), evidence.volume(point, other)
            if mass is None:
                continue
            proxy = evidence.log_eig_product(point) if point in evidence.curvature else None
            level, claim = max(point.place.level, other.place.level), claims.get(frozenset(pair), "")
            gap = mass_gap(evidence, point, other)
            taken = _row(mass, evidence.masses[point], volume)
            rows.append((level, claim, point.symbol, other.symbol, *taken, proxy, gap))
    known = ("log_mass", "low", "high", "is_estimated", "sigma", "loss", "dimension", "accepted")
    without = ("log_volume", "log_volume_is_estimated", "tail_index", "effective_directions", "censored")
    headings = ("level", "claim", "point", "beside", *known, *without, "log_eig_product", "gap")
    return Table(headings, tuple(rows))


def _row(mass: Mass, noisy: NoisyLoss, volume: LocalVolume | None) -> tuple[Cell, ...]:
    low, high = mass.interval
    of_mass = (
        mass.estimate,
        low if math.isfinite(low) else None,
        high,
        yes_no(mass.is_estimated),
        noisy.sigma,
        noisy.loss,
        noisy.dimension,
        noisy.accepted,
    )
    if volume is None:
        return (*of_mass, None, "", None, None, None)
    tail = volume.tail if math.isfinite(volume.tail) else None
    is_estimated = yes_no(volume.is_estimated)
    return (*of_mass, volume.estimate, is_estimated, tail, volume.num_effective, volume.num_censored)


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
        _draw_over_levels(cells[0, column], evidences, title, series, _mass_at, _MASS)
        _draw_over_levels(cells[1, column], evidences, title, series, _product_at, _PRODUCT)
    _draw_baselines(cells[0, 3], evidences, _mass_at, _MASS)
    _draw_baselines(cells[1, 3], evidences, _product_at, _PRODUCT)
    for axes in cells[1]:
        axes.invert_yaxis()  # a larger product is a smaller basin
    explain_seeds(figure, evidences)
    return figure


_Quantity = Callable[[Evidence, Point, Point], float | None]


def _mass_at(evidence: Evidence, point: Point, beside: Point) -> float | None:
    found = evidence.mass(point, beside)
    return None if found is None else found.estimate


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
        if quantity is _mass_at:
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
        label = name + (_bounds(evidences, shown) if quantity is _mass_at else "")
        draw_bars(axes, [position + shift for position in range(len(pairs))], values, look, label, "")
    names = [pair[0].place.kind for pair in pairs]
    axes.set_xticks(range(len(pairs)), names, fontsize=SMALL_TEXT_SIZE, rotation=35, ha="right")
    axes.set_xlim(-0.6, len(pairs) - 0.4)
    legend_above(axes, "R2b, R3, R6b, R7: beside w(N)")


def _bounds(evidences: Sequence[Evidence], pairs: Sequence[tuple[Point, Point]]) -> str:
    """Say how many of the masses are upper bounds."""
    found = [evidence.mass(*pair) for evidence in evidences for pair in pairs]
    bounds = sum(mass is not None and not mass.is_estimated for mass in found)
    if bounds == len(found):
        return " (upper bounds)"
    return f" ({bounds} of {len(found)} are upper bounds)" if bounds else ""


def _errors(evidence: Evidence, pairs: Sequence[tuple[Point, Point]]) -> np.ndarray:
    """Return how far the interval of each reaches down and up, (2, points); not down if it has no end."""
    reach = []
    for pair in pairs:
        if (mass := evidence.mass(*pair)) is None:
            reach.append((0.0, 0.0))
            continue
        low, high = mass.interval
        reach.append((mass.estimate - low if math.isfinite(low) else 0.0, high - mass.estimate))
    return np.array(reach).T


VOLUME = Exhibit(
    file="beyond_volume",
    title="Beyond the paper: the mass of basins in a Gaussian window, beside log_eig_product",
    paper="The paper takes the product of leading eigenvalues for an inverse volume. arXiv 2501.18812 samples "
    "volumes by a Gaussian, and finds plain means over directions orders of magnitude off.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
