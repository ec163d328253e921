"""The leading Hessian eigenvalues of a level: solution, its baseline and its reverse projection."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.analysis import LevelAnalysis
from lth.measure.curvature.spectrum import Spectrum
from lth.report.figure.appearance import Appearance
from lth.report.figure.point import POINTS, point_name
from lth.report.figure.style import SMALL_TEXT_SIZE, dress, new_figure, use_integer_x, use_log_y


def draw_spectra(analysis: LevelAnalysis) -> Figure:
    """Draw eigenvalues against rank, one series a point.

    The legend gives each series' log_eig_product and says if Lanczos has not converged. An eigenvalue that is
    not positive has no place on a logarithmic axis: it is a cross on the lower edge, and the legend counts it.

    Args:
        analysis: Of one level.

    Source: arXiv 2403.15022, Fig. 5 and 7, which show the log-products over the levels and no spectrum.
    """
    figure = new_figure(6.4, 4.6)
    axes = figure.add_subplot()
    dress(
        axes,
        title=f"Leading Hessian eigenvalues, level {analysis.level}, {100 * analysis.density:.3g} % of weights",
        x="rank",
        y="eigenvalue (nats / L2²)",
    )
    use_log_y(axes)
    use_integer_x(axes)
    for suffix, spectrum in analysis.spectra.items():
        text = legend_text(point_name(suffix, analysis.level), spectrum)
        edge = 0.02 + 0.03 * list(POINTS).index(suffix)
        plot_eigenvalues(axes, spectrum, POINTS[suffix], text, edge=edge)
    axes.legend(fontsize=SMALL_TEXT_SIZE)
    return figure


def legend_text(name: str, spectrum: Spectrum) -> str:
    """Return what the legend says of a spectrum: its log-product, or why there is none, and any caveat."""
    not_positive = int((~(spectrum.eigenvalues > 0)).sum())
    if not_positive:
        text = f"{name}: {not_positive} of {len(spectrum.eigenvalues)} not positive (×), no log_eig_product"
    else:
        text = f"{name}: log_eig_product {spectrum.log_eig_product:.2f}"
    if not spectrum.converged:
        text += f"\n  NOT CONVERGED after {spectrum.num_products} products"
    return text


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
