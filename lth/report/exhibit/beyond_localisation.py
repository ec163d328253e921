"""Over how many weights, and which layers, the leading eigenvectors at each level are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded
from lth.measure.kind.subspaces import Localised
from lth.plan.jobs import subspace_jobs
from lth.plan.place import Place
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.wording import sentence
from lth.report.figure.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.figure.appearance import SOLUTION_LOOK, appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import NEUTRAL_COLOUR, SMALL_TEXT_SIZE, TWO_COLUMNS, dress, new_figure, use_log_y

_RANDOM = 1 / 3  # of its coordinates, that a random vector is spread over
_MOST_NAMES = 30  # of parameters, along an axis


def _found(evidence: Evidence) -> list[Localised]:
    return [evidence.subspaces[job].localised for job in subspace_jobs(evidence.last)]


def _spread(found: Localised) -> float:
    """Return the mean participation of the eigenvectors, as a share of the coordinates."""
    return float(found.participation.mean()) / found.dimension


def _density(found: Localised) -> np.ndarray:
    """Return the share of the span in each parameter over the share of the coordinates there, (parameters,)."""
    return np.asarray(found.shares.mean(axis=1) / (found.sizes / found.dimension))


def _say(evidence: Evidence) -> str:
    last = _found(evidence)[-1]
    most = int(last.shares.mean(axis=1).argmax())
    spread = [f"{_spread(each):.2%} of its coordinates at w({level})" for level, each in _ends(evidence)]
    where = (
        f"at w({evidence.last}) the largest share, {rounded(float(last.shares[most].mean()))}, lies in "
        f"{last.parameters[most]}, which has {rounded(last.sizes[most] / last.dimension)} of the coordinates"
    )
    return sentence([f"A leading eigenvector is spread over {' and '.join(spread)}", where])


def _ends(evidence: Evidence) -> list[tuple[int, Localised]]:
    """Return what was found at the first and at the last level, each with its level."""
    every = list(enumerate(_found(evidence)))
    return [every[0], every[-1]]


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for level, found in enumerate(_found(evidence)):
        rows += [
            (
                level,
                name,
                int(size),
                float(size) / found.dimension,
                float(shares.mean()),
                float(shares[0]),
                _spread(found),
                float(1 / found.participation.mean()),
            )
            for name, size, shares in zip(found.parameters, found.sizes, found.shares, strict=True)
        ]
    headings = ("level", "parameter", "coordinates", "share_of_coordinates", "share_of_span", "share_of_first")
    return Table((*headings, "participation_of_dimension", "inverse_participation_ratio"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure = new_figure(TWO_COLUMNS, 3.4)
    spread_axes, layer_axes = figure.subplots(1, 2, width_ratios=(1, 2))
    levels = list(range(evidences[0].last + 1))
    quantity = "participation ratio / dimension"
    begin_level_panel(spread_axes, evidences[0], levels, title="", quantity=quantity)
    use_log_y(spread_axes)
    values = [[_spread(found) for found in _found(evidence)] for evidence in evidences]
    plot_over_levels(spread_axes, levels, values, SOLUTION_LOOK, "w(L), mean of its eigenvectors")
    spread_axes.axhline(_RANDOM, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1.0, label="a random vector")
    legend_above(spread_axes, "Spread over coordinates")
    _draw_layers(layer_axes, evidences)
    explain_seeds(figure, evidences)
    return figure


def _draw_layers(axes: Axes, evidences: Sequence[Evidence]) -> None:
    names = _found(evidences[0])[0].parameters
    dress(axes, title="", x="", y="share of the span / share of the coordinates")
    use_log_y(axes)
    shown = len(names) <= _MOST_NAMES
    axes.set_xticks(
        range(len(names)) if shown else range(0, len(names), -(-len(names) // _MOST_NAMES)),
        names if shown else names[:: -(-len(names) // _MOST_NAMES)],
        rotation=90,
        fontsize=SMALL_TEXT_SIZE,
    )
    axes.axhline(1, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1.0, label="even over coordinates")
    for level, _ in _ends(evidences[0]):
        densities = []
        for evidence in evidences:
            found = _found(evidence)[level]
            by_name = dict(zip(found.parameters, _density(found), strict=True))
            densities.append([by_name.get(name) for name in names])  # one that is pruned whole has none
        draw_bars(axes, range(len(names)), as_rows(densities), appearance(Place.imp(level)), f"w({level})", "-")
    legend_above(axes, "Where in the network")


LOCALISATION = Exhibit(
    file="beyond_localisation",
    title="Beyond the paper: over which weights the leading eigenvectors are spread",
    paper="The paper reads eigenvalues alone.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
