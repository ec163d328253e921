"""Training loss and test accuracy of solutions while they were trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from matplotlib.figure import Figure

from lth.evidence.binomial import interval_if_any, num_examples
from lth.plan.place import Place
from lth.report.figure.appearance import appearance
from lth.report.figure.style import SMALL_TEXT_SIZE, TWO_COLUMNS, dress, new_figure, use_integer_x, use_log_y
from lth.setting.terms import terms
from lth.training.train import EpochRecord

_LINE_STYLES = ("-", "--", ":", "-.")  # for solutions that share a colour


def draw_trajectory(histories: Mapping[Place, tuple[EpochRecord, ...]]) -> Figure:
    """Draw training loss (left, logarithmic) and test accuracy (right) against epoch, a line a solution.

    Args:
        histories: Records in order of epoch, by the solution.

    Source: arXiv 2403.15022, Fig. 4 and 25.
    """
    figure = new_figure(TWO_COLUMNS, 2.9)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    dress(loss_axes, title="Training loss", x="epoch", y=terms().loss_axis())
    dress(accuracy_axes, title=f"Test {terms().metric_name}", x="epoch", y=terms().metric_axis)
    use_log_y(loss_axes)
    for axes in (loss_axes, accuracy_axes):
        use_integer_x(axes)
    drawn: Counter[str] = Counter()
    for place, history in histories.items():
        colour = appearance(place).colour
        style = _LINE_STYLES[drawn[colour] % len(_LINE_STYLES)]
        drawn[colour] += 1
        epochs = [record.epoch for record in history]
        marker = "o" if len(history) == 1 else ""
        for axes, values in (
            (loss_axes, [record.train.loss for record in history]),
            (accuracy_axes, [terms().scale * record.test.accuracy for record in history]),
        ):
            label = f"{place.name}: {_accuracy(history)}"
            axes.plot(epochs, values, color=colour, linestyle=style, marker=marker, linewidth=1.2, label=label)
    if histories:
        handles, names = loss_axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper", fontsize=SMALL_TEXT_SIZE)
    return figure


def _accuracy(history: tuple[EpochRecord, ...]) -> str:
    """Return the last metric on the test examples, with its binomial interval of 95 % where it was counted."""
    accuracy = history[-1].test.accuracy
    if not terms().is_share:
        return f"{accuracy:.4g}"
    examples = num_examples(record.test.accuracy for record in history) if terms().is_counted else None
    interval = interval_if_any(accuracy, examples)
    known = "" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return f"{100 * accuracy:.2f}{known} %"
