"""Leading Hessian eigenvalues of two points side by side, and their log-products."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, mean_and_deviation, yes_no
from lth.plan.place import Point
from lth.report.exhibit.comparison import Comparison, looks
from lth.report.exhibit.exhibit import Template
from lth.report.exhibit.wording import Compared, compare, sentence
from lth.report.figure.all_seeds import draw_band, explain_seeds
from lth.report.figure.appearance import Appearance
from lth.report.figure.panels import legend_above, panel_grid
from lth.report.figure.spectrum import plot_eigenvalues
from lth.report.figure.style import use_integer_x, use_log_y
from lth.setting.terms import terms

ABSENT = "not all leading eigenvalues are positive beyond doubt"


def say_log_products(comparison: Comparison, evidence: Evidence) -> str:
    """Say where the log-product is larger at the sharper point."""
    pairs = comparison.pairs(evidence)
    compared = [
        Compared(pair.level, evidence.log_eig_product(pair.sharper), evidence.log_eig_product(pair.flatter))
        for pair in pairs
    ]
    names = comparison.sharper, comparison.flatter
    if len(pairs) == 1:
        names = pairs[0].sharper.symbol, pairs[0].flatter.symbol
    return sentence(
        [
            compare(f"log_eig_product (k = {evidence.setting.analysis.k})", *names, compared, absent=ABSENT),
            say_not_converged(evidence, [point for pair in pairs for point in (pair.sharper, pair.flatter)]),
        ]
    )


def known_within(evidence: Evidence, point: Point) -> float | None:
    """Return the width of the interval that log_eig_product lies in; None if there is none, or no product."""
    if evidence.log_eig_product(point) is None:
        return None
    width = evidence.curvature[point].spectrum.log_eig_width
    return width if math.isfinite(width) else None


def caveat(evidence: Evidence, *points: Point) -> str:
    """Return the points whose spectra have not converged, or nothing."""
    loose = _not_converged(evidence, points)
    return f"not converged: {', '.join(point.symbol for point in loose)}" if loose else ""


def say_not_converged(evidence: Evidence, points: Iterable[Point]) -> str:
    """Say how many spectra have not converged, or nothing."""
    number = len(_not_converged(evidence, points))
    return f"{number} of the spectra {'has' if number == 1 else 'have'} not converged" if number else ""


def flagged(label: str, evidences: Sequence[Evidence], points: Collection[Point]) -> str:
    """Return the label of a series of some seeds, with the number of its spectra that have not converged."""
    number = sum(len(_not_converged(evidence, points)) for evidence in evidences)
    return f"{label} ({number} NOT CONVERGED)" if number else label


def _not_converged(evidence: Evidence, points: Iterable[Point]) -> list[Point]:
    distinct = dict.fromkeys(points)
    return [point for point in distinct if not evidence.curvature[point].spectrum.converged]


def log_product_rows(comparison: Comparison, evidence: Evidence) -> Table:
    """Return level, both log-products, their difference, how far it is known, and what is wrong with them."""
    rows: list[tuple[Cell, ...]] = []
    for pair in comparison.pairs(evidence):
        sharper, flatter = evidence.log_eig_product(pair.sharper), evidence.log_eig_product(pair.flatter)
        notes = [
            f"{point.symbol}: {ABSENT}"
            for point, value in ((pair.sharper, sharper), (pair.flatter, flatter))
            if value is None
        ]
        notes.append(caveat(evidence, pair.sharper, pair.flatter))
        difference = Compared(pair.level, sharper, flatter).difference
        widths = [known_within(evidence, point) for point in (pair.sharper, pair.flatter)]
        within = None if difference is None or None in widths else sum(width or 0.0 for width in widths)
        rows.append((pair.level, sharper, flatter, difference, within, "; ".join(filter(None, notes)) or None))
    headings = (
        "L",
        f"log_eig_product at {comparison.sharper}",
        f"log_eig_product at {comparison.flatter}",
        "difference",
        "known within ±",
        "note",
    )
    return Table(headings, tuple(rows))


def spectra_numbers(comparison: Comparison, evidence: Evidence) -> Table:
    """Return every eigenvalue, a row each, with no chance where its upper bound was an estimate.

    It lies between `eigenvalue` less `noise` and `upper_bound` and `noise`.
    """
    rows: list[tuple[Cell, ...]] = []
    for pair in comparison.pairs(evidence):
        for point in (pair.sharper, pair.flatter):
            spectrum, product = evidence.curvature[point].spectrum, evidence.log_eig_product(point)
            rows += [
                (
                    pair.level,
                    point.symbol,
                    rank,
                    float(value),
                    float(upper),
                    float(residual),
                    spectrum.noise,
                    None if math.isnan(spectrum.failure_probability) else spectrum.failure_probability,
                    yes_no(spectrum.converged),
                    product,
                )
                for rank, (value, upper, residual) in enumerate(
                    zip(spectrum.eigenvalues, spectrum.upper, spectrum.residuals, strict=True), start=1
                )
            ]
    headings = (
        "level",
        "point",
        "rank",
        "eigenvalue",
        "upper_bound",
        "residual",
        "noise",
        "chance_that_bounds_fail",
        "converged",
        "log_eig_product",
    )
    return Table(headings, tuple(rows))


def draw_spectra(comparison: Comparison, evidences: Sequence[Evidence]) -> Figure:
    """Draw eigenvalues against rank, a panel a pair."""
    pairs = comparison.pairs(evidences[0])
    return draw_panels(evidences, [(f"level {pair.level}", looks(pair)) for pair in pairs])


def draw_panels(
    evidences: Sequence[Evidence], panels: Sequence[tuple[str, Mapping[Point, Appearance]]]
) -> Figure:
    """Draw eigenvalues against rank, a panel for each title and its points.

    The legend gives log_eig_product, or says why there is none, and marks what has not converged. An
    eigenvalue that is not positive has no place on a logarithmic axis: it is a cross on the lower edge of one
    seed's figure, and a gap in that of several, whose legend gives mean and standard deviation.
    """
    figure, cells = panel_grid(
        len(panels),
        title="Leading Hessian eigenvalues λ, and their log_eig_product "
        f"(Σ ln λ, of λ in {terms().curvature_unit})",
        x="rank",
        y=f"eigenvalue ({terms().curvature_unit})",
    )
    for axes, (title, points) in zip(cells, panels, strict=True):
        use_log_y(axes)
        use_integer_x(axes)
        for place, (point, look) in enumerate(points.items()):
            size = 2.6 * look.scale
            found = [evidence.curvature[point].spectrum for evidence in evidences]
            if len(evidences) == 1:
                text = _label(evidences[0], point)
                plot_eigenvalues(axes, found[0], look, text, edge=0.02 + 0.04 * place, size=size)
            else:
                values = np.array([spectrum.eigenvalues for spectrum in found])
                ranks = np.arange(1, values.shape[1] + 1)
                draw_band(axes, ranks, values, look, _label_of_seeds(evidences, point), size=size)
        legend_above(axes, title)
    explain_seeds(figure, evidences)
    return figure


def _label_of_seeds(evidences: Sequence[Evidence], point: Point) -> str:
    products = [evidence.log_eig_product(point) for evidence in evidences]
    text = f"{point.symbol}: Σ ln λ = {mean_and_deviation(products)}"
    return flagged(text, evidences, [point])


def _label(evidence: Evidence, point: Point) -> str:
    spectrum, product = evidence.curvature[point].spectrum, evidence.log_eig_product(point)
    if product is None:
        doubtful = len(spectrum.eigenvalues) - spectrum.num_positive
        mark = "" if (spectrum.eigenvalues > 0).all() else " (×)"
        text = f"{point.symbol}: no Σ ln λ, {doubtful} not surely > 0{mark}"
    else:
        within = known_within(evidence, point)
        text = f"{point.symbol}: Σ ln λ = {product:.2f}{'' if within is None else f' ± {within:.1g}'}"
    return text if spectrum.converged else f"{text}\nNOT CONVERGED"


def _draw_one(comparison: Comparison, evidence: Evidence) -> Figure:
    return draw_spectra(comparison, [evidence])


SPECTRA = Template(say_log_products, spectra_numbers, _draw_one, draw_spectra)  # a panel a pair
LOG_PRODUCTS = Template(say_log_products, log_product_rows, None)  # a row a pair
