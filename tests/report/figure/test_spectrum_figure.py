import numpy as np

from lth.report.figure.spectrum import draw_spectra


def test_every_series_shows_its_eigenvalues_by_rank_on_a_log_axis(make_analysis, make_spectrum, line_labelled):
    spectra = {"": make_spectrum([8, 4, 2]), "_projected": make_spectrum([9, 3, 1])}
    (axes,) = draw_spectra(make_analysis(3, spectra=spectra)).axes
    line = line_labelled(axes, "m(3) ⊙ w(2)")
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(line.get_ydata(), [9, 3, 1])
    assert axes.get_yscale() == "log"


def test_legend_gives_each_log_product(make_analysis, make_spectrum, legend_texts):
    spectra = {
        name: make_spectrum([value] * 4) for name, value in {"": 2, "_projected": 3, "_reverse": 5}.items()
    }
    (axes,) = draw_spectra(make_analysis(3, spectra=spectra)).axes
    assert legend_texts(axes) == [
        "w(3): log_eig_product 2.77",
        "m(3) ⊙ w(2): log_eig_product 4.39",
        "w(3) in level-2 space: log_eig_product 6.44",
    ]


def test_legend_says_which_spectrum_did_not_converge(make_analysis, make_spectrum, legend_texts):
    spectra = {"": make_spectrum([2], converged=False), "_projected": make_spectrum([2])}
    (axes,) = draw_spectra(make_analysis(1, spectra=spectra)).axes
    assert ["NOT CONVERGED after 40 products" in text for text in legend_texts(axes)] == [True, False]


def test_eigenvalues_that_are_not_positive_are_crosses_and_counted(
    make_analysis, make_spectrum, legend_texts, line_labelled
):
    (axes,) = draw_spectra(make_analysis(0, spectra={"": make_spectrum([3, 1, 0, -2])})).axes
    assert legend_texts(axes) == ["w(0): 2 of 4 not positive (×), no log_eig_product"]
    crosses = line_labelled(axes, "_not positive")
    np.testing.assert_array_equal(crosses.get_xdata(), [3, 4])
    assert crosses.get_marker() == "x"


def test_a_spectrum_without_any_positive_eigenvalue_can_be_saved(make_analysis, make_spectrum, tmp_path):
    draw_spectra(make_analysis(0, spectra={"": make_spectrum([0, -2])})).savefig(tmp_path / "figure.png")
