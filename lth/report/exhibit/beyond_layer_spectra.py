"""The Hessian of every layer for itself: where in the network it is sharp, and what training flattens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lth.evidence.evidence import Evidence, log_eig_product
from lth.evidence.table import Cell, Table, rounded, yes_no
from lth.measure.kind.layers import LayerSpectra
from lth.measure.layer_spectra import LayerCurvature
from lth.plan.place import Place, Point
from lth.report.exhibit.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.panels import legend_above
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK, Appearance, appearance
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
_Of = Callable[[LayerCurvature], float | None]


def _largest(layer: LayerCurvature) -> float:
    return float(layer.spectrum.eigenvalues[0])


def _trace(layer: LayerCurvature) -> float:
    return layer.trace.estimate


def _mean_log(layer: LayerCurvature) -> float | None:
    """Return the mean of ln λ over the leading eigenvalues, of which layers may have different numbers."""
    product = log_eig_product(layer.spectrum)
    return None if product is None else product / len(layer.spectrum.eigenvalues)


def _names(evidence: Evidence) -> list[str]:
    """Return all layers, in the order of the network; some points may have none of one left."""
    first = next(iter(evidence.layers.values()))
    return [*first.layers, *first.gone]


def _points(evidence: Evidence) -> list[tuple[str, Point, Appearance]]:
    """Return where layers are shown side by side: at both ends of the study, and what was pruned last."""
    last = evidence.last
    ends = [
        ("w(0)", Point.at(Place.imp(0)), appearance(Place.imp(0))),
        (f"w({last})", Point.at(Place.imp(last)), SOLUTION_LOOK),
        (f"m({last})⊙w({last - 1})", Point.projection(last), PROJECTION_LOOK),
    ]
    return [each for each in ends if each[1] in evidence.layers]


def _gap(evidence: Evidence, level: int, name: str) -> float | None:
    """Return by how much ln λ is larger on average at m(L)⊙w(L-1) than at w(L), in a layer."""
    both = [
        found.layers.get(name)
        for found in (evidence.layers[Point.projection(level)], evidence.layers[Point.at(Place.imp(level))])
    ]
    values = [None if layer is None else _mean_log(layer) for layer in both]
    sharper, flatter = values
    return None if sharper is None or flatter is None else sharper - flatter


def _say(evidence: Evidence) -> str:
    last = Point.at(Place.imp(evidence.last))
    found = evidence.layers[last]
    if not found.layers:
        return f"No layer has a coordinate left at w({evidence.last})."
    sharpest = max(found.layers, key=lambda name: _largest(found.layers[name]))
    whole = float(evidence.curvature[last].spectrum.eigenvalues[0])
    gaps = [_gap(evidence, evidence.last, name) for name in _names(evidence)]
    known = [gap for gap in gaps if gap is not None]
    larger = (
        f"log_eig_product is larger at m({evidence.last})⊙w({evidence.last - 1}) than at w({evidence.last}) in "
        f"{sum(gap > 0 for gap in known)} of {count(known, 'layer')}"
        + (f", and does not exist in {len(gaps) - len(known)}" if len(known) < len(gaps) else "")
    )
    return sentence(
        [
            f"Of {count(len(found.layers), 'layer')} at w({evidence.last}), over {found.examples} examples, "
            f"the largest eigenvalue is in {sharpest} ({rounded(_largest(found.layers[sharpest]))}; of the whole "
            f"network {rounded(whole)})",
            _of_traces(found),
            larger,
            _certainty(evidence),
        ]
    )


def _of_traces(found: LayerSpectra) -> str:
    total = sum(_trace(layer) for layer in found.layers.values())
    most = max(found.layers, key=lambda name: _trace(found.layers[name]))
    if total <= 0:
        return ""
    return f"the largest trace is in {most}, {_trace(found.layers[most]) / total:.0%} of those of all of them"


def _certainty(evidence: Evidence) -> str:
    """Return how many eigenvalues each spectrum is of, and how sure they all are."""
    every = [layer.spectrum for found in evidence.layers.values() for layer in found.layers.values()]
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
    first = evidences[0]
    names, levels = _names(first), list(first.levels)
    heights = [_PANEL_INCHES, _PANEL_INCHES, max(1.2, _ROW_INCHES * len(levels))]
    figure = new_figure(TWO_COLUMNS, sum(heights) + 1.6)
    eigenvalues, traces, gaps = figure.subplots(3, 1, height_ratios=heights, sharex=True)
    _draw_by_layer(eigenvalues, evidences, names, _largest, "largest eigenvalue")
    for name, point, look in _points(first)[1:2]:
        of_all = [float(evidence.curvature[point].spectrum.eigenvalues[0]) for evidence in evidences]
        label = f"of the whole network at {name}"
        eigenvalues.axhline(np.mean(of_all), color=look.colour, linestyle="--", linewidth=1.0, label=label)
    legend_above(eigenvalues, "The sharpest direction of every layer")
    _draw_by_layer(traces, evidences, names, _trace, "trace")
    legend_above(traces, "Trace")
    bar = figure.colorbar(_draw_gaps(gaps, evidences, names, levels), ax=gaps, pad=0.01)
    bar.ax.tick_params(labelsize=SMALL_TEXT_SIZE)
    shown = thinned(list(range(len(names))), _MOST_LABELS)
    gaps.set_xticks(shown, [names[index] for index in shown], rotation=70, ha="right", rotation_mode="anchor")
    explain_seeds(figure, evidences)
    return figure


def _draw_by_layer(
    axes: Axes, evidences: Sequence[Evidence], names: Sequence[str], of: _Of, quantity: str
) -> None:
    dress(axes, title="", x="", y=f"{quantity} ({terms().curvature_unit})")
    use_log_y(axes)
    for label, point, look in _points(evidences[0]):
        values = []
        for evidence in evidences:
            layers = evidence.layers[point].layers
            known = [of(layers[name]) if name in layers else None for name in names]
            values.append([None if value is None or value <= 0 else value for value in known])
        draw_bars(axes, range(len(names)), as_rows(values), look, label, "-")


def _draw_gaps(
    axes: Axes, evidences: Sequence[Evidence], names: Sequence[str], levels: Sequence[int]
) -> AxesImage:
    """Draw a map of levels over layers, the mean over seeds; what does not exist is grey."""
    of_seeds = np.array(
        [as_rows([[_gap(each, level, name) for name in names] for level in levels]) for each in evidences]
    )
    mean = of_seeds.mean(axis=0)
    axes.set_facecolor("#CCCCCC")
    most = float(np.nanmax(np.abs(mean), initial=1e-12)) if np.isfinite(mean).any() else 1.0
    image = axes.imshow(mean, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    axes.set_yticks(range(len(levels)), [str(level) for level in levels])
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
