"""Training loss between two points as they are and with units matched, a panel for each treatment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.measure.kind.aligned import MATCHINGS, Aligned
from lth.report.figure.all_seeds import draw_band
from lth.report.figure.appearance import Appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import TWO_COLUMNS, dress, head, new_figure, spans_a_decade, use_log_y
from lth.setting.terms import terms

LOOKS = {
    "identity": Appearance("#555555", "o"),
    "weights": Appearance("#004488", "s"),
    "activations": Appearance("#BB5566", "^"),
}
TITLES = {
    "stored": "weights and all else interpolated",
    "anew": "BatchNorm statistics anew",
    "repair": "activations repaired",
}


def treatments_of(found: Aligned) -> list[str]:
    """Return the treatments that a line was measured under."""
    return list(dict.fromkeys(treatment for _, treatment in found.lines))


def draw_aligned(found: Sequence[Aligned], name: str) -> Figure:
    """Draw the training loss over α, of each seed."""
    shown = treatments_of(found[0])
    figure = new_figure(TWO_COLUMNS, 3.0)
    draw_paths(list(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]), found)
    head(figure, f"Line {name}, units of the end as they are and matched to those of the start")
    return figure


def draw_paths(panels: Sequence[Axes], found: Sequence[Aligned]) -> None:
    """Draw one line into the panels of its treatments."""
    every = np.concatenate([path.train_loss for one in found for path in one.lines.values()])
    for axes, treatment in zip(panels, treatments_of(found[0]), strict=True):
        dress(axes, title="", x="position α", y=terms().loss_axis() if axes is panels[0] else "")
        if spans_a_decade(every):
            use_log_y(axes)
        for matching, said in MATCHINGS.items():
            paths = [one.lines[matching, treatment] for one in found]
            values = np.array([path.train_loss for path in paths])
            draw_band(axes, paths[0].alphas, values, LOOKS[matching], said, size=3)
        legend_above(axes, TITLES[treatment])
