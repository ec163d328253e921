"""What is compared by R1a to R1d, R3 and R7, as it ended and at one training loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.claim.reading import (
    difference,
    log_eig_gap,
    log_eig_gap_at_one_loss,
    radius_gap,
    radius_gap_at_one_loss,
)
from lth.evidence.evidence import Evidence, log_eig_product
from lth.evidence.table import Cell, Table, yes_no
from lth.plan.jobs import MatchedJob, baseline_matched, matched_jobs, projection_matched, reverse_matched
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.level_axis import begin_level_panel, plot_over_levels
from lth.report.exhibit.radii import UNITS
from lth.report.exhibit.wording import count, sentence
from lth.report.figure.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.figure.appearance import PROJECTION_LOOK, SOLUTION_LOOK, Appearance
from lth.report.figure.panels import legend_above
from lth.report.figure.style import NEUTRAL_COLOUR, SMALL_TEXT_SIZE, dress, new_figure

_Gap = Callable[[Evidence, MatchedJob], float | None]


def _curvature_ended(evidence: Evidence, job: MatchedJob) -> float | None:
    return log_eig_gap(evidence, job.sharper, job.flatter)


def _radius_ended(evidence: Evidence, job: MatchedJob) -> float | None:
    return radius_gap(evidence, job.level, job.flatter, job.sharper) if job.share_a_space else None


@dataclass(frozen=True)
class _Quantity:
    """A difference that is above zero where a claim of the paper holds."""

    ended: _Gap
    at_one_loss: _Gap


_CURVATURE = _Quantity(_curvature_ended, log_eig_gap_at_one_loss)
_RADIUS = _Quantity(_radius_ended, radius_gap_at_one_loss)
_SERIES: tuple[tuple[str, Callable[[_Quantity], _Gap], Appearance], ...] = (
    ("as they ended", lambda quantity: quantity.ended, SOLUTION_LOOK),
    ("at one loss", lambda quantity: quantity.at_one_loss, PROJECTION_LOOK),
)
_OVER_LEVELS: tuple[tuple[str, Callable[[int], MatchedJob], _Quantity], ...] = (
    ("R1a: m(L)⊙w(L-1) minus w(L)", projection_matched, _CURVATURE),
    ("R1c: w(L) minus w(L-1), level L-1 space", reverse_matched, _CURVATURE),
    ("R1b: w(L) minus m(L)⊙w(L-1)", projection_matched, _RADIUS),
    ("R1d: w(L-1) minus w(L), level L-1 space", reverse_matched, _RADIUS),
)


def _say(evidence: Evidence) -> str:
    parts = []
    for title, pair, quantity in _OVER_LEVELS:
        jobs = [pair(level) for level in evidence.levels]
        parts.append(f"{title.partition(':')[0]} {_both(evidence, jobs, quantity)}")
    for claim, kind in (("R3", "one_shot"), ("R7", "fine_tune")):
        jobs = [job for job in matched_jobs(evidence.last) if job.sharper.place.kind == kind]
        parts.append(f"{claim} {_both(evidence, jobs, _CURVATURE)}")
    away = [job for job in matched_jobs(evidence.last) if not evidence.matched[job].reached.is_there]
    apart = f"{count(away, 'training')} of {len(matched_jobs(evidence.last))} never had the other's loss"
    above = "Above zero, as they ended and at one loss: " + ", ".join(parts)
    return sentence([above, _say_moved(evidence), apart if away else ""])


def _say_moved(evidence: Evidence) -> str:
    """Say by how much going back raised log_eig_product, beside a Hessian that is proportional to the loss."""
    jobs = matched_jobs(evidence.last)
    pairs = [(_expected(evidence, job), moved) for job in jobs if (moved := _moved(evidence, job)) is not None]
    squares = sum(expected**2 for expected, _ in pairs)
    if squares == 0:
        return ""
    slope = sum(expected * moved for expected, moved in pairs) / squares
    return f"going back to a loss higher by a factor f raised log_eig_product by {slope:.2g} k ln f"


def _expected(evidence: Evidence, job: MatchedJob) -> float:
    found = evidence.matched[job]
    return evidence.setting.analysis.k * float(np.log(found.reached.loss / found.ends.loss))


def _moved(evidence: Evidence, job: MatchedJob) -> float | None:
    """Return log_eig_product at the place that the lower went back to minus that where it ended."""
    found = evidence.matched[job]
    return difference(log_eig_product(found.curvature.spectrum), evidence.log_eig_product(found.moved))


def _both(evidence: Evidence, jobs: Sequence[MatchedJob], quantity: _Quantity) -> str:
    """Return in how many cases a difference is above zero, as they ended and at one loss."""
    found = [[gap(evidence, job) for job in jobs] for gap in (quantity.ended, quantity.at_one_loss)]
    above = [sum(value is not None and value > 0 for value in values) for values in found]
    return f"{above[0]} and {above[1]} of {len(jobs)}"


def _numbers(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for job in matched_jobs(evidence.last):
        found = evidence.matched[job]
        reached = found.reached
        rows.append(
            (
                job.level,
                job.sharper.symbol,
                job.flatter.symbol,
                found.moved.symbol,
                found.ends.loss,
                reached.wanted,
                reached.loss,
                yes_no(reached.is_there),
                reached.epoch,
                reached.kept_before,
                reached.kept_after,
                *(
                    gap(evidence, job)
                    for each in (_CURVATURE, _RADIUS)
                    for gap in (each.ended, each.at_one_loss)
                ),
                _moved(evidence, job),
                yes_no(found.curvature.spectrum.converged),
            )
        )
    headings = ("level", "sharper", "flatter", "lower", "loss_of_lower", "loss_of_other", "loss_reached")
    place = ("is_there", "epoch", "kept_before", "kept_after")
    gaps = [f"{name}_{how}" for name in ("log_eig_gap", "radius_gap") for how in ("ended", "at_one_loss")]
    return Table((*headings, *place, *gaps, "log_eig_product_moved", "converged"), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    figure, evidence = new_figure(12.6, 7.2), evidences[0]
    cells = figure.subplots(2, 3)
    norm = evidence.setting.analysis.direction_norm
    for axes, (title, pair, quantity) in zip(cells[:, :2].ravel(), _OVER_LEVELS, strict=True):
        unit = "difference of log_eig_product" if quantity is _CURVATURE else f"mean {UNITS[norm]}"
        begin_level_panel(axes, evidence, list(evidence.levels), title="", quantity=unit)
        axes.axhline(0, color=NEUTRAL_COLOUR, linewidth=0.9)
        for name, of, look in _SERIES:
            gap = of(quantity)
            values = [[gap(one, pair(level)) for level in one.levels] for one in evidences]
            plot_over_levels(axes, list(evidence.levels), values, look, name)
        legend_above(axes, title)
    _draw_baselines(cells[0, 2], evidences)
    _draw_losses(cells[1, 2], evidences)
    explain_seeds(figure, evidences)
    return figure


def _draw_baselines(axes: Axes, evidences: Sequence[Evidence]) -> None:
    last = evidences[0].last
    jobs = {
        "R3: one_shot": baseline_matched("one_shot", last),
        "R7: fine_tune": baseline_matched("fine_tune", last),
    }
    dress(axes, title="", x="minus w(N), each in its own space", y="difference of log_eig_product")
    axes.axhline(0, color=NEUTRAL_COLOUR, linewidth=0.9)
    for shift, (name, of, look) in zip((-0.12, 0.12), _SERIES, strict=True):
        gap = of(_CURVATURE)
        values = as_rows([[gap(one, job) for job in jobs.values()] for one in evidences])
        draw_bars(axes, [position + shift for position in range(len(jobs))], values, look, name, "")
    axes.set_xticks(range(len(jobs)), list(jobs), fontsize=SMALL_TEXT_SIZE)
    axes.set_xlim(-0.6, len(jobs) - 0.4)
    legend_above(axes, "R3, R7: baseline minus w(N)")


def _draw_losses(axes: Axes, evidences: Sequence[Evidence]) -> None:
    """Draw how much lower the one of each pair ended that went back, which is what matching takes out."""
    begin_level_panel(
        axes, evidences[0], list(evidences[0].levels), title="", quantity="ln loss: sharper minus flatter"
    )
    axes.axhline(0, color=NEUTRAL_COLOUR, linewidth=0.9)
    for name, pair, look in (
        ("m(L)⊙w(L-1) and w(L)", projection_matched, PROJECTION_LOOK),
        ("w(L) and w(L-1)", reverse_matched, SOLUTION_LOOK),
    ):
        values = [[_log_ratio(one, pair(level)) for level in one.levels] for one in evidences]
        plot_over_levels(axes, list(evidences[0].levels), values, look, name)
    legend_above(axes, "The losses that they ended at")


def _log_ratio(evidence: Evidence, job: MatchedJob) -> float:
    found = evidence.matched[job]
    ratio = float(np.log(found.ends.loss_of_other / found.ends.loss))
    return ratio if found.moved == job.flatter else -ratio


MATCHED = Exhibit(
    file="beyond_matched",
    title="Beyond the paper: curvature and radii at one training loss",
    paper="The paper compares solutions where their trainings ended, whatever their losses.",
    found=_say,
    numbers=_numbers,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
