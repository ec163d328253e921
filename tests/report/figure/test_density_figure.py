import numpy as np
import pytest

from lth.measure.curvature.density import SpectralDensity
from lth.report.figure.density import draw_density

FOUND = SpectralDensity(np.array([[-1.0, 0.0, 9.0], [-1.0, 0.0, 9.0]]), np.full((2, 3), 1 / 3), 300)


def test_the_density_is_drawn_over_all_eigenvalues_and_names_the_point(line_labelled):
    (axes,) = draw_density(FOUND, "level 2").axes
    line = line_labelled(axes, "mean over 2 random vectors")
    at, density = line.get_xdata(), line.get_ydata()
    assert at[0] < -1
    assert at[-1] > 9
    np.testing.assert_allclose(density, np.maximum(FOUND.smoothed(at, 0.05)[0], axes.get_ylim()[0]))
    assert axes.get_yscale() == "log"
    assert axes.get_title() == "Hessian spectral density at level 2, 300 dimensions"


def test_the_peak_of_one_eigenvalue_is_marked_and_well_above_the_floor(line_labelled):
    (axes,) = draw_density(FOUND, "dense").axes
    (alone, _) = line_labelled(axes, "one eigenvalue of all").get_ydata()
    assert alone == pytest.approx(1 / (300 * 0.05 * np.sqrt(2 * np.pi)))
    assert axes.get_ylim()[0] == pytest.approx(alone / 10)


def test_five_points_fall_on_a_width_so_that_no_peak_is_missed(line_labelled):
    (axes,) = draw_density(FOUND, "dense").axes
    at = line_labelled(axes, "mean over 2 random vectors").get_xdata()
    assert np.diff(at).max() < 0.05 / 5


def test_a_density_of_one_value_alone_can_be_saved(tmp_path):
    found = SpectralDensity(np.zeros((2, 1)), np.ones((2, 1)), 5)
    draw_density(found, "dense").savefig(tmp_path / "figure.png")
