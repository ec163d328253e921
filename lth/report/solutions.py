"""The table of a study's solutions: of each seed with the runs its numbers are from, and over all seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lth.evidence.binomial import accuracy_intervals
from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, over_seeds, plus_minus, yes_no
from lth.measure.kind.curvature import Curvature
from lth.measure.radius import BasinRadii
from lth.plan.jobs import CurvatureJob, LineJob, RadiiJob, places_of, shared_space_points, successive_line
from lth.plan.place import Place, Point
from lth.report.exhibit.radii import UNITS
from lth.report.page import Linked
from lth.setting.setting import Setting
from lth.setting.terms import terms

_BLANK = Linked("", None)
_NUMBERS = (
    "density",
    "train_loss",
    "test_accuracy",
    "log_eig_product",
    "hessian_trace",
    "mean_radius",
    "loss_barrier",
    "error_barrier",
)
_SHARES, _OF_METRIC = {"density"}, {"test_accuracy", "error_barrier"}
_KNOWN = (
    "test_accuracy_low",
    "test_accuracy_high",
    "log_eig_product_known_within",
    "hessian_trace_standard_error",
    "mean_radius_standard_error",
    "radii_that_are_lower_bounds",
    "spectrum_converged",
)


def solutions_table(evidence: Evidence) -> Table:
    """Return what one seed found of each solution, and what is known of each number.

    Accuracies have their binomial interval of 95 %, log_eig_product the width of the interval it lies in, trace
    and mean radius their standard errors. What is not there yet is empty.
    """
    shown = _shown(evidence)
    intervals = accuracy_intervals(evidence, shown)
    rows = [
        (place.name, *_numbers(evidence, place).values(), *_known(evidence, place, intervals[place]))
        for place in shown
    ]
    return Table(("solution", *_NUMBERS, *_KNOWN), tuple(rows))


def headings(setting: Setting) -> tuple[str, ...]:
    """Return what stands over the columns of the tables for people, with units."""
    return (
        "solution",
        "density (%)",
        terms().loss_axis("train loss"),
        terms().metric_axis,
        "log_eig_product (Σ ln λ)",
        f"trace ({terms().curvature_unit})",
        f"mean {UNITS[setting.analysis.direction_norm]}",
        terms().loss_axis("loss barrier to L-1"),
        f"{'error' if terms().is_share else terms().error_name} barrier to L-1 ({terms().short_error_unit})",
    )


def solutions_over_seeds(evidences: Sequence[Evidence]) -> Table:
    """Return mean ± standard deviation over the seeds of each number of the solutions that all of them have."""
    tables = {evidence.seed: _for_people(evidence) for evidence in evidences}
    common = set.intersection(*({row[0] for row in rows} for rows in tables.values()))
    named = headings(evidences[0].setting)
    return over_seeds(
        {seed: Table(named, tuple(row for row in rows if row[0] in common)) for seed, rows in tables.items()}
    )


def _for_people(evidence: Evidence) -> list[tuple[Cell, ...]]:
    """Return the numbers of each solution, shares in per cent."""
    rows: list[tuple[Cell, ...]] = []
    for place in _shown(evidence):
        numbers = _numbers(evidence, place).items()
        scale = {name: 100.0 if name in _SHARES else terms().scale for name in (*_SHARES, *_OF_METRIC)}
        cells = [None if value is None else scale.get(name, 1) * value for name, value in numbers]
        rows.append((place.name, *cells))
    return rows


def solution_cells(evidence: Evidence, link: Callable[[str], str]) -> tuple[tuple[Linked, ...], ...]:
    """Return the table of one seed for people, each number linked to the run it is from."""
    shown = _shown(evidence)
    intervals = accuracy_intervals(evidence, shown)
    of_metric = ".2%" if terms().is_share else ".4g"

    def cell(value: float | None, form: str, name: str, doubt: str = "") -> Linked:
        text = "–" if value is None else f"{value:{form}}{doubt}"
        return Linked(text, link(evidence.runs[name]) if name in evidence.runs else None)

    def row(place: Place) -> tuple[Linked, ...]:
        numbers, point = _numbers(evidence, place), Point.at(place)
        found, curvature = evidence.curvature.get(point), CurvatureJob(point).name
        trace = "" if found is None else plus_minus(found.trace.estimate, found.trace.standard_error)
        cells = [
            Linked(place.name, link(evidence.runs[place.name])),
            cell(numbers["density"], ".1%", place.name),
            cell(numbers["train_loss"], ".4g", place.name),
            cell(numbers["test_accuracy"], of_metric, place.name, _interval(intervals[place])),
            cell(numbers["log_eig_product"], ".3f", curvature, "" if found is None else _within(found)),
            Linked(trace, link(evidence.runs[curvature])) if found else Linked("–", None),
        ]
        if place.kind != "imp":
            return (*cells, _BLANK, _BLANK, _BLANK)
        radii = _radii(evidence, place)
        bound = "" if radii is None else _bound(radii)
        cells.append(cell(numbers["mean_radius"], ".4g", _radii_job(evidence, place).name, bound))
        if place.level == 0:
            return (*cells, _BLANK, _BLANK)
        between = successive_line(place.level).name
        barriers = (
            cell(numbers["loss_barrier"], ".4g", between),
            cell(numbers["error_barrier"], of_metric, between),
        )
        return (*cells, *barriers)

    return tuple(row(place) for place in shown)


def _shown(evidence: Evidence) -> list[Place]:
    every = places_of(evidence.last, evidence.setting.analysis)
    return [place for place in every if place in evidence.attained]


def _numbers(evidence: Evidence, place: Place) -> Mapping[str, float | None]:
    """Return what is known of a solution; None for what is not measured there or does not exist."""
    reached, point = evidence.attained[place], Point.at(place)
    loss = error = None
    radii, found = _radii(evidence, place), evidence.curvature.get(point)
    job: LineJob | None = successive_line(place.level) if place.kind == "imp" and place.level > 0 else None
    if job is not None and job in evidence.lines:
        line = evidence.lines[job].stored
        loss, error = (line.barrier_loss, line.barrier_error) if line.is_finite else (None, None)
    numbers = (
        reached.density,
        reached.train_loss,
        float(reached.test_accuracy),
        None if found is None else evidence.log_eig_product(point),
        None if found is None else found.trace.estimate,
        None if radii is None else radii.mean,
        loss,
        error,
    )
    return dict(zip(_NUMBERS, numbers, strict=True))


def _known(evidence: Evidence, place: Place, interval: tuple[float, float] | None) -> tuple[Cell, ...]:
    found, radii = evidence.curvature.get(Point.at(place)), _radii(evidence, place)
    return (
        *(interval or (None, None)),
        None if found is None else _width(found),
        None if found is None else float(found.trace.standard_error),
        None if radii is None else radii.standard_error,
        None if radii is None else radii.num_censored,
        None if found is None else yes_no(found.spectrum.converged),
    )


def _radii(evidence: Evidence, place: Place) -> BasinRadii | None:
    """Return the radii at a solution in its own space; None for what has none, or none yet."""
    if place.kind != "imp" or (job := _radii_job(evidence, place)) not in evidence.radii:
        return None
    return evidence.radii[job][Point.at(place)]


def _radii_job(evidence: Evidence, place: Place) -> RadiiJob:
    return RadiiJob(shared_space_points(place.level)[0], evidence.setting.analysis.direction_norm)


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _width(found: Curvature) -> float | None:
    spectrum = found.spectrum
    if spectrum.num_positive < len(spectrum.eigenvalues) or not np.isfinite(spectrum.log_eig_width):
        return None
    return spectrum.log_eig_width


def _within(found: Curvature) -> str:
    width = _width(found)
    known = "" if width is None else f" ± {width:.1g}"
    return known if found.spectrum.converged else f"{known} (not converged)"


def _bound(radii: BasinRadii) -> str:
    error = "" if radii.standard_error is None else f" ± {radii.standard_error:.1g}"
    return f"{error} (lower bound: {radii.num_censored} never cross)" if radii.num_censored else error
