import numpy as np
import pytest

from lth.evidence.summary import LevelRow
from lth.report.figure.appearance import BASELINES, level_colour
from lth.report.figure.trend import draw_trend


def imp(level, **measured):
    numbers = {"train_loss": 0.1, "test_accuracy": 0.9, **measured}
    return LevelRow(f"level {level}", "imp", level, 0.8**level, **numbers)


def baseline(kind, level):
    return LevelRow(f"{kind} at level {level}", kind, level, 0.8**level + 1e-6, 0.3, 0.8)


def ydata(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def test_levels_run_in_order_whatever_the_order_of_the_rows():
    rows = [imp(2, train_loss=0.3), imp(0, train_loss=0.1), imp(1, train_loss=0.2)]
    loss, accuracy, *_ = draw_trend(rows).axes
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[0, 0.1], [1, 0.2], [2, 0.3]])
    np.testing.assert_array_equal(accuracy.lines[0].get_ydata(), [90, 90, 90])
    assert loss.get_yscale() == "log"


def test_ticks_give_level_and_density():
    for axes in draw_trend([imp(0), imp(1), baseline("one_shot", 1)]).axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0\n100", "1\n80"]


def test_many_levels_keep_the_label_of_the_last():
    axes = draw_trend([imp(level) for level in range(20)]).axes[0]
    labels = [label.get_text().split("\n")[0] for label in axes.get_xticklabels()]
    assert len(labels) == 10
    assert "19" in labels


def test_measures_fill_their_panels_and_gaps_stay_gaps():
    rows = [
        imp(0, log_eig_product=400.0, radius_mean=0.2),
        imp(1, log_eig_product=410.0, log_eig_product_projected=420.0, log_eig_product_reverse=415.0),
        imp(2, radius_mean=0.1, radius_mean_projected=0.05, barrier_loss=0.5, barrier_error=0.01),
    ]
    _, _, curvature, radius, barrier_loss, barrier_error = draw_trend(rows).axes
    gap = np.nan
    expected = {
        "w(L)": [400, 410, gap],
        "m(L) ⊙ w(L-1)": [gap, 420, gap],
        "w(L) in level-(L-1) space": [gap, 415, gap],
    }
    for label, values in ydata(curvature).items():
        np.testing.assert_array_equal(values, expected.pop(label))
    assert not expected
    np.testing.assert_array_equal(ydata(radius)["w(L)"], [0.2, gap, 0.1])
    np.testing.assert_array_equal(barrier_loss.lines[0].get_ydata(), [gap, gap, 0.5])
    np.testing.assert_array_equal(barrier_error.lines[0].get_ydata(), [gap, gap, 1.0])


def test_a_panel_without_values_says_so():
    panels = draw_trend([imp(0), imp(1)]).axes[2:]
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [["not measured"]] * 4


def test_baselines_are_distinct_markers_near_their_level_in_the_first_two_panels():
    figure = draw_trend([imp(0), imp(1), *[baseline(kind, 1) for kind in BASELINES]])
    loss, accuracy, *others = figure.axes
    for axes, value in ((loss, 0.3), (accuracy, 80)):
        drawn = {scatter.get_label(): scatter.get_offsets()[0] for scatter in axes.collections}
        assert set(drawn) == {"imp", *BASELINES}
        places = np.array([drawn[kind] for kind in BASELINES])
        np.testing.assert_allclose(places[:, 1], value)
        assert (np.abs(places[:, 0] - 1) < 0.5).all()
        assert len(set(places[:, 0])) == len(BASELINES)
    assert not any(axes.collections for axes in others)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["imp", *BASELINES]


def test_levels_take_the_colours_of_every_figure():
    loss = draw_trend([imp(0), imp(5)]).axes[0]
    colours = loss.collections[0].get_facecolors()
    expected = [tuple(int(level_colour(level)[i : i + 2], 16) / 255 for i in (1, 3, 5)) for level in (0, 5)]
    np.testing.assert_allclose(colours[:, :3], expected, atol=1e-6)


def test_an_unknown_kind_or_no_row_raises():
    with pytest.raises(ValueError, match="unknown kind"):
        draw_trend([imp(0), baseline("magic", 0)])
    with pytest.raises(ValueError, match="no row"):
        draw_trend([])
