"""What the stability of a training looks like as an MLflow run: figure, tables, and the rewind step to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lth.evidence.certainty import Estimate
from lth.evidence.stability import Smallest, Stability, between, pair_table, summary_table
from lth.evidence.table import aligned, markdown
from lth.plan.place import Place
from lth.plan.stability import Probe
from lth.report.figure.stability import draw_stability
from lth.setting.door import command_line
from lth.setting.terms import terms
from lth.solution.problem import Problem
from lth.study.record.solution import log_setting
from lth.tracking.run import RunLog

FIGURE, TABLE = "stability.png", "stability.csv"
_MORE_SEEDS = "0,1,2"


@dataclass(frozen=True)
class Asked:
    """What was asked for, as a user writes it.

    Args:
        title: What is studied.
        probe: From which states copies are trained, and how many.
        spelled: Each step as it was written.
        epochs: Each step in epochs.
        end: The last step of the schedule.
        given: Parameters for a command that goes on, each `name=value`.
        seeds: In writing.
    """

    title: str
    probe: Probe
    spelled: Mapping[int, str]
    epochs: Mapping[int, float]
    end: int
    given: Sequence[str]
    seeds: str

    @property
    def own(self) -> list[str]:
        """What a command about stability is told besides, but for the steps."""
        levels = ",".join(map(str, self.probe.levels))
        return [f"levels={levels}", f"copies={self.probe.copies}"]


def log_stability(run: RunLog, problem: Problem, found: Stability, asked: Asked) -> None:
    """Log what lines between copies say: a figure, tables, metrics over the step, and a summary.

    Args:
        run: Of this stability.
        problem: Of the first seed.
        found: What the lines say.
        asked: What was asked for.
    """
    log_setting(run, problem, None, one_seed=len(found.seeds) == 1)
    said = {
        "seeds": asked.seeds,
        "steps": ",".join(asked.spelled.values()),
        "stability_levels": ",".join(map(str, asked.probe.levels)),
        "copies": str(asked.probe.copies),
    }
    run.params(said, {})
    run.figure(draw_stability(found, asked.epochs, f"Stability to SGD noise: {asked.title}"), FIGURE)
    table = summary_table(found, asked.epochs)
    run.file(TABLE, table.csv().encode())
    run.file("pairs.csv", pair_table(found).csv().encode())
    run.file("stability.md", f"{stability_note(found, asked)}\n".encode())
    for level in found.levels:
        for step in found.steps:
            run.metrics(_metrics(found, level, step), step)
        smallest = found.smallest(level)
        ends = (("", smallest.estimate), ("_low", smallest.low), ("_high", smallest.high))
        known = {f"stability/smallest_step{end}_level_{level}": step for end, step in ends if step is not None}
        run.metrics(known)
    if found.recommended is not None:
        run.metrics({"stability/rewind_step": found.recommended})
    run.note(stability_note(found, asked))


def _metrics(found: Stability, level: int, step: int) -> dict[str, float]:
    every = {
        "error_barrier": found.error_barrier(level, step),
        "loss_barrier": found.loss_barrier(level, step),
        "test_error": found.end_error(level, step),
    }
    return {
        f"stability/{name}_level_{level}": estimate.mean
        for name, estimate in every.items()
        if estimate.mean is not None and estimate.num_missing == 0
    }


def stability_note(found: Stability, asked: Asked) -> str:
    """Return the smallest stable step of each level, how sure it is, how to go on, and a table, as Markdown."""
    said = terms()
    margin = f"{said.scale * found.margin:g}{said.percent}"
    parts = [
        "\n".join(f"- {_told(found, level, asked)}" for level in found.levels),
        _going_on(found, asked),
        _rows(found, asked),
        _how(found, asked, margin),
    ]
    return "\n\n".join(filter(None, parts))


def _told(found: Stability, level: int, asked: Asked) -> str:
    """Return the smallest stable step under a level's mask, and its interval, as a sentence."""
    kept = "" if level == 0 else f" ({found.density(level):.1%} of weights)"
    name = f"**{Place.imp(level).name}**{kept}"
    smallest, last = found.smallest(level), found.steps[-1]
    if smallest.estimate is None:
        barrier = (
            f"at step {_step(last, asked)} the error barrier is {_shown(found.error_barrier(level, last))}"
        )
        text = f"{name} is stable from none of the candidates on: {barrier}{terms().percent}"
    else:
        text = f"{name} is stable from step {_step(smallest.estimate, asked)} on"
    text += f"; {_interval(found, smallest, asked)}"
    if found.has_batchnorm and (anew := found.smallest(level, "anew")).estimate != smallest.estimate:
        where = "none of the candidates" if anew.estimate is None else f"step {_step(anew.estimate, asked)}"
        text += f" With BatchNorm statistics estimated anew it would be {where}."
    return text


