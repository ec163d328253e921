"""Progress bars for work of more than two seconds; silent where nobody is watching a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], label: str, *, total: int | None = None, initial: int = 0) -> tqdm[T]:
    """Return `items` with a bar on standard error that appears after two seconds, on a terminal only.

    `initial` items were done before.
    """
    return tqdm(
        items, desc=label, total=total, initial=initial, delay=2, disable=None, leave=False, dynamic_ncols=True
    )
