import numpy as np
import pytest

from lth.report.figure.radius import draw_radii

FOUR = ("", "_projected", "_reverse", "_previous")


def test_level_zero_has_one_panel_and_later_levels_two(make_analysis, make_radii):
    assert len(draw_radii(make_analysis(0, radii={"": make_radii([1, 2])})).axes) == 1
    later = draw_radii(make_analysis(3, radii={suffix: make_radii([1, 2]) for suffix in FOUR}))
    assert [axes.get_title() for axes in later.axes] == [
        "Basin radii in level-3 space, cutoff 0.125 nats",
        "Basin radii in level-2 space, cutoff 0.125 nats",
    ]


def test_panels_pair_the_points_of_one_space(make_analysis, make_radii, legend_texts):
    figure = draw_radii(make_analysis(3, radii={suffix: make_radii([1, 2]) for suffix in FOUR}))
    assert [legend_texts(axes) for axes in figure.axes] == [
        ["w(3): mean 1.5", "m(3) ⊙ w(2): mean 1.5"],
        ["w(3) in level-2 space: mean 1.5", "w(2): mean 1.5"],
    ]


def test_radii_are_drawn_in_ascending_order_with_their_mean(make_analysis, make_radii, line_labelled):
    (axes,) = draw_radii(make_analysis(0, radii={"": make_radii([0.3, 0.1, 0.2])})).axes
    np.testing.assert_array_equal(line_labelled(axes, "w(0)").get_ydata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(line_labelled(axes, "_mean").get_ydata(), 0.2)
    assert [text.get_text() for text in axes.texts] == ["0.2"]


def test_censored_directions_are_triangles_and_counted(make_analysis, make_radii, line_labelled, legend_texts):
    radii = make_radii([0.3, 50.0, 0.2, 0.5], censored=(1,))
    (axes,) = draw_radii(make_analysis(0, radii={"": radii})).axes
    censored = line_labelled(axes, "_censored")
    assert (censored.get_marker(), list(censored.get_ydata())) == ("^", [50.0])
    assert 50.0 not in line_labelled(axes, "w(0)").get_ydata()
    assert legend_texts(axes) == ["w(0): mean ≥ 12.75\n  1 of 4 never cross (▲, lower bounds)"]
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize(("plain", "unit"), [(True, "L2"), (False, "filter-normalised")])
def test_axis_names_the_unit_of_the_directions(make_analysis, make_radii, plain, unit):
    (axes,) = draw_radii(make_analysis(0, radii={"": make_radii([1, 2], plain=plain)})).axes
    assert unit in axes.get_ylabel()
