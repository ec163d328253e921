"""The Hessian of every layer for itself: where in the network it is sharp, and what training flattens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lth.evidence.claim.reading import difference
from lth.evidence.evidence import Evidence, log_eig_product
from lth.evidence.table import Cell, Table, rounded, yes_no
from lth.measure.kind.curvature import Curvature
from lth.measure.kind.layers import LayerSpectra
from lth.measure.layer_spectra import LayerCurvature
from lth.plan.place import Place, Point
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK, Appearance, appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import (
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    TWO_COLUMNS,
    dress,
    new_figure,
    thinned,
    use_log_y,
)
from lth.setting.terms import terms

_MOST_LABELS = 36  # of layers under a panel
_ROW_INCHES = 0.16  # of a level in the map, at least
_PANEL_INCHES = 2.1
Found = Mapping[Point, LayerSpectra]  # read once: from a store, each takes a while
_Of = Callable[[LayerCurvature], float]


def _largest(layer: LayerCurvature) -> float:
    return float(layer.spectrum.eigenvalues[0])


def _trace(layer: LayerCurvature) -> float:
    return layer.trace.estimate


def _largest_of_whole(whole: Curvature) -> float:
    return float(whole.spectrum.eigenvalues[0])


def _trace_of_whole(whole: Curvature) -> float:
    return whole.trace.estimate


def _mean_log(layer: LayerCurvature) -> float | None:
    """Return the mean of ln λ over the leading eigenvalues, of which layers may have different numbers."""
    product = log_eig_product(layer.spectrum)
    return None if product is None else product / len(layer.spectrum.eigenvalues)


def _names(found: Found) -> list[str]:
    """Return all layers, in the order of the network; some points may have none of one left."""
    first = next(iter(found.values()))
    return [*first.layers, *first.gone]


def _points(found: Found, last: int) -> list[tuple[str, Point, Appearance]]:
    """Return where layers are shown side by side: at both ends of the study, and what was pruned last."""
    ends = [
        ("w(0)", Point.at(Place.imp(0)), appearance(Place.imp(0))),
        (f"w({last})", Point.at(Place.imp(last)), SOLUTION_LOOK),
        (f"m({last})⊙w({last - 1})", Point.projection(last), PROJECTION_LOOK),
    ]
    return [each for each in ends if each[1] in found]


def _gap(found: Found, level: int, name: str) -> float | None:
    """Return by how much ln λ is larger on average at m(L)⊙w(L-1) than at w(L), in a layer."""
    points = (Point.projection(level), Point.at(Place.imp(level)))
    layers = [found[point].layers.get(name) for point in points]
    sharper, flatter = (None if layer is None else _mean_log(layer) for layer in layers)
    return difference(sharper, flatter)


def _say(evidence: Evidence) -> str:
    found, end = dict(evidence.layers), Point.at(Place.imp(evidence.last))
    layers, whole = found[end].layers, evidence.curvature[end]
    if not layers:
        return f"No layer has a coordinate left at w({evidence.last})."
    sharpest = max(layers, key=lambda name: _largest(layers[name]))
    most = max(layers, key=lambda name: _trace(layers[name]))
    return sentence(
        [
            f"Of {count(len(layers), 'layer')} at w({evidence.last}), over {found[end].examples} examples, the "
            f"largest eigenvalue is in {sharpest} ({rounded(_largest(layers[sharpest]))}; of the whole network "
            f"{rounded(float(whole.spectrum.eigenvalues[0]))})",
            f"the largest trace is in {most} ({rounded(_trace(layers[most]))}; of the whole network "
            f"{rounded(whole.trace.estimate)})",
            _compared(found, evidence.last),
            _certainty(found),
        ]
    )


def _compared(found: Found, last: int) -> str:
    """Return in how many layers what training left at the last level is flatter than what it began from."""
    gaps = [_gap(found, last, name) for name in _names(found)]
    known = [gap for gap in gaps if gap is not None]
    said = (
        f"log_eig_product is larger at m({last})⊙w({last - 1}) than at w({last}) in "
        f"{sum(gap > 0 for gap in known)} of {count(known, 'layer')}"
    )
    return said + (f", and does not exist in {len(gaps) - len(known)}" if len(known) < len(gaps) else "")


def _certainty(found: Found) -> str:
    """Return how many eigenvalues each spectrum is of, and how sure they all are."""
    every = [layer.spectrum for at_point in found.values() for layer in at_point.layers.values()]
    sure = sum(spectrum.converged for spectrum in every)
    chance = max(spectrum.failure_probability for spectrum in every)
    return (
        f"{sure} of {count(every, 'spectrum').replace('spectrums', 'spectra')} of up to "
        f"{max(len(spectrum.eigenvalues) for spectrum in every)} eigenvalues are certified, each but for a "
        f"chance of {chance:.0e}"
    )


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for point, found in evidence.layers.items():
        if point.place.level > evidence.last:
            continue
        for name, layer in found.layers.items():
            spectrum, product = layer.spectrum, log_eig_product(layer.spectrum)
            rows.append(
                (
                    point.place.level,
                    point.symbol,
                    name,
                    layer.dimension,
                    found.examples,
                    len(spectrum.eigenvalues),
                    _largest(layer),
                    float(spectrum.upper[0] + spectrum.noise),
                    product,
                    None if product is None else spectrum.log_eig_width,
                    spectrum.failure_probability,
                    layer.trace.estimate,
                    layer.trace.standard_error,
                    spectrum.num_products,
                    yes_no(spectrum.converged),
                )
            )
    headings = ("level", "point", "layer", "coordinates", "examples", "k", "largest", "largest_at_most")
    certified = ("log_eig_product", "interval", "failure_probability")
    return Table((*headings, *certified, "trace", "trace_standard_error", "products", "converged"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    every = [dict(evidence.layers) for evidence in evidences]
    last, names = evidences[0].last, _names(every[0])
    heights = [_PANEL_INCHES, _PANEL_INCHES, max(1.2, _ROW_INCHES * last)]
    figure = new_figure(TWO_COLUMNS, sum(heights) + 1.6)
    eigenvalues, traces, gaps = figure.subplots(3, 1, height_ratios=heights, sharex=True)
    end = Point.at(Place.imp(last))
    wholes = [evidence.curvature[end] for evidence in evidences]
    for axes, title, quantity, of, of_whole in (
        (eigenvalues, "The sharpest direction", "largest eigenvalue", _largest, _largest_of_whole),
        (traces, "All directions together", "trace", _trace, _trace_of_whole),
    ):
        _draw_by_layer(axes, every, last, of, quantity)
        total = float(np.mean([of_whole(whole) for whole in wholes]))
        label = f"of the whole network at w({last})"
        axes.axhline(total, color=SOLUTION_LOOK.colour, linestyle="--", linewidth=1.0, label=label)
        legend_above(axes, title)
    bar = figure.colorbar(_draw_gaps(gaps, every, last), ax=gaps, pad=0.01)
    bar.ax.tick_params(labelsize=SMALL_TEXT_SIZE)
    shown = thinned(list(range(len(names))), _MOST_LABELS)
    gaps.set_xticks(shown, [names[index] for index in shown], rotation=70, ha="right", rotation_mode="anchor")
    explain_seeds(figure, evidences)
    return figure


def _draw_by_layer(axes: Axes, every: Sequence[Found], last: int, of: _Of, quantity: str) -> None:
    dress(axes, title="", x="", y=f"{quantity} ({terms().curvature_unit})")
    use_log_y(axes)
    names = _names(every[0])
    for label, point, look in _points(every[0], last):
        values = []
        for found in every:
            layers = found[point].layers
            known = [of(layers[name]) if name in layers else None for name in names]
            values.append([None if value is None or value <= 0 else value for value in known])
        draw_bars(axes, range(len(names)), as_rows(values), look, label, "-")


def _draw_gaps(axes: Axes, every: Sequence[Found], last: int) -> AxesImage:
    """Draw a map of levels over layers, the mean over seeds; what does not exist is grey."""
    names, levels = _names(every[0]), range(1, last + 1)
    gaps = [as_rows([[_gap(found, level, name) for name in names] for level in levels]) for found in every]
    mean = np.array(gaps).mean(axis=0)
    known = np.abs(mean[np.isfinite(mean)])
    most = float(known.max(initial=0)) or 1.0
    axes.set_facecolor("#CCCCCC")
    image = axes.imshow(mean, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    axes.set_yticks(range(last), [str(level) for level in levels])
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    axes.set_ylabel("level L", fontsize=TEXT_SIZE)
    axes.set_title(
        "What training flattens: mean ln λ at m(L)⊙w(L-1) minus that at w(L); grey where there is none",
        fontsize=TEXT_SIZE,
        loc="left",
    )
    return image


LAYER_SPECTRA = Exhibit(
    file="beyond_layer_spectra",
    title="Beyond the paper: the Hessian of every layer for itself",
    paper="The paper takes the Hessian of all weights at once, of which no layer's own block is sharper.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
