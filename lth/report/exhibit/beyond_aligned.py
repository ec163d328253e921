"""Barriers between solutions as they are and with their units matched, under every treatment on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, rounded, yes_no
from lth.measure.kind.aligned import MATCHINGS, TREATMENTS
from lth.plan.jobs import AlignedJob, aligned_jobs, aligned_line
from lth.report.exhibit.exhibit import Exhibit, of_one
from lth.report.exhibit.lines import barrier_if_any
from lth.report.exhibit.wording import sentence
from lth.report.figure.aligned import LOOKS, TITLES, draw_paths, treatments_of
from lth.report.figure.all_seeds import as_rows, draw_bars, explain_seeds
from lth.report.figure.style import NEUTRAL_COLOUR, SMALL_TEXT_SIZE, TWO_COLUMNS, dress, head, new_figure
from lth.setting.terms import terms

_PAPER = (
    "The paper draws the line to random_init as it is. Git Re-Basin (arXiv 2209.04836) and REPAIR (2211.08403) "
    "find barriers that vanish once units are matched and activations kept from collapsing."
)


def _main(evidence: Evidence) -> AlignedJob:
    return aligned_line("random_init", evidence.last)


def _name(job: AlignedJob) -> str:
    return f"{job.start.symbol} → {job.end.symbol}"


def _say(evidence: Evidence) -> str:
    found, units = evidence.aligned[_main(evidence)], evidence.aligned[_main(evidence)].units
    if units.why:
        return sentence([units.why])
    parts = [
        f"{units.units} units in {units.groups} groups may be permuted, and {units.fixed_axes} of {units.axes} "
        "axes are fixed, wholly or in part"
    ]
    for treatment in treatments_of(found):
        heights = [
            f"{_shown(barrier_if_any(found.lines[matching, treatment].train_loss))} {said}"
            for matching, said in MATCHINGS.items()
        ]
        parts.append(f"the barrier to random_init with {TITLES[treatment]}: {', '.join(heights)}")
    shared = found.matches["weights"].shared
    parts.append(f"matched by weights, the two masks share {100 * shared:.0f} % of what they keep")
    return sentence(parts)


def _shown(height: float | None) -> str:
    return "none, not finite," if height is None else rounded(height)


def _points(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for job in aligned_jobs(evidence.last):
        for (matching, treatment), path in evidence.aligned[job].lines.items():
            columns = (path.alphas, path.train_loss, path.train_error, path.test_loss, path.test_error)
            rows += [
                (
                    job.start.symbol,
                    job.end.symbol,
                    MATCHINGS[matching],
                    TREATMENTS[treatment],
                    *map(float, point),
                )
                for point in zip(*columns, strict=True)
            ]
    return Table(
        (
            *("start", "end", "units", "on_the_way", "alpha"),
            *("train_loss", "train_error", "test_loss", "test_error"),
        ),
        tuple(rows),
    )


def _table(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for job in aligned_jobs(evidence.last):
        found = evidence.aligned[job]
        for (matching, treatment), path in found.lines.items():
            match = found.matches[matching]
            rows.append(
                (
                    job.start.symbol,
                    job.end.symbol,
                    MATCHINGS[matching],
                    TREATMENTS[treatment],
                    barrier_if_any(path.train_loss),
                    barrier_if_any(path.test_error),
                    None if matching == "identity" else match.before,
                    None if matching == "identity" else match.similarity,
                    match.moved,
                    match.shared,
                    yes_no(match.converged),
                )
            )
    headings = ("start", "end", "units", "on_the_way", "barrier_train_loss", "barrier_test_error")
    matched = ("similarity_before", "similarity", "units_moved", "mask_shared", "converged")
    return Table((*headings, *matched), tuple(rows))


def _draw(evidences: Sequence[Evidence]) -> Figure:
    evidence = evidences[0]
    found = [one.aligned[_main(evidence)] for one in evidences]
    shown = treatments_of(found[0])
    figure = new_figure(TWO_COLUMNS, 6.4)
    cells = figure.subplots(2, len(shown), squeeze=False, sharey="row")
    draw_paths(list(cells[0]), found)
    for axes, treatment in zip(cells[1], shown, strict=True):
        _draw_barriers(axes, evidences, treatment, is_first=axes is cells[1][0])
    head(figure, f"Above: training loss on the line {_name(_main(evidence))}. Below: barriers on all lines")
    explain_seeds(figure, evidences)
    return figure


def _draw_barriers(axes: Axes, evidences: Sequence[Evidence], treatment: str, *, is_first: bool) -> None:
    columns = _columns(evidences[0])
    quantity = terms().loss_axis("barrier of the training loss") if is_first else ""
    dress(axes, title="", x="", y=quantity)
    margin = evidences[0].setting.analysis.loss_margin
    axes.axhline(margin, color=NEUTRAL_COLOUR, linestyle="--", linewidth=0.9)
    for shift, matching in zip((-0.2, 0.0, 0.2), MATCHINGS, strict=True):
        values = as_rows(
            [[_mean_barrier(one, jobs, matching, treatment) for jobs in columns.values()] for one in evidences]
        )
        x = [position + shift for position in range(len(columns))]
        draw_bars(axes, x, values, LOOKS[matching], MATCHINGS[matching], "")
    names = [name.replace(" → ", "\n→ ").replace(", mean", "\n(mean)") for name in columns]
    # Upright: slanted names would take their width from the panels.
    axes.set_xticks(range(len(columns)), names, fontsize=SMALL_TEXT_SIZE, rotation=90)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(bottom=0)


def _columns(evidence: Evidence) -> dict[str, list[AlignedJob]]:
    """Return the lines by what they are called; those between successive levels are one, their mean."""
    jobs = aligned_jobs(evidence.last)
    outside = [job for job in jobs if job.end.place.kind != "imp"]
    return {_name(job): [job] for job in outside} | {
        "w(L-1) → w(L), mean": [job for job in jobs if job.end.place.kind == "imp"]
    }


def _mean_barrier(
    evidence: Evidence, jobs: Sequence[AlignedJob], matching: str, treatment: str
) -> float | None:
    paths = [evidence.aligned[job].lines.get((matching, treatment)) for job in jobs]
    heights = [None if path is None else barrier_if_any(path.train_loss) for path in paths]
    known = [height for height in heights if height is not None]
    return float(np.mean(known)) if len(known) == len(jobs) else None


ALIGNED = Exhibit(
    file="beyond_aligned",
    title="Beyond the paper: barriers with units matched, and activations kept from collapsing",
    paper=_PAPER,
    found=_say,
    numbers=_points,
    draw=of_one(_draw),
    draw_seeds=_draw,
)
ALIGNED_TABLE = Exhibit(
    file="beyond_aligned_barriers",
    title="Beyond the paper: every barrier, as the solutions are and with units matched",
    paper=_PAPER,
    found=_say,
    numbers=_table,
    draw=None,
)
