"""Loss and error on straight lines between points, under both treatments of BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.evidence.binomial import interval_if_any, num_examples
from lth.evidence.evidence import Evidence
from lth.evidence.table import Cell, Table, mean_and_deviation, rounded
from lth.measure.interpolation import Interpolation, barrier, barrier_over_mean
from lth.measure.kind.line import Line
from lth.plan.jobs import LineJob
from lth.report.exhibit.exhibit import Template
from lth.report.exhibit.wording import count, listed_levels, sentence
from lth.report.figure.all_seeds import draw_band, explain_seeds
from lth.report.figure.appearance import Appearance
from lth.report.figure.panels import dress_panel, fill_grid, grid_shape, legend_above, panel_height
from lth.report.figure.style import (
    TEXT_SIZE,
    TWO_COLUMNS,
    head,
    new_figure,
    spans_a_decade,
    use_log_y,
    value_limits,
)
from lth.setting.terms import terms

Jobs = Callable[[Evidence], Sequence[LineJob]]
STORED, ANEW = "interpolated", "anew"  # how BatchNorm statistics come about on the way
TREATMENT_COLOURS = {STORED: "#004488", ANEW: "#BB5566"}
TREATMENT_MARKERS = {STORED: "o", ANEW: "s"}


@dataclass(frozen=True)
class Quantity:
    """What is drawn along a line."""

    axis: str
    barrier_unit: str
    values: Callable[[Interpolation], np.ndarray]


def loss_and_error() -> tuple[Quantity, Quantity]:
    """Return the training loss, and what the metric lacks to one on the test examples."""
    said = terms()
    return (
        Quantity(said.loss_axis(), "nats" if said.has_unit else "", lambda path: path.train_loss),
        Quantity(said.error_axis, said.short_error_unit, lambda path: said.scale * path.test_error),
    )


def treatments(line: Line) -> dict[str, Interpolation]:
    """Return the paths of a line, one for each way of treating BatchNorm statistics that it has."""
    return {STORED: line.stored} | ({} if line.anew is None else {ANEW: line.anew})


def barrier_if_any(values: np.ndarray) -> float | None:
    """Return the barrier of a path; None if a value on it is not finite."""
    return barrier(values) if np.isfinite(values).all() else None


def line_name(job: LineJob) -> str:
    """Return `w(1) → w(2)`."""
    return f"{job.start.symbol} → {job.end.symbol}"


def say_barriers(jobs: Jobs, evidence: Evidence) -> str:
    """Say how high the barriers of each line are, and whether they count as barriers."""
    margin = evidence.setting.analysis.loss_margin
    parts = [f"{line_name(job)}: {_say_line(evidence.lines[job], margin)}" for job in jobs(evidence)]
    return sentence(parts)


def say_successive_barriers(jobs: Jobs, evidence: Evidence) -> str:
    """Say between how many successive solutions a barrier stands, and how high they are."""
    setting, wanted, said = evidence.setting.analysis, jobs(evidence), terms()
    units = "nats" if said.has_unit else "", "of the examples" if said.is_share else ""
    barrier = "test-error barrier" if said.is_share else f"barrier in {said.error_name}"
    parts = []
    for treatment in treatments(evidence.lines[wanted[0]]):
        paths = {job.level: treatments(evidence.lines[job])[treatment] for job in wanted}
        losses = {level: barrier_if_any(path.train_loss) for level, path in paths.items()}
        errors = {level: barrier_if_any(path.test_error) for level, path in paths.items()}
        parts.append(
            f"with BatchNorm statistics {_HOW[treatment]}, "
            f"{_count_above(losses, setting.loss_margin, 'loss barrier', units[0])}, and "
            f"{_count_above(errors, setting.error_margin, barrier, units[1])}"
        )
    text = sentence(parts)
    return text[:1].upper() + text[1:]


_HOW = {STORED: "interpolated", ANEW: "estimated anew"}


def _count_above(barriers: dict[int, float | None], margin: float, noun: str, unit: str) -> str:
    exist = [height for height in barriers.values() if height is not None]
    text = f"{sum(height >= margin for height in exist)} of {count(exist, 'pair')} have a {noun} of at least "
    text += f"{rounded(margin)} {unit}".rstrip()
    if exist:
        text += f" (from {rounded(min(exist))} to {rounded(max(exist))})"
    missing = [level for level, height in barriers.items() if height is None]
    return f"{text}, none is defined for {listed_levels(missing)} (not finite)" if missing else text


def _say_line(line: Line, margin: float) -> str:
    texts = []
    for treatment, path in treatments(line).items():
        loss, error = barrier_if_any(path.train_loss), barrier_if_any(path.test_error)
        if loss is None:
            text = "no loss barrier is defined (not finite)"
        else:
            verdict = "" if loss >= margin else ", which counts as none,"
            text = f"loss barrier {terms().of_loss(rounded(loss))}{verdict}"
        if error is not None:
            said = terms()
            noun = "test-error barrier" if said.is_share else f"one in {said.error_name} of"
            text += f" and {noun} {rounded(said.scale * error)}{' percentage points' * said.is_share}"
        texts.append(f"{text} (BatchNorm statistics {_HOW[treatment]})" if line.anew is not None else text)
    return ", ".join(texts)


def line_numbers(jobs: Jobs, evidence: Evidence) -> Table:
    """Return every point of every line, with the barriers of the line it is on."""
    rows: list[tuple[Cell, ...]] = []
    for job in jobs(evidence):
        for treatment, path in treatments(evidence.lines[job]).items():
            finite = bool(np.isfinite(path.train_loss).all())
            heights = (
                barrier_if_any(path.train_loss),
                barrier_over_mean(path.train_loss) if finite else None,
                barrier_if_any(path.test_error),
            )
            columns = (path.alphas, path.train_loss, path.train_error, path.test_loss, path.test_error)
            rows += [
                (job.start.symbol, job.end.symbol, treatment, *map(float, point), *heights)
                for point in zip(*columns, strict=True)
            ]
    headings = ("start", "end", "batchnorm_statistics", "alpha", "train_loss", "train_error", "test_loss")
    barriers = ("barrier_train_loss", "barrier_over_mean_train_loss", "barrier_test_error")
    return Table((*headings, "test_error", *barriers), tuple(rows))


def draw_lines(jobs: Jobs, evidences: Sequence[Evidence]) -> Figure:
    """Draw training loss and test error over α with their chords; the legend gives the barriers.

    The loss is logarithmic if it spans over a decade. A path with points that are not finite has gaps, and
    the legend counts those points in place of a barrier. Of several seeds there are no chords, and the legend
    gives the mean barrier with its standard deviation, of the seeds that have one.
    """
    wanted = jobs(evidences[0])
    figure, panels = _pages(len(wanted))
    dotted = " (dotted)" if len(evidences) == 1 else ""
    title = f"Training loss and {terms().error_name} on straight lines, with barriers above the chord{dotted}"
    if len(evidences) == 1 and terms().is_counted:
        title += "\nShaded: binomial interval of 95 % of an error that was counted"
    if any(evidences[0].lines[job].anew is not None for job in wanted):
        title += "\nBatchNorm statistics interpolated like the weights, or estimated anew at each point"
    head(figure, title)
    loss = next(iter(panels))
    for quantity, axes_of_lines in panels.items():
        for axes, job in zip(axes_of_lines, wanted, strict=True):
            _draw_line(axes, [evidence.lines[job] for evidence in evidences], quantity, quantity is loss)
            axes.set_xticks([0, 0.5, 1], [job.start.symbol, "0.5", job.end.symbol])
            legend_above(axes, line_name(job))
    explain_seeds(figure, evidences)
    return figure


def _pages(count: int) -> tuple[Figure, dict[Quantity, list[Axes]]]:
    """Return a figure with a panel for each line and quantity: in rows if they are few, else in two blocks."""
    if count <= 2:
        figure = new_figure(TWO_COLUMNS, 0.4 + 2.8 * count)
        cells = figure.subplots(count, 2, squeeze=False)
        panels = {quantity: list(cells[:, column]) for column, quantity in enumerate(loss_and_error())}
        for quantity, column in panels.items():
            for axes in column:
                dress_panel(axes)
                axes.set_xlabel("position α", fontsize=TEXT_SIZE)
                axes.set_ylabel(quantity.axis, fontsize=TEXT_SIZE)
    else:
        shape = rows, columns = grid_shape(count)
        figure = new_figure(TWO_COLUMNS, 2 * rows * panel_height(2 * rows, columns) + 0.5)
        upper, lower = figure.subfigures(2, 1, squeeze=False)[:, 0]
        panels = {
            quantity: fill_grid(page, shape, count, x="position α", y=quantity.axis, share_y=False)
            for quantity, page in zip(loss_and_error(), (upper, lower), strict=True)
        }
    return figure, panels


def _draw_line(axes: Axes, lines: Sequence[Line], quantity: Quantity, is_loss: bool) -> None:
    """Draw the same line of each seed."""
    seeds = [{name: quantity.values(path) for name, path in treatments(line).items()} for line in lines]
    together = np.concatenate([values for paths in seeds for values in paths.values()])
    if is_loss and spans_a_decade(together):
        use_log_y(axes)
    else:
        axes.ticklabel_format(axis="y", useOffset=False)
        if (limits := value_limits(together)) is not None:
            axes.set_ylim(limits)
    if len(lines) > 1:
        for name in seeds[0]:
            values = np.array([paths[name] for paths in seeds])
            heights = [barrier_if_any(row) for row in values]
            prefix = f"{name}: " if len(seeds[0]) > 1 else ""
            text = f"{prefix}barrier {mean_and_deviation(heights)} {quantity.barrier_unit}".rstrip()
            look = Appearance(TREATMENT_COLOURS[name], TREATMENT_MARKERS[name])
            draw_band(axes, lines[0].stored.alphas, values, look, text, size=2.8)
    else:
        _draw_alone(axes, lines[0], seeds[0], quantity, is_loss)


def _draw_alone(
    axes: Axes, line: Line, paths: Mapping[str, np.ndarray], quantity: Quantity, is_loss: bool
) -> None:
    for name, values in paths.items():
        if terms().is_counted and not is_loss:
            _draw_interval(axes, line.stored.alphas, values, TREATMENT_COLOURS[name])
        prefix = f"{name}: " if line.anew is not None else ""
        axes.plot(
            line.stored.alphas,
            np.where(np.isfinite(values), values, np.nan),
            color=TREATMENT_COLOURS[name],
            marker=TREATMENT_MARKERS[name],
            markersize=2.8,
            linewidth=1.2,
            label=prefix + _barrier_text(values, quantity),
        )
        ends = values[[0, -1]]
        if np.isfinite(ends).all():
            chord = (1 - line.stored.alphas) * ends[0] + line.stored.alphas * ends[1]
            axes.plot(
                line.stored.alphas,
                chord,
                color=TREATMENT_COLOURS[name],
                linestyle=":",
                linewidth=0.9,
                label="_chord",
            )


def _draw_interval(axes: Axes, alphas: np.ndarray, errors: np.ndarray, colour: str) -> None:
    """Draw the binomial interval of 95 % of errors in per cent, where they were counted."""
    examples = num_examples(errors / 100)
    intervals = [interval_if_any(float(error) / 100, examples) for error in errors]
    known = [interval for interval in intervals if interval is not None]
    if len(known) == len(intervals):
        low, high = 100 * np.array(known).T
        axes.fill_between(alphas, low, high, color=colour, alpha=0.12, linewidth=0, label="_interval")


def _barrier_text(values: np.ndarray, quantity: Quantity) -> str:
    height = barrier_if_any(values)
    if height is None:
        return f"no barrier, {int((~np.isfinite(values)).sum())} of {len(values)} not finite"
    return f"barrier {height:.3g} {quantity.barrier_unit}".rstrip()


def _draw_one(jobs: Jobs, evidence: Evidence) -> Figure:
    return draw_lines(jobs, [evidence])


LINES = Template(say_barriers, line_numbers, _draw_one, draw_lines)  # the loss and the error, two panels a line
SUCCESSIVE_LINES = Template(
    say_successive_barriers, line_numbers, _draw_one, draw_lines
)  # barriers counted over the levels
