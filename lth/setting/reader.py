"""From what a user wrote to the value of a parameter, and back: each kind of value has a reader."""

from __future__ import annotations

import math

from lth.errors import InputError
from lth.setting.amount import Amount
from lth.setting.numeral import parse_number, parse_whole
from lth.setting.step import Step


class Size(tuple[int, ...]):
    """(width, height), written 64x48, or nothing, written none."""

    def __str__(self) -> str:
        return "x".join(map(str, self)) or "none"


def whole(written: object) -> int:
    """Read a whole number."""
    return parse_whole(str(written))


def seed(written: object) -> int:
    """Read one seed, and say of several where they go."""
    if "," in str(written):
        raise InputError("one seed is expected; several are given as seeds, to study and report")
    return whole(written)


def number(written: object) -> float:
    """Read a finite number."""
    value = parse_number(str(written))
    if not math.isfinite(value):
        raise InputError("expected a finite number")
    return value


def last_or_number(written: object) -> float | None:
    """Read `last`, which is None, or a finite number."""
    return None if written is None or str(written).strip() == "last" else number(written)


def number_or_none(written: object) -> float:
    """Read a finite number, or `none`, which is infinity: no bound."""
    return math.inf if str(written).strip() in ("none", "inf") else number(written)


def pair(written: object) -> tuple[float, ...]:
    """Read two finite numbers."""
    values = tuple(map(number, _listed(written)))
    if len(values) != 2:
        raise InputError(f"expected two numbers such as 0.9,0.999, got {len(values)}")
    return values


def numbers(written: object) -> tuple[float, ...]:
    """Read one or several finite numbers."""
    return tuple(map(number, _listed(written)))


def size(written: object) -> Size:
    """Read `64` or `64x48` as (width, height); `none` is empty."""
    said = str(written).strip() if not isinstance(written, tuple) else str(Size(written))
    if said == "none":
        return Size()
    sides = [parse_whole(side) for side in said.split("x")]
    if len(sides) > 2:
        raise InputError("expected one side or two, such as 64 or 64x48")
    return Size((sides[0], sides[-1]))


def text(written: object) -> str:
    """Read a name."""
    name = str(written).strip()
    if not name or not name.isprintable():
        raise InputError("expected a name")
    return name


def step(written: object) -> Step:
    """Read iterations or epochs."""
    return Step.parse(str(written))


def steps(written: object) -> tuple[Step, ...]:
    """Read a list of iterations or epochs."""
    return tuple(map(Step.parse, _listed(written)))


def names(written: object) -> tuple[str, ...]:
    """Read a list of names."""
    return tuple(map(text, _listed(written)))


def amount(written: object) -> Amount:
    """Read a number of examples, a share of them, or all."""
    return Amount.parse(str(written))


def _listed(written: object) -> list[str]:
    """Return the parts of a list; `none` is the empty one."""
    if isinstance(written, tuple | list):
        return list(map(str, written))
    if not str(written).strip():
        raise InputError("expected a list such as a,b, or none")
    return [] if str(written).strip() == "none" else str(written).split(",")


def spell(value: object) -> str:
    """Return a value as a user would type it."""
    if isinstance(value, tuple) and not isinstance(value, Size):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, float) and math.isinf(value):
        return "none"
    return "last" if value is None else str(value)
