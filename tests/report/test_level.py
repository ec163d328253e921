"""The figures of one level are the report's own: its panels, colours and words."""

from dataclasses import replace

import numpy as np
import pytest
from made_evidence import K, made_evidence, with_results

from lth.plan.jobs import shared_space_points
from lth.plan.place import Place, Point
from lth.report.exhibit import comparison as comparisons
from lth.report.exhibit.radii import RADII
from lth.report.exhibit.spectra import SPECTRA
from lth.report.figure.appearance import PROJECTION_LOOK, REVERSE_LOOK, SOLUTION_LOOK
from lth.report.level import draw_level

WHOLE = made_evidence(last=3)
SOLUTION, PROJECTION, REVERSE = Point.at(Place.imp(3)), Point.projection(3), Point.reverse(3)


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def series(axes, start):
    (line,) = [line for line in axes.lines if str(line.get_label()).startswith(start)]
    return line


def with_spectrum(point, **changes):
    found = WHOLE.curvature[point]
    spoiled = replace(found, spectrum=replace(found.spectrum, **changes))
    return with_results(WHOLE, curvature={**WHOLE.curvature, point: spoiled})


def with_radii(**changes):
    radii = {
        job: {point: replace(one, **changes) for point, one in found.items()}
        for job, found in WHOLE.radii.items()
    }
    return with_results(WHOLE, radii=radii)


def test_a_level_has_a_figure_for_each_measure_that_was_taken():
    assert set(draw_level(WHOLE, 3)) == {"spectra.png", "radii.png", "interpolation.png"}
    assert set(draw_level(WHOLE, 0)) == {"spectra.png", "radii.png"}
    assert set(draw_level(with_results(WHOLE, curvature={}, radii={}), 3)) == {"interpolation.png"}
    assert draw_level(with_results(WHOLE, curvature={}, radii={}, lines={}), 3) == {}


def test_every_point_shows_its_eigenvalues_by_rank_on_a_log_axis():
    (axes,) = draw_level(WHOLE, 3)["spectra.png"].axes
    assert axes.get_yscale() == "log"
    for point, look in ((SOLUTION, SOLUTION_LOOK), (PROJECTION, PROJECTION_LOOK), (REVERSE, REVERSE_LOOK)):
        line = series(axes, f"{point.symbol}: Σ ln λ = {WHOLE.log_eig_product(point):.2f}")
        np.testing.assert_array_equal(line.get_xdata(), range(1, K + 1))
        np.testing.assert_array_equal(line.get_ydata(), WHOLE.curvature[point].spectrum.eigenvalues)
        assert (line.get_color(), line.get_marker()) == (look.colour, look.marker)


def test_a_level_and_the_report_draw_a_point_alike():
    """Its panel of level 3 holds the same series, by number, colour and word."""

    def drawn(axes):
        return {
            line.get_label(): (line.get_color(), line.get_marker(), *line.get_ydata())
            for line in axes.lines
            if not str(line.get_label()).startswith("_")
        }

    figures = draw_level(WHOLE, 3)
    assert SPECTRA.draw is not None
    assert RADII.draw is not None
    for comparison, space in ((comparisons.PROJECTION, 0), (comparisons.REVERSE, 1)):
        assert drawn(RADII.draw(comparison, WHOLE).axes[2]) == drawn(figures["radii.png"].axes[space])
    of_report = drawn(SPECTRA.draw(comparisons.PROJECTION, WHOLE).axes[2])
    assert of_report.items() <= drawn(figures["spectra.png"].axes[0]).items()


def test_the_legend_says_which_spectrum_did_not_converge():
    (axes,) = draw_level(with_spectrum(PROJECTION, converged=False), 3)["spectra.png"].axes
    assert ["NOT CONVERGED" in text for text in legend_texts(axes)] == [False, True, False]


def test_eigenvalues_that_are_not_positive_are_crosses_and_counted():
    evidence = with_spectrum(SOLUTION, eigenvalues=np.array([5.0, 3, 2, 1, 0, -2]))
    (axes,) = draw_level(evidence, 3)["spectra.png"].axes
    assert legend_texts(axes)[0] == "w(3): no Σ ln λ, 2 not surely > 0 (×)"
    crosses = series(axes, "_not positive")
    np.testing.assert_array_equal(crosses.get_xdata(), [5, 6])
    assert crosses.get_marker() == "x"


def test_a_product_with_an_eigenvalue_that_is_positive_but_not_beyond_doubt_does_not_exist():
    """Its residual is larger than it is: above zero by the sign alone."""
    spectrum = WHOLE.curvature[SOLUTION].spectrum
    residuals = spectrum.residuals.copy()
    residuals[-1] = 2 * spectrum.eigenvalues[-1]
    (axes,) = draw_level(with_spectrum(SOLUTION, residuals=residuals), 3)["spectra.png"].axes
    assert legend_texts(axes)[0] == "w(3): no Σ ln λ, 1 not surely > 0"


@pytest.mark.filterwarnings("error")
def test_a_spectrum_without_any_positive_eigenvalue_can_be_saved(tmp_path):
    evidence = with_spectrum(SOLUTION, eigenvalues=-np.arange(float(K)))
    draw_level(evidence, 3)["spectra.png"].savefig(tmp_path / "figure.png")


def test_panels_pair_the_points_of_one_space():
    figure = draw_level(WHOLE, 3)["radii.png"]
    for axes, points in zip(figure.axes, shared_space_points(3), strict=True):
        found = {point: WHOLE.radii_at(3, point) for point in points}
        errors = {point: radii.radii.std(ddof=1) / len(radii.radii) ** 0.5 for point, radii in found.items()}
        expected = [
            f"{point.symbol}: mean {radii.mean:.4g} ± {errors[point]:.1g}" for point, radii in found.items()
        ]
        assert legend_texts(axes) == expected
    assert len(draw_level(WHOLE, 0)["radii.png"].axes) == 1


def test_radii_are_drawn_in_ascending_order_with_their_mean():
    values = np.linspace(0.3, 0.1, 20)
    axes = draw_level(with_radii(radii=values), 3)["radii.png"].axes[0]
    np.testing.assert_array_equal(series(axes, "w(3)").get_ydata(), values[::-1])
    assert axes.lines[2].get_label() == "_mean"
    np.testing.assert_allclose(axes.lines[2].get_ydata(), values.mean())


def test_censored_directions_are_triangles_and_counted():
    values = np.full(20, 0.3)
    values[1] = 50.0
    axes = draw_level(with_radii(radii=values, censored=np.arange(20) == 1), 3)["radii.png"].axes[0]
    triangles = [line for line in axes.lines if line.get_label() == "_censored"]
    assert [(line.get_marker(), list(line.get_ydata())) for line in triangles] == [("^", [50.0])] * 2
    assert 50.0 not in series(axes, "w(3)").get_ydata()
    assert legend_texts(axes)[0] == "w(3): mean ≥ 2.785 ± 2\n1 of 20 never cross (▲)"
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize(("norm", "unit"), [("plain", "L2"), ("filter", "× direction")])
def test_the_axis_names_the_unit_of_the_directions(norm, unit):
    assert unit in draw_level(made_evidence(direction_norm=norm), 3)["radii.png"].get_supylabel()
