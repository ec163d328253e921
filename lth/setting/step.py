"""A position in training, in the unit its author wrote it in: iterations `500`, epochs `2ep` or a share `50%`.

Units cannot be mixed by accident: a `Step` becomes a number of iterations only when the number of iterations
that an epoch and the whole training have is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lth.errors import InputError

_WRITTEN = re.compile(r"(\d{1,12})\s*(ep|it)?|(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)


@dataclass(frozen=True, order=False)
class Step:
    """A count of iterations or of epochs, at least zero, or a share of the training, below all of it.

    Example:
        >>> Step.parse("50%").iterations(iterations_per_epoch=10, epochs=3)
        15
    """

    count: int | Decimal  # of a share, its percentage as it was written
    unit: Literal["it", "ep", "%"] = "it"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputError(f"a step must not be negative, got {self.count}; write 0, `500`, `2ep` or `50%`")
        if self.unit == "%" and self.count >= 100:
            raise InputError(f"{self} is not before the end of training; write a share below 100%")

    @classmethod
    def parse(cls, written: str | int | Step) -> Step:
        """Read `500` or `500it` as iterations, `2ep` as epochs and `50%` as a share of the training.

        Raises:
            ValueError: If `written` is anything else.
        """
        if isinstance(written, Step):
            return written
        match = _WRITTEN.fullmatch(str(written).strip())
        if match is None:
            raise InputError(
                f"{written!r} is not a step; write iterations as `500` or epochs as `2ep`, "
                "or a share of the training as `50%`"
            )
        if match[3] is not None:
            return cls(Decimal(match[3]), "%")
        return cls(int(match[1]), "ep" if match[2] == "ep" else "it")

    def of(self, epochs: int) -> Step:
        """Return this position in a training of so many epochs: a share as the end of the epoch that it means.

        That is the nearest one, where it is within half of the last digit that was written: `77%` of 30 epochs
        is 23ep, which is 76.7 %. A share that means none stays one.

        Example:
            >>> [str(Step.parse("77%").of(epochs)) for epochs in (30, 4)]
            ['23ep', '77%']
        """
        if self.unit != "%":
            return self
        percentage = Decimal(self.count)
        exact = percentage * epochs / 100
        nearest = exact.to_integral_value()
        half = Decimal(5).scaleb(int(percentage.as_tuple().exponent) - 1)  # of the last digit
        is_meant = 0 < nearest < epochs and abs(exact - nearest) < half * epochs / 100
        return Step(int(nearest), "ep") if is_meant else self

    def iterations(self, iterations_per_epoch: int, epochs: int) -> int:
        """Return this position as a number of iterations, in a training of so many epochs."""
        meant = self.of(epochs)
        if meant.unit == "%":
            return int((Decimal(meant.count) * epochs * iterations_per_epoch / 100).to_integral_value())
        return int(meant.count) * (iterations_per_epoch if meant.unit == "ep" else 1)

    def __str__(self) -> str:
        return str(self.count) if self.unit == "it" else f"{self.count}{self.unit}"
