"""The spectral density of the Hessian, from its most negative eigenvalue to its largest."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lth.measure.curvature.density import SpectralDensity
from lth.report.figure.style import NEUTRAL_COLOUR, ONE_COLUMN, SMALL_TEXT_SIZE, dress, new_figure, use_log_y
from lth.setting.terms import terms

_WIDTH = 0.005  # of a Gaussian, in multiples of the range of the eigenvalues
_POINTS = 1200  # five a Gaussian's width
_REACH = 10  # times the highest peak: how far up an interval is drawn
_COLOUR = "#0072B2"


def draw_density(found: SpectralDensity, name: str) -> Figure:
    """Draw the density of eigenvalues, every one a Gaussian, with its interval of 95 %.

    The dotted line is the height of one eigenvalue alone.

    Args:
        found: The density.
        name: The point's.

    Source: Ghorbani, Krishnan and Xiao (2019), Fig. 1.
    """
    figure = new_figure(ONE_COLUMN, 2.6)
    axes = figure.add_subplot()
    least, most = float(found.nodes.min()), float(found.nodes.max())
    width = _WIDTH * (most - least or abs(most) or 1.0)
    at = np.linspace(least - 6 * width, most + 6 * width, _POINTS)
    density, low, high = found.smoothed(at, width)
    alone = 1 / (found.dimension * width * np.sqrt(2 * np.pi))
    floor = alone / 10
    shown = np.maximum(density, floor)
    axes.fill_between(
        at,
        np.maximum(low, floor),
        np.clip(high, floor, _REACH * shown.max()),
        color=_COLOUR,
        alpha=0.25,
        linewidth=0,
        label="interval of 95 %",
    )
    axes.plot(at, shown, color=_COLOUR, linewidth=1, label=f"mean over {len(found.nodes)} random vectors")
    axes.axhline(alone, color=NEUTRAL_COLOUR, linestyle=":", linewidth=1, label="one eigenvalue of all")
    use_log_y(axes)
    axes.set_ylim(floor, None)
    dress(
        axes,
        title=f"Hessian spectral density at {name}, {found.dimension:,} dimensions",
        x=f"eigenvalue ({terms().curvature_unit})",
        y="density",
    )
    axes.legend(fontsize=SMALL_TEXT_SIZE)
    return figure
