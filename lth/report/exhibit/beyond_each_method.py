"""Every method beside w(N), as the paper shows its baselines: eigenvalues and lines, a panel each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import mean_and_deviation, rounded
from lth.plan.jobs import LineJob
from lth.plan.place import Place, Point
from lth.report.exhibit.attainment import methods
from lth.report.exhibit.comparison import Comparison, Pair, looks
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.lines import barrier_if_any, line_numbers
from lth.report.exhibit.spectra import draw_panels, say_not_converged, spectra_numbers
from lth.report.exhibit.wording import sentence
from lth.report.figure.all_seeds import draw_band, explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK
from lth.report.figure.panels import legend_above, panel_grid
from lth.report.figure.style import spans_a_decade, use_log_y
from lth.setting.terms import terms


def _pairs(evidence: Evidence) -> tuple[Pair, ...]:
    solution = Point.at(Place.imp(evidence.last))
    return tuple(Pair(place.level, Point.at(place), solution) for place in methods(evidence))


_EACH = Comparison("a method", "w(N)", _pairs)


def _say_spectra(evidence: Evidence) -> str:
    pairs = _pairs(evidence)
    products = {pair.sharper: evidence.log_eig_product(pair.sharper) for pair in pairs}
    own = evidence.log_eig_product(Point.at(Place.imp(evidence.last)))
    if own is None:
        return f"log_eig_product does not exist at w({evidence.last})."
    gaps = {point.symbol: value - own for point, value in products.items() if value is not None}
    larger = [name for name, gap in gaps.items() if gap > 0]
    ends = sorted(gaps, key=lambda name: gaps[name])
    sizes = f", from {gaps[ends[0]]:+.3g} ({ends[0]}) to {gaps[ends[-1]]:+.3g} ({ends[-1]})" if ends else ""
    return sentence(
        [
            f"log_eig_product is larger at {len(larger)} of {len(gaps)} methods than at "
            f"w({evidence.last}){sizes}",
            f"it does not exist at {len(pairs) - len(gaps)}" if len(gaps) < len(pairs) else "",
            say_not_converged(evidence, [point for pair in pairs for point in (pair.sharper, pair.flatter)]),
        ]
    )


def _draw_spectra(evidences: Sequence[Evidence]) -> Figure:
    return draw_panels(evidences, [(pair.sharper.symbol, looks(pair)) for pair in _pairs(evidences[0])])


SPECTRA_OF_METHODS = Exhibit(
    file="beyond_method_spectra",
    title="Beyond the paper: leading Hessian eigenvalues at each method and at w(N)",
    paper="As Fig. 11, 18, 20 and 21 do for baselines, where the eigenvalues at the baseline are larger.",
    found=_say_spectra,
    numbers=lambda evidence: spectra_numbers(_EACH, evidence),
    draw=of_one(_draw_spectra),
    draw_seeds=_draw_spectra,
)


def _jobs(evidence: Evidence, place: Place) -> tuple[LineJob, LineJob]:
    end = Point.at(place)
    return LineJob(Point.at(Place.imp(evidence.last)), end), LineJob(Point.projection(evidence.last), end)


def _every_job(evidence: Evidence) -> list[LineJob]:
    return [job for place in methods(evidence) for job in _jobs(evidence, place)]


def _say_lines(evidence: Evidence) -> str:
    parts = []
    for index, start in enumerate((Point.at(Place.imp(evidence.last)), Point.projection(evidence.last))):
        heights = {
            place.kind: barrier_if_any(evidence.lines[_jobs(evidence, place)[index]].stored.train_loss)
            for place in methods(evidence)
        }
        known = {kind: height for kind, height in heights.items() if height is not None}
        if known:
            least, most = min(known, key=lambda kind: known[kind]), max(known, key=lambda kind: known[kind])
            parts.append(
                f"from {start.symbol} the barrier in the training loss is "
                f"{terms().of_loss(rounded(known[least]))} ({least}) to "
                f"{terms().of_loss(rounded(known[most]))} ({most})"
            )
    text = sentence(parts)
    return text[:1].upper() + text[1:]


def _draw_lines(evidences: Sequence[Evidence]) -> Figure:
    places = methods(evidences[0])
    figure, cells = panel_grid(
        len(places),
        title="Training loss on the straight lines from w(N) and from m(N)⊙w(N-1) to each method\n"
        "BatchNorm statistics interpolated like the weights",
        x="position α; the method is at 1",
        y=terms().loss_axis(),
    )
    jobs = _every_job(evidences[0])
    values = [evidence.lines[job].stored.train_loss for evidence in evidences for job in jobs]
    is_wide = spans_a_decade(np.concatenate(values))
    for axes, place in zip(cells, places, strict=True):
        if is_wide:
            use_log_y(axes)
        _draw_both(axes, evidences, place)
        legend_above(axes, place.kind)
    explain_seeds(figure, evidences)
    return figure


def _draw_both(axes: Axes, evidences: Sequence[Evidence], place: Place) -> None:
    for job, look in zip(_jobs(evidences[0], place), (SOLUTION_LOOK, PROJECTION_LOOK), strict=True):
        paths = [evidence.lines[job].stored for evidence in evidences]
        losses = np.array([path.train_loss for path in paths])
        heights = [barrier_if_any(row) for row in losses]
        height = mean_and_deviation(heights)
        draw_band(axes, paths[0].alphas, losses, look, f"{job.start.symbol}: barrier {height}", size=2.4)


LINES_OF_METHODS = Exhibit(
    file="beyond_method_lines",
    title="Beyond the paper: training loss from w(N) and from m(N)⊙w(N-1) to each method",
    paper="As Fig. 9, 17 and 19 do for baselines.",
    found=_say_lines,
    numbers=lambda evidence: line_numbers(_every_job, evidence),
    draw=of_one(_draw_lines),
    draw_seeds=_draw_lines,
)
