"""What the seeds say of every claim, on one page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lth.errors import InputError
from lth.evidence.certainty import Estimate
from lth.evidence.claim import Claim, Finding, Outcome
from lth.evidence.rule import Verdict
from lth.report.figure.appearance import Appearance
from lth.report.figure.style import (
    GRID_COLOUR,
    NEUTRAL_COLOUR,
    PAGE_HEIGHT,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    TWO_COLUMNS,
    new_figure,
    thinned,
    wrapped,
)
from lth.setting.terms import terms

# Blue and vermilion of Okabe and Ito (2008), which dark text and colour-blind readers can bear, and grey.
VERDICTS: Mapping[Verdict, Appearance] = {
    "supported": Appearance("#0072B2", "^"),
    "refuted": Appearance("#D55E00", "v"),
    "undecided": Appearance("#666666", "D", 0.85),
}
_COLUMNS = 3
_PANEL_INCHES = TWO_COLUMNS / _COLUMNS - 0.6  # that a panel is wide, at least, and its title may be
_LEGEND_INCHES = 0.5
_ROW_INCHES, _NAMED_ROW_INCHES = 1.6, 2.35  # of a panel; of one that names several baselines under itself
_SEED_SHIFT = 0.24  # of a case: the seeds stand beside their mean
_FEWEST_SLOTS = 5  # for cases in a panel: where there are fewer, they stay together in the middle
_REACH = 1.0  # times what the seeds span: how far beyond them an interval may stretch a panel
_MOST_LABELS = 9  # of levels under a panel
_MOST_SLANTED = 12  # names under a panel, which would run into each other


def on_pages(findings: Sequence[Finding]) -> list[Sequence[Finding]]:
    """Return the findings in order, as many together as `draw_claims` has room for on one page."""
    pages: list[list[Finding]] = []
    height = math.inf
    for start in range(0, len(findings), _COLUMNS):
        row = findings[start : start + _COLUMNS]
        height += _height(row)
        if height > PAGE_HEIGHT:
            pages.append([])
            height = _LEGEND_INCHES + _height(row)
        pages[-1].extend(row)
    return [*pages]


def draw_claims(findings: Sequence[Finding]) -> Figure:
    """Draw a panel a claim: over its cases the mean, its interval and the value of each seed.

    Apart from them on the right stands what the claim is on average over its cases, where it has several.
    A claim says that its statistic is above the zero line. Two or three seeds can give an interval many times
    as long as what they span; it then runs off the panel and ends in a caret, so that the seeds stay legible.
    Markers show the verdict of a case; where the claim is not supported in all, some intervals beside zero are
    undecided, as then the number of cases counts.

    Args:
        findings: At least one, drawn in their order.

    Raises:
        ValueError: If there is none.
    """
    if not findings:
        raise InputError("there is no finding to draw; evaluate at least one claim")
    columns = min(_COLUMNS, len(findings))
    rows = [findings[start : start + columns] for start in range(0, len(findings), columns)]
    heights = [_height(row) for row in rows]
    figure = new_figure(TWO_COLUMNS, sum(heights) + _LEGEND_INCHES)
    cells = figure.subplots(len(rows), columns, height_ratios=heights, squeeze=False).ravel()
    for axes, finding in zip(cells, findings, strict=False):
        _draw(axes, finding)
    for spare in cells[len(findings) :]:
        spare.remove()
    seeds = max(len(finding.seeds) for finding in findings)
    confidence = f", {100 * findings[0].average.confidence:.3g} % intervals" if seeds > 1 else ""
    judged = "; verdicts of cases by Holm where not all hold" if seeds > 1 else ""
    figure.legend(
        handles=_legend_handles(),
        loc="outside upper center",
        ncols=4,
        fontsize=TEXT_SIZE,
        title=f"Each claim says: above zero.  {seeds} seed{'' if seeds == 1 else 's'}{confidence}{judged}",
        title_fontsize=TEXT_SIZE,
    )
    return figure


def _draw(axes: Axes, finding: Finding) -> None:
    claim = finding.claim
    statement = wrapped(f"{claim.id}  {terms().reworded(claim.statement)}", _PANEL_INCHES, SMALL_TEXT_SIZE)
    agreeing = f"{finding.num_agreeing} of {finding.num_measured} above 0"
    differs = len(finding.outcomes) > 1 and finding.average_verdict != finding.verdict
    average = f"average {finding.average_verdict}; every case " if differs else ""
    verdict = wrapped(f"{average}{finding.verdict}; {agreeing}", _PANEL_INCHES, SMALL_TEXT_SIZE)
    axes.set_title(
        f"{statement}\n{verdict}",
        fontsize=SMALL_TEXT_SIZE,
        color=VERDICTS[finding.verdict].colour,
        loc="left",
    )
    axes.set_ylabel(_quantity(claim), fontsize=SMALL_TEXT_SIZE)
    axes.tick_params(labelsize=SMALL_TEXT_SIZE)
    axes.grid(True, axis="y", color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.axhline(0, color="black", linewidth=0.9, zorder=1, label="_zero")
    # The average lies within what the seeds span, and its interval is cut where theirs are.
    low, high = _limits(finding.outcomes)
    axes.set_ylim(low, high)
    for position, outcome in enumerate(finding.outcomes):
        _draw_estimate(axes, position, outcome.estimate, outcome.verdict)
    if (apart := _place_of_average(finding.outcomes)) is not None:
        axes.axvline((len(finding.outcomes) - 1 + apart) / 2, color=GRID_COLOUR, linewidth=0.6, label="_apart")
        _draw_estimate(axes, apart, finding.average, finding.average_verdict)
    _label_cases(axes, finding.outcomes)
    if not finding.outcomes:
        axes.text(0.5, 0.6, "no case", ha="center", transform=axes.transAxes, color=NEUTRAL_COLOUR)


def _height(row: Sequence[Finding]) -> float:
    return _NAMED_ROW_INCHES if any(map(_names_several, row)) else _ROW_INCHES


def _names_several(finding: Finding) -> bool:
    named = [outcome for outcome in finding.outcomes if outcome.case.place.kind != "imp"]
    return len(named) > 1


def _quantity(claim: Claim) -> str:
    """Return what is drawn upwards: what it is where that is no plain difference, and its unit."""
    return wrapped(terms().reworded(claim.number), 1.3 if claim.quantity else 1.0, SMALL_TEXT_SIZE)


def _draw_estimate(axes: Axes, position: float, estimate: Estimate, verdict: Verdict) -> None:
    look = VERDICTS[verdict]
    low, high = axes.get_ylim()
    if estimate.mean is None:
        axes.text(
            position,
            0.04,
            "none",
            ha="center",
            rotation=90,
            fontsize=SMALL_TEXT_SIZE,
            color=NEUTRAL_COLOUR,
            transform=axes.get_xaxis_transform(),
        )
        return
    if estimate.low is not None and estimate.high is not None:
        ends = max(estimate.low, low), min(estimate.high, high)
        axes.plot([position, position], ends, color=look.colour, linewidth=1.4, zorder=2, label="_interval")
        cut = [end for end, whole in zip(ends, (estimate.low, estimate.high), strict=True) if end != whole]
        for end in cut:
            axes.plot(
                position,
                end,
                color=look.colour,
                marker=6 if end == high else 7,  # carets whose tip is on the edge
                markersize=4.5,
                linestyle="none",
                zorder=2,
                label="_cut",
            )
    axes.plot(
        position,
        estimate.mean,
        color=look.colour,
        marker=look.marker,
        markersize=5.5 * look.scale,
        linestyle="none",
        zorder=4,
        label=f"_{verdict}",
    )
    axes.plot(
        [position + _SEED_SHIFT] * len(estimate.measured),
        estimate.measured,
        color=NEUTRAL_COLOUR,
        marker="o",
        markersize=2.6,
        markerfacecolor="none",
        markeredgewidth=0.7,
        linestyle="none",
        zorder=3,
        label="_seeds",
    )


def _limits(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Return limits around zero, every seed, and the intervals up to `_REACH` times what those span."""
    seeds = [0.0, *[value for outcome in outcomes for value in outcome.estimate.measured]]
    intervals = [(outcome.estimate.low, outcome.estimate.high) for outcome in outcomes]
    ends = [end for interval in intervals for end in interval if end is not None]
    least, most = min(seeds), max(seeds)
    span = (most - least) or 1e-3
    least = max(min([least, *ends]), least - _REACH * span)
    most = min(max([most, *ends]), most + _REACH * span)
    room = 0.08 * ((most - least) or span)
    return least - room, most + room


