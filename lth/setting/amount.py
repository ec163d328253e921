"""How many examples to draw: a number (`500`), a fraction (`0.1`) or `all`."""

from __future__ import annotations

from dataclasses import dataclass

from lth.errors import InputError
from lth.setting.numeral import parse_number, parse_whole


@dataclass(frozen=True)
class Amount:
    """A number of examples, a fraction of them in (0, 1], or all; exactly as it was written."""

    value: int | float | None  # None: all of them

    def __post_init__(self) -> None:
        value = self.value
        if value is None:
            return
        if isinstance(value, float) and not 0 < value <= 1:
            raise InputError(f"a fraction of examples lies in (0, 1], got {value}; write 0.1, 500 or all")
        if isinstance(value, int) and value < 1:
            raise InputError(f"a number of examples is at least 1, got {value}; write 0.1, 500 or all")

    @classmethod
    def parse(cls, written: str | int | float | Amount) -> Amount:
        """Read `all`, a whole number, or a number with a point as a fraction (`1.0` is all, `1` is one).

        Raises:
            ValueError: If `written` is none of them or out of range.
        """
        if isinstance(written, Amount):
            return written
        text = str(written).strip()
        if text == "all":
            return cls(None)
        for parse in (parse_whole, parse_number):
            try:
                value = parse(text)
            except ValueError:
                continue
            return cls(value)
        raise InputError(f"{written!r} is not an amount of examples; write a number, a fraction or `all`")

    def of(self, total: int) -> int:
        """Return how many of `total` examples this is, at least one.

        Raises:
            ValueError: If it asks for more than there are.
        """
        if self.value is None:
            return total
        if isinstance(self.value, float):
            return max(1, round(self.value * total))
        if self.value > total:
            raise InputError(f"{self.value} examples were asked for, but there are {total}; write `all`")
        return self.value

    def __str__(self) -> str:
        return "all" if self.value is None else str(self.value)


ALL = Amount(None)
