"""Progress of work that takes more than two seconds: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

_DELAY = 2.0  # seconds before a bar appears
_LINE_EVERY = 60.0  # seconds
_LINE = "  {desc}: {n_fmt} of {total_fmt}{unit}s, {elapsed} gone, {remaining} to go{postfix}"
_LINE_WITHOUT_END = "  {desc}: {n_fmt}{unit}s, {elapsed} gone{postfix}"


class _Bar(tqdm):  # type: ignore[misc]
    """A bar that can be thrown away half built, as Ctrl-C leaves it; tqdm's own prints a traceback then."""

    def close(self) -> None:
        """Wipe the bar out, if it was ever whole."""
        if hasattr(self, "start_t"):  # the last that is built
            super().close()


class _Lines(_Bar):
    """A bar that is a line of its own whenever it is drawn, as a log wants it."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:  # noqa: ARG002
        """Write the line; there is nothing to wipe out when the work is done."""
        if msg is not None:
            return False
        self.fp.write(f"{self}\n")
        self.fp.flush()
        return True


def progress(
    items: Iterable[T] | None, label: str, *, total: int | None = None, initial: int = 0, unit: str = "step"
) -> tqdm[T]:
    """Return `items` with a bar on standard error after two seconds; if that is no terminal, a line a minute.

    What is known of the work so far is shown behind it: `set_postfix_str` of what is returned.

    Args:
        items: What is gone through; None where what is returned is told by `update()`.
        label: What is done.
        total: How many items there are, where they don't tell; unknown if neither does.
        initial: How many were done before.
        unit: What an item is.
    """
    common: dict[str, Any] = {"desc": label, "total": total, "initial": initial, "unit": f" {unit}"}
    if sys.stderr.isatty():
        return _Bar(items, **common, delay=_DELAY, leave=False, dynamic_ncols=True)
    lines = _Lines(items, **common, delay=_LINE_EVERY, mininterval=_LINE_EVERY, miniters=1, leave=False)
    lines.bar_format = _LINE_WITHOUT_END if lines.total is None else _LINE
    return lines