def _interval(found: Stability, smallest: Smallest, asked: Asked) -> str:
    if len(found.seeds) < 2:
        return f"how sure that is, one seed does not tell: `seeds={_MORE_SEEDS}`."
    unstable = max((step for step in found.steps if smallest.low is None or step < smallest.low), default=None)
    low = "shown to be unstable at none of the candidates"
    if unstable is not None:
        low = f"shown to be unstable at step {_step(unstable, asked)}"
    high = "shown to be stable from none on"
    if smallest.high is not None:
        high = f"shown to be stable from step {_step(smallest.high, asked)} on"
    return f"{low}, {high} (95 % each, {len(found.seeds)} seeds)."


def _going_on(found: Stability, asked: Asked) -> str:
    """Return lines to go on with: the rewind step, and candidates that would say it more closely."""
    lines, step = [], found.recommended
    seeds = [f"seeds={asked.seeds}"]
    if step is None:
        later = [f"{share}%" for share in (45, 60, 75) if asked.end * share > 100 * found.steps[-1]]
        if later:
            more = command_line("stability", *asked.given, *seeds, *asked.own, f"steps={','.join(later)}")
            lines.append(f"Later candidates: `{more}`")
        return "\n\n".join(lines)
    study = command_line("study", *asked.given, *seeds, f"rewind_step={asked.spelled[step]}")
    lines.append(f"To go on, **rewind_step={asked.spelled[step]}**: `{study}`")
    before = max((each for each in found.steps if each < step), default=None)
    if before is not None and (closer := between(before, step)):
        steps = ",".join([asked.spelled[before], *map(str, closer), asked.spelled[step]])
        more = command_line("stability", *asked.given, *seeds, *asked.own, f"steps={steps}")
        lines.append(f"More closely, between {before} and {step}: `{more}`")
    return "\n\n".join(lines)


def _rows(found: Stability, asked: Asked) -> str:
    said = terms()
    unit = f" ({said.short_error_unit})"
    headings = ["level", "step", "epoch", f"error barrier{unit}", said.loss_axis("loss barrier"), "verdict"]
    headings.insert(5, f"{said.error_axis} of the copies")
    if found.has_batchnorm:
        headings.insert(4, f"anew{unit}")
    cells = [headings]
    for level in found.levels:
        for step in found.steps:
            error, loss = found.error_barrier(level, step), found.loss_barrier(level, step)
            row = [str(level), str(step), f"{asked.epochs[step]:.3g}", _shown(error), _shown(loss, scale=1.0)]
            row += [_shown(found.end_error(level, step)), _verdict(found, level, step)]
            if found.has_batchnorm:
                row.insert(4, _shown(found.error_barrier(level, step, "anew")))
            cells.append(row)
    right = range(len(headings) - 1)
    rows = aligned(cells, right)
    return markdown(
        rows, ["-" * (len(cell) + 1) + ":" for cell in rows[0][:-1]] + ["-" * (len(rows[0][-1]) + 2)]
    )


def _verdict(found: Stability, level: int, step: int) -> str:
    barrier = found.error_barrier(level, step)
    if barrier.num_missing:
        return "unstable: a loss is not finite"
    if len(found.seeds) < 2 and barrier.mean is not None:
        return "below the margin" if barrier.mean < found.margin else "above the margin"
    return found.verdict(level, step)


def _how(found: Stability, asked: Asked, margin: str) -> str:
    """Return what was computed, in words."""
    said, lines = terms(), asked.probe.copies * (asked.probe.copies - 1) // 2
    pairs = "the line between them" if lines == 1 else f"the {lines} lines between them"
    text = (
        f"From each state {asked.probe.copies} copies were trained to the end under independent SGD noise; a "
        f"barrier is the maximum over {pairs} minus the mean of its ends"
        f"{'' if lines == 1 else ', and a seed has the mean over lines'}. Stable means: below {margin} of "
        f"{said.error_name} (error_margin; Frankle et al. 2020, arXiv 1912.05671, took 2 % of test error)."
    )
    if len(found.seeds) > 1:
        text += f" In brackets: the interval over {len(found.seeds)} seeds (Student's t, 95 % at each end)."
    if found.has_batchnorm:
        text += (
            " BatchNorm statistics are interpolated like the weights, as the verdict takes them, or estimated "
            "anew at each point."
        )
    if any(level > 0 for level in found.levels):
        text += " Masks are those of the study's own chain, which its rewind_step decides."
    return text


def _shown(estimate: Estimate, scale: float | None = None) -> str:
    factor = terms().scale if scale is None else scale
    if estimate.mean is None or estimate.num_missing:
        return "not finite"
    text = _digits(factor * estimate.mean)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{_digits(factor * max(estimate.low, 0.0))}, {_digits(factor * estimate.high)}]"


def _digits(value: float) -> str:
    """Return three significant digits."""
    return f"{value:.3g}"


def _step(step: int, asked: Asked) -> str:
    return f"{step} (epoch {asked.epochs[step]:.3g})"
