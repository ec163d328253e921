"""Training loss and test error along the straight line between two solutions, with their barriers."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.measure.interpolation import Interpolation, barrier
from lth.plan.jobs import LineJob
from lth.plan.place import Point
from lth.report.figure.appearance import end_appearance
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TWO_COLUMNS,
    dress,
    head,
    new_figure,
    spans_a_decade,
    use_log_y,
    value_limits,
)
from lth.setting.terms import terms

_ROUNDING = 1e-12  # a barrier this small against the path is rounding of the chord


def draw_interpolation(line: Interpolation, start: Point, end: Point) -> Figure:
    """Draw training loss (left) and test error (right) over α, each with the chord between its ends.

    Where a path rises above its chord, a double arrow spans the barrier and names its height. The loss is
    logarithmic if it spans over a decade; the chord, straight in the loss, is then curved. Points that are not
    finite leave a gap and are counted in the title, because such a path has no barrier.

    Args:
        line: Evaluations at (1-α) a + α b.
        start: a.
        end: b.

    Source: arXiv 2403.15022, Fig. 9, 12, 28 and 29.
    """
    figure = new_figure(TWO_COLUMNS, 3.1)
    loss_axes, error_axes = figure.subplots(1, 2)
    said = terms()
    test_error = said.scale * line.test_error
    loss_unit = "nats" if said.has_unit else ""
    _draw_path(loss_axes, line.alphas, line.train_loss, "Training loss", said.loss_axis(), loss_unit)
    if spans_a_decade(line.train_loss):
        use_log_y(loss_axes)
    _draw_path(
        error_axes,
        line.alphas,
        test_error,
        said.error_name.replace("test error", "Test error"),
        said.error_axis,
        said.error_unit,
    )
    for axes, values in ((loss_axes, line.train_loss), (error_axes, test_error)):
        _name_ends(axes, values, start, end)
    name = LineJob(start, end).name
    head(figure, f"{name[0].upper()}{name[1:]}")
    return figure


def _draw_path(
    axes: Axes, alphas: np.ndarray, values: np.ndarray, title: str, quantity: str, unit: str
) -> None:
    finite = np.isfinite(values)
    height = barrier(values) if finite.all() else 0.0
    height = height if height > _ROUNDING * np.abs(values).max() else 0.0
    if not finite.all():
        title += f": {int((~finite).sum())} of {len(values)} points are not finite, no barrier is defined"
    elif height == 0:
        title += ": no barrier"
    dress(axes, title=title, x="position α", y=quantity)
    axes.plot(
        alphas,
        np.where(finite, values, np.nan),
        color=NEUTRAL_COLOUR,
        marker=".",
        markersize=5,
        linewidth=1.4,
        label="on the line",
    )
    chord = (1 - alphas) * values[0] + alphas * values[-1]
    axes.plot(alphas, chord, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1, label="chord")
    if (limits := value_limits(values)) is not None:
        axes.set_ylim(limits)
    if height > 0:
        _mark_barrier(axes, alphas, values, chord, f"barrier {height:.3g} {unit}".rstrip())
    axes.legend(fontsize=SMALL_TEXT_SIZE)


def _mark_barrier(axes: Axes, alphas: np.ndarray, values: np.ndarray, chord: np.ndarray, text: str) -> None:
    top = 1 + int((values - chord)[1:-1].argmax())  # an end has no height
    alpha = float(alphas[top])
    arrow = {"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0, "color": "#BB5566", "linewidth": 1.4}
    axes.annotate("", xy=(alpha, values[top]), xytext=(alpha, chord[top]), arrowprops=arrow)
    axes.annotate(
        text,
        xy=(alpha, values[top]),
        xytext=(0, 6),
        textcoords="offset points",
        ha="left" if alpha < 0.25 else "right" if alpha > 0.75 else "center",
        va="bottom",
        fontsize=SMALL_TEXT_SIZE,
        color="#BB5566",
    )
    axes.margins(y=0.12)


def _name_ends(axes: Axes, values: np.ndarray, start: Point, end: Point) -> None:
    for alpha, value, point in ((0, values[0], start), (1, values[-1], end)):
        look = end_appearance(point)
        axes.plot(
            alpha,
            value,
            color=look.colour,
            marker=look.marker,
            markersize=9 * look.scale,
            markeredgecolor="white",
            zorder=3,
            label=f"_{point.name}",
        )
    first, last = (re.sub(r" (at|from) ", r"\n\1 ", point.name) for point in (start, end))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [f"0\n{first}", "0.25", "0.5", "0.75", f"1\n{last}"])
