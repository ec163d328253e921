import numpy as np
import pytest

from lth.measure.interpolation import Interpolation
from lth.plan.place import Place, Point
from lth.report.figure.interpolation import draw_interpolation

ENDS = Point.at(Place.imp(0)), Point.at(Place.imp(1))


def path(loss, error):
    loss, error = np.array(loss, dtype=np.float64), np.array(error, dtype=np.float64)
    return Interpolation(np.linspace(0, 1, len(loss)), loss, error, loss, error)


def arrows(axes):
    return [text for text in axes.texts if text.arrow_patch is not None]


def notes(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_panels_show_loss_in_nats_and_error_in_percent(line_labelled):
    loss_axes, error_axes = draw_interpolation(path([1, 2, 1], [0.1, 0.3, 0.2]), *ENDS).axes
    np.testing.assert_array_equal(line_labelled(loss_axes, "on the line").get_ydata(), [1, 2, 1])
    np.testing.assert_allclose(line_labelled(error_axes, "on the line").get_ydata(), [10, 30, 20])
    np.testing.assert_allclose(line_labelled(error_axes, "chord").get_ydata(), [10, 15, 20])
    assert (loss_axes.get_ylabel(), error_axes.get_ylabel()) == ("training loss (nats)", "test error (%)")


def test_arrow_spans_the_barrier_from_chord_to_path():
    loss_axes, error_axes = draw_interpolation(path([1, 2, 1.5], [0.1, 0.3, 0.2]), *ENDS).axes
    (arrow,) = arrows(loss_axes)
    assert arrow.xy == (0.5, 2)
    assert arrow.get_position() == (0.5, 1.25)
    assert notes(loss_axes) == ["barrier 0.75 nats"]
    assert notes(error_axes) == ["barrier 15 percentage points"]


def test_arrow_stands_where_the_height_and_not_the_loss_is_greatest():
    loss_axes, _ = draw_interpolation(path([0, 2, 2.5, 4, 5], [0] * 5), *ENDS).axes
    (arrow,) = arrows(loss_axes)
    assert arrow.xy == (0.25, 2)


@pytest.mark.parametrize("loss", [[1, 0.5, 1], [0.01] * 31, np.linspace(9.7, 10, 31)])
def test_a_path_that_never_rises_above_its_chord_has_no_arrow(loss):
    loss_axes, _ = draw_interpolation(path(loss, [0.1] * len(loss)), *ENDS).axes
    assert not loss_axes.texts
    assert loss_axes.get_title() == "Training loss: no barrier"


@pytest.mark.parametrize(("top", "scale"), [(9, "linear"), (11, "log")])
def test_loss_is_logarithmic_if_it_spans_over_a_decade(top, scale):
    loss_axes, _ = draw_interpolation(path([1, top, 1], [0, 0, 0]), *ENDS).axes
    assert loss_axes.get_yscale() == scale


def test_ends_are_named():
    figure = draw_interpolation(
        path([1, 2, 1], [0, 0, 0]), Point.at(Place.imp(2)), Point.at(Place("random_init", 3))
    )
    for axes in figure.axes:
        ends = [label.get_text() for label in axes.get_xticklabels()]
        assert (ends[0], ends[-1]) == ("0\nlevel 2", "1\nrandom_init\nat level 3")
    assert figure.get_suptitle() == "Line from level 2 to random_init at level 3"


def test_points_that_are_not_finite_leave_a_gap_and_are_counted(line_labelled):
    loss_axes, _ = draw_interpolation(path([1, np.nan, np.inf, 1], [0] * 4), *ENDS).axes
    title = loss_axes.get_title().replace("\n", " ")
    assert title == "Training loss: 2 of 4 points are not finite, no barrier is defined"
    np.testing.assert_array_equal(line_labelled(loss_axes, "on the line").get_ydata(), [1, np.nan, np.nan, 1])
    assert not loss_axes.texts
