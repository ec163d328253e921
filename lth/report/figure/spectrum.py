"""The leading Hessian eigenvalues of a point over their rank."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from lth.measure.curvature.spectrum import Spectrum
from lth.report.figure.appearance import Appearance


def plot_eigenvalues(
    axes: Axes, spectrum: Spectrum, look: Appearance, label: str, *, edge: float, size: float = 3
) -> None:
    """Draw eigenvalues over their rank on a logarithmic axis.

    Args:
        axes: Logarithmic already.
        spectrum: What to draw.
        look: Its colour and marker.
        label: What the legend says.
        edge: Height of the crosses of eigenvalues that are not positive, as a share of the axis.
        size: Of the markers, in points.
    """
    rank = np.arange(1, len(spectrum.eigenvalues) + 1)
    positive = spectrum.eigenvalues > 0
    axes.plot(
        rank,
        np.where(positive, spectrum.eigenvalues, np.nan),
        color=look.colour,
        marker=look.marker,
        markersize=size,
        linewidth=1,
        label=label,
    )
    if not positive.all():
        axes.margins(y=0.2)  # leaves the lower edge to the crosses
        axes.plot(
            rank[~positive],
            np.full(int((~positive).sum()), edge),
            color=look.colour,
            marker="x",
            linestyle="none",
            transform=axes.get_xaxis_transform(),
            label="_not positive",
        )
