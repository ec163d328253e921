"""Studies side by side: how the measures of IMP's solutions run over the weights left, a line a setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lth.errors import InputError
from lth.evidence.summary import LevelRow
from lth.report.figure.style import SMALL_TEXT_SIZE, dress, new_figure, use_log_y
from lth.setting.terms import terms

Measure = Callable[[LevelRow], float | None]
Studies = Mapping[int, Sequence[LevelRow]]  # rows by seed

_FEW = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
_MARKERS = "osD^vPX*"
_LIGHTEST = 0.93  # of viridis; beyond it, yellow vanishes on white


def _panels() -> tuple[tuple[str, str, Measure], ...]:
    """Return title, quantity and measure of every panel."""
    said = terms()
    return (
        ("Training loss", said.loss_axis(), lambda row: row.train_loss),
        (f"Test {said.metric_name}", said.metric_axis, lambda row: said.scale * row.test_accuracy),
        ("Inverse basin volume at w(L)", "log_eig_product (Σ ln λ)", lambda row: row.log_eig_product),
        ("Mean basin radius at w(L)", "mean radius (× direction)", lambda row: row.radius_mean),
        ("Barrier from level L-1 to level L", said.loss_axis("barrier"), lambda row: row.barrier_loss),
        (
            f"The same in the {said.error_name}" if said.is_share else f"The same in {said.error_name}",
            f"barrier ({said.error_unit})",
            lambda row: None if row.barrier_error is None else said.scale * row.barrier_error,
        ),
    )


def draw_comparison(settings: Mapping[str, Studies]) -> Figure:
    """Draw each setting's mean over its seeds as a line, and each seed as a dot.

    Args:
        settings: By what a setting is called, the rows of its studies by seed.

    Raises:
        ValueError: If there is no row.
    """
    if not any(rows for studies in settings.values() for rows in studies.values()):
        raise InputError("there is no row to draw; finish at least one level")
    figure = new_figure(10.5, 10.5)
    for axes, (title, quantity, measure) in zip(figure.subplots(3, 2).ravel(), _panels(), strict=True):
        dress(axes, title=title, x="weights kept (%)", y=quantity)
        for place, (name, studies) in enumerate(settings.items()):
            _draw(axes, name, studies, measure, colour=_colour(place, len(settings)), marker=_marker(place))
        _finish(axes, settings)
    use_log_y(figure.axes[0])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(4, len(labels)), fontsize=SMALL_TEXT_SIZE
    )
    return figure


def _draw(axes: Axes, name: str, studies: Studies, measure: Measure, *, colour: str, marker: str) -> None:
    by_level: dict[int, list[tuple[float, float]]] = {}
    for rows in studies.values():
        for row in rows:
            value = measure(row)
            if row.kind == "imp" and value is not None and np.isfinite(value):
                by_level.setdefault(row.level, []).append((100 * row.density, value))
    means = [np.mean(by_level[level], axis=0) for level in sorted(by_level)]
    line = np.array(means).reshape(-1, 2)
    axes.plot(line[:, 0], line[:, 1], color=colour, marker=marker, markersize=5, linewidth=1.2, label=name)
    if len(studies) > 1:
        dots = np.array([dot for dots in by_level.values() for dot in dots]).reshape(-1, 2)
        axes.scatter(dots[:, 0], dots[:, 1], color=colour, marker=marker, s=9, alpha=0.4, linewidths=0)


def _finish(axes: Axes, settings: Mapping[str, Studies]) -> None:
    """Let the weights kept fall to the right, as levels rise; labelled are those of the longest study."""
    if not any(np.size(line.get_xdata()) for line in axes.lines):
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center")
        axes.set_xticks([])
        return
    every = [rows for studies in settings.values() for rows in studies.values()]
    densities = max(([100 * row.density for row in rows if row.kind == "imp"] for rows in every), key=len)
    axes.set_xscale("log")
    axes.set_xlim(1.05 * max(densities), 0.95 * min(densities))
    axes.set_xticks(densities, [f"{density:.3g}" for density in densities], rotation=45)
    axes.xaxis.set_minor_locator(NullLocator())


def _colour(place: int, count: int) -> str:
    if count <= len(_FEW):
        return _FEW[place]
    return to_hex(colormaps["viridis"](_LIGHTEST * place / (count - 1)))


def _marker(place: int) -> str:
    return _MARKERS[place % len(_MARKERS)]
