"""Barriers between copies of a training under other SGD noise, over the step from which they part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from lth.evidence.certainty import Estimate
from lth.evidence.stability import Stability, Treatment
from lth.plan.place import Place
from lth.report.figure.appearance import level_colour
from lth.report.figure.style import (
    NEUTRAL_COLOUR,
    SMALL_TEXT_SIZE,
    TWO_COLUMNS,
    dress,
    head,
    new_figure,
)
from lth.setting.terms import terms

_MARKERS = "osD^vPX*"
_STYLES: Mapping[Treatment, str] = {"interpolated": "-", "anew": ":"}
_THRESHOLD_COLOUR = "#BB5566"
_DODGE = 0.08  # of the way to the next candidate, between levels
_MOST_LABELS = 9
_AROUND = (0.0, 1.0, 2.0, 5.0)  # labels of a linear axis near zero, and of each decade beyond

OfStep = Callable[[int, int, Treatment], Estimate]  # of a level, a step and a treatment


def draw_stability(found: Stability, epochs: Mapping[int, float], title: str) -> Figure:
    """Draw the barrier of the test error (left) and of the training loss (right) over the step.

    Each seed is thin, the mean over them bold with its interval, 95 % at each end. A dashed line is where a
    barrier of the error begins to count; a dotted one, where a line leads over guessing. Both axes of barriers
    are linear up to a small height and logarithmic beyond. Candidates stand at even distances.

    Args:
        found: What lines say.
        epochs: Where each step is, in epochs.
        title: Of the figure.
    """
    said = terms()
    figure = new_figure(TWO_COLUMNS, 3.7)
    error_axes, loss_axes = figure.subplots(1, 2)
    dress(
        error_axes,
        title=f"Barrier in {said.error_name}",
        x="rewind step (epochs)",
        y=f"barrier ({said.error_unit})",
    )
    dress(
        loss_axes, title="Barrier in the training loss", x="rewind step (epochs)", y=said.loss_axis("barrier")
    )
    _draw(error_axes, found, found.error_barrier, said.scale)
    _draw(loss_axes, found, found.loss_barrier, 1.0)
    _draw_thresholds(error_axes, found, said.scale)
    _bend(error_axes, said.scale * found.margin)
    _bend(loss_axes, _small_loss(loss_axes))
    for axes in (error_axes, loss_axes):
        _name_steps(axes, found.steps, epochs)
    handles, labels = _by_name([error_axes, loss_axes])
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(3, len(labels)), fontsize=SMALL_TEXT_SIZE
    )
    seeds = f"\neach of {len(found.seeds)} seeds thin; their mean with its interval, 95 % at each end"
    head(figure, title + (seeds if len(found.seeds) > 1 else ""))
    return figure


def _draw(axes: Axes, found: Stability, barrier: OfStep, scale: float) -> None:
    places = np.arange(len(found.steps), dtype=np.float64)
    treatments: list[Treatment] = ["interpolated", "anew"] if found.has_batchnorm else ["interpolated"]
    for number, level in enumerate(found.levels):
        x = places + _DODGE * (number - (len(found.levels) - 1) / 2)
        for treatment in treatments:
            over = [barrier(level, step, treatment) for step in found.steps]
            _draw_level(axes, x, over, scale, _Look(level, number, treatment, found))


class _Look:
    """How the curve of a level is drawn under one way of treating BatchNorm statistics."""

    def __init__(self, level: int, number: int, treatment: Treatment, found: Stability) -> None:
        self.colour, self.marker = level_colour(level), _MARKERS[number % len(_MARKERS)]
        self.line, self.is_main = _STYLES[treatment], treatment == "interpolated"
        kept = "" if level == 0 else f", {found.density(level):.1%} of weights"
        how = "" if not found.has_batchnorm else f", BatchNorm {treatment}"
        self.name = f"{Place.imp(level).name}{kept}{how}"


def _draw_level(axes: Axes, x: np.ndarray, over: Sequence[Estimate], scale: float, look: _Look) -> None:
    if look.is_main:
        for values in np.array([_numbers(each.values) for each in over]).T.reshape(-1, len(over)):
            if len(over[0].values) > 1:
                axes.plot(x, scale * values, color=look.colour, linewidth=0.7, alpha=0.45)
    means, lows, highs = (
        scale * _numbers([getattr(each, name) for each in over]) for name in ("mean", "low", "high")
    )
    whole = _numbers([0 if each.num_missing else 1 for each in over]) == 1
    means = np.where(whole, means, np.nan)
    errors = np.array([means - np.maximum(lows, 0), highs - means])
    axes.errorbar(
        x,
        means,
        yerr=np.where(np.isfinite(errors), np.maximum(errors, 0), 0) if look.is_main else None,
        color=look.colour,
        marker=look.marker,
        markersize=4.5 if look.is_main else 2.5,
        linewidth=1.5 if look.is_main else 1.0,
        linestyle=look.line,
        capsize=2.5,
        label=look.name,
    )


def _draw_thresholds(axes: Axes, found: Stability, scale: float) -> None:
    margin = scale * found.margin
    axes.axhline(
        margin,
        color=_THRESHOLD_COLOUR,
        linestyle="--",
        linewidth=1,
        label=f"counts as a barrier: {margin:g}{terms().percent}",
    )
    if (chance := found.rise_to_chance) is not None and chance > found.margin:
        axes.axhline(
            scale * chance,
            color=NEUTRAL_COLOUR,
            linestyle="-.",
            linewidth=1,
            label="over a network that guesses",
        )


def _bend(axes: Axes, linear_up_to: float) -> None:
    """Make the vertical axis linear up to a height and logarithmic beyond, from zero on."""
    top = max(axes.get_ylim()[1], 1.5 * linear_up_to)
    axes.set_yscale("symlog", linthresh=linear_up_to, linscale=0.8)
    axes.set_ylim(-0.05 * linear_up_to, 1.15 * top)
    decades = range(math.floor(math.log10(linear_up_to)), math.ceil(math.log10(top)) + 1)
    ticks = [0.0, *(part * 10.0**power for power in decades for part in _AROUND[1:])]
    axes.yaxis.set_major_locator(
        FixedLocator([tick for tick in ticks if tick == 0 or linear_up_to / 2.1 <= tick <= 1.1 * top])
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _small_loss(axes: Axes) -> float:
    """Return a height that is small beside what is drawn: a hundredth, as a power of ten."""
    heights = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines])
    highest = float(np.nanmax(heights, initial=0.0))
    return 10.0 ** math.floor(math.log10(highest / 30)) if highest > 0 else 1.0


def _name_steps(axes: Axes, steps: Sequence[int], epochs: Mapping[int, float]) -> None:
    every = math.ceil(len(steps) / _MOST_LABELS)
    shown = range(0, len(steps), every)
    axes.set_xticks(list(shown), [f"{steps[each]}\n({_few_digits(epochs[steps[each]])})" for each in shown])
    axes.set_xlim(-0.4, len(steps) - 0.6)


def _few_digits(epoch: float) -> str:
    return f"{epoch:.2g}" if epoch < 10 else f"{epoch:.0f}"


def _by_name(panels: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
