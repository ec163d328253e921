"""A position in training, in the unit its author wrote it in: iterations (`500`) or epochs (`2ep`).

Epochs and iterations cannot be mixed by accident: a `Step` becomes a number of iterations only when the
number of iterations an epoch has is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lth.errors import InputError

_WRITTEN = re.compile(r"(\d{1,12})\s*(ep|it)?", re.ASCII)


@dataclass(frozen=True, order=False)
class Step:
    """A count of SGD iterations or of epochs, at least zero."""

    count: int
    unit: Literal["it", "ep"] = "it"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputError(f"a step must not be negative, got {self.count}; write 0, `500` or `2ep`")

    @classmethod
    def parse(cls, written: str | int | Step) -> Step:
        """Read `500` or `500it` as iterations and `2ep` as epochs.

        Raises:
            ValueError: If `written` is anything else.
        """
        if isinstance(written, Step):
            return written
        match = _WRITTEN.fullmatch(str(written).strip())
        if match is None:
            raise InputError(f"{written!r} is not a step; write iterations as `500` or epochs as `2ep`")
        return cls(int(match[1]), "ep" if match[2] == "ep" else "it")

    def iterations(self, iterations_per_epoch: int) -> int:
        """Return this position as a number of SGD iterations."""
        return self.count * iterations_per_epoch if self.unit == "ep" else self.count

    def __str__(self) -> str:
        return f"{self.count}ep" if self.unit == "ep" else str(self.count)
