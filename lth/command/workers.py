"""How many processes share the tasks of a command, and what a person sees of them."""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lth.study.scheduler import Progress

_MOST = 256
_SHARE_DIGITS = 4  # of a part of a GPU, as far as Ray tells parts apart
_LINES_SHOWN = 8  # of workers
_REDRAW_SECONDS = 0.5
_QUIET_SECONDS = 30.0  # between two lines where nobody is watching


def parse(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """Read a number of processes; None for `auto`."""
    from lth.setting.numeral import parse_whole

    if value == "auto":
        return None
    try:
        count = parse_whole(value)
    except ValueError:
        count = 0
    if not 1 <= count <= _MOST:
        raise click.BadParameter(f"{value!r} is no number of processes; write auto, or 1 to {_MOST}")
    return count


def parse_retries(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """Read how often a task is gone on with whose process was lost."""
    from lth.setting.numeral import parse_whole

    try:
        times = parse_whole(value)
    except ValueError:
        times = -1
    if times < 0:
        raise click.BadParameter(f"{value!r} is no number of times; write a whole number, such as 3")
    return times


def parse_share(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """Read which part of a GPU a task gets."""
    from lth.setting.numeral import parse_number

    if value is None:
        return None
    try:
        share = parse_number(value)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1 or round(share, _SHARE_DIGITS) != share:
        raise click.BadParameter(f"{value!r} is no part of a GPU; write 1, 0.5 or 0.25")
    return share


class Table:
    """The tasks of a command: how many are done and wait, who is at which, and how long the rest takes.

    On a terminal it stands below the lines that are said, and is drawn anew; elsewhere it is one line now and
    then.

    Args:
        is_watched: Whether it is a terminal; by default what standard output is.
    """

    def __init__(self, *, is_watched: bool | None = None) -> None:
        self._is_watched = sys.stdout.isatty() if is_watched is None else is_watched
        self._drawn = 0  # lines
        self._last, self._shown = "", -_QUIET_SECONDS
        self._progress: Progress | None = None

    def say(self, line: str) -> None:
        """Say a line above the table."""
        self._erase()
        click.echo(line)
        self._draw()
        sys.stdout.flush()

    def show(self, progress: Progress) -> None:
        """Show how far the work is."""
        self._progress = progress
        now = time.monotonic()
        if self._is_watched:
            if now - self._shown >= _REDRAW_SECONDS:
                self._shown = now
                self._erase()
                self._draw()
                sys.stdout.flush()
        elif now - self._shown >= _QUIET_SECONDS and (line := heading(progress)) != self._last:
            self._last, self._shown = line, now
            click.echo(line)
            sys.stdout.flush()

    def close(self) -> None:
        """Take the table away."""
        self._erase()
        self._progress = None

    def _erase(self) -> None:
        if self._drawn:
            click.echo(f"\x1b[{self._drawn}F\x1b[J", nl=False, color=True)
            self._drawn = 0

    def _draw(self) -> None:
        if self._is_watched and self._progress is not None:
            width = shutil.get_terminal_size().columns - 1
            lines = [line[:width] for line in table(self._progress)]
            click.echo("\n".join(lines))
            self._drawn = len(lines)


def heading(progress: Progress) -> str:
    """Return the table's first line."""
    from lth.plan.rest import roughly

    counts = [
        f"{progress.done} of {progress.done + len(progress.unfinished) + progress.failed} tasks done",
        f"{len(progress.running)} running",
        f"{progress.elsewhere} at other commands" if progress.elsewhere else "",
        f"{progress.waiting} waiting",
        f"{progress.failed} failed or skipped" if progress.failed else "",
        f"{roughly(progress.rest)} left" if progress.rates.measured else "",
    ]
    return ", ".join(filter(None, counts))


def table(progress: Progress) -> list[str]:
    """Return the lines of the table."""
    from lth.plan.rest import duration

    now = time.monotonic()
    at = sorted(progress.running.items(), key=lambda item: _number(item[1][0]))
    lines = [f"  {by:<10} {duration(now - began):>6}  {task.name}" for task, (by, began) in at[:_LINES_SHOWN]]
    more = [f"  and {len(at) - _LINES_SHOWN} more"] if len(at) > _LINES_SHOWN else []
    return [heading(progress), *lines, *more]


def _number(worker: str) -> tuple[int, str]:
    return len(worker), worker
