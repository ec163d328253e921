import numpy as np

from lth.plan.place import Place
from lth.report.figure.trajectory import draw_trajectory
from lth.training.evaluate import Evaluation
from lth.training.train import EpochRecord


def history(*losses, first=0):
    return tuple(
        EpochRecord(first + i, Evaluation(loss, 0.0), Evaluation(0.0, 0.25 * i))
        for i, loss in enumerate(losses)
    )


def test_each_solution_is_one_line_of_loss_and_of_accuracy_over_its_epochs():
    histories = {Place.imp(0): history(2.0, 1.0, 0.5), Place.imp(1): history(1.5, 0.7, first=2)}
    loss_axes, accuracy_axes = draw_trajectory(histories).axes
    assert loss_axes.get_yscale() == "log"
    assert [line.get_label() for line in loss_axes.lines] == [
        "dense: 50.00 [15.0, 85.0] %",  # of four examples, the fewest that these accuracies can be of
        "level 1: 25.00 [4.6, 69.9] %",
    ]
    np.testing.assert_array_equal(loss_axes.lines[0].get_xydata(), [[0, 2.0], [1, 1.0], [2, 0.5]])
    np.testing.assert_array_equal(loss_axes.lines[1].get_xydata(), [[2, 1.5], [3, 0.7]])
    np.testing.assert_array_equal(accuracy_axes.lines[0].get_xydata(), [[0, 0], [1, 25], [2, 50]])
    assert accuracy_axes.get_ylabel() == "test accuracy (%)"


def test_legend_names_every_solution_once_with_its_accuracy():
    figure = draw_trajectory({Place.imp(0): history(2.0, 1.0), Place("one_shot", 2): history(2.0, 1.0)})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "dense: 25.00 [4.6, 69.9] %",
        "one_shot at level 2: 25.00 [4.6, 69.9] %",
    ]


def test_solutions_of_one_colour_differ_in_line_style():
    places = Place("one_shot", 3), Place("one_shot", 4)
    first, second = draw_trajectory({place: history(2.0, 1.0) for place in places}).axes[0].lines
    assert first.get_color() == second.get_color()
    assert first.get_linestyle() != second.get_linestyle()


def test_no_history_and_a_single_epoch_can_be_saved(tmp_path):
    draw_trajectory({}).savefig(tmp_path / "none.png")
    figure = draw_trajectory({Place.imp(0): history(2.0)})
    figure.savefig(tmp_path / "one.png")
    assert figure.axes[0].lines[0].get_marker() == "o"