def _place_of_average(outcomes: Sequence[Outcome]) -> float | None:
    """Return where the average stands, its label clear of the last case's; None for one case.

    Where cases are levels, "mean" is wider than their numbers; names are turned.
    """
    count = len(outcomes)
    wider = count / _MOST_LABELS if _are_levels(outcomes) else 0.0
    return count + 0.3 + wider if count > 1 else None


def _are_levels(outcomes: Sequence[Outcome]) -> bool:
    return all(outcome.case.place.kind == "imp" for outcome in outcomes)


def _label_cases(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    apart, of_levels = _place_of_average(outcomes), _are_levels(outcomes)
    last = len(outcomes) - 1 if apart is None else apart
    spare = max(0, _FEWEST_SLOTS - 1 - last) / 2
    axes.set_xlim(-0.6 - spare, last + 0.6 + spare)
    shown = thinned(range(len(outcomes)), _MOST_LABELS) if of_levels else range(len(outcomes))
    ticks: dict[float, str] = {
        position: str(outcomes[position].case.level) if of_levels else outcomes[position].case.label
        for position in shown
    }
    if apart is not None:
        ticks[apart] = "mean"
    text: dict[str, Any] = {"fontsize": SMALL_TEXT_SIZE}
    if not of_levels and len(outcomes) > _MOST_SLANTED:
        # As small as the room of one: many methods are more than the panel has room for.
        size = min(SMALL_TEXT_SIZE, 72 * _PANEL_INCHES / (last + 1.2))
        text = {"fontsize": size, "rotation": 90, "ha": "right", "va": "center", "rotation_mode": "anchor"}
    elif not of_levels and len(outcomes) > 1:
        text |= {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks([*ticks], [*ticks.values()], **text)
    axes.set_xlabel("level L" if of_levels else f"at level {outcomes[0].case.level}", fontsize=SMALL_TEXT_SIZE)


def _legend_handles() -> list[Line2D]:
    verdicts = [
        Line2D(
            [],
            [],
            color=look.colour,
            marker=look.marker,
            markersize=5.5 * look.scale,
            linewidth=1.4,
            label=f"{verdict} (mean and interval)",
        )
        for verdict, look in VERDICTS.items()
    ]
    seed = Line2D(
        [],
        [],
        color=NEUTRAL_COLOUR,
        marker="o",
        markersize=2.6,
        markerfacecolor="none",
        markeredgewidth=0.7,
        linestyle="none",
        label="a seed",
    )
    return [*verdicts, seed]
