"""From what a user wrote to the value of a parameter, and back: each kind of value has a reader."""

from __future__ import annotations

import math

from lth.errors import InputError
from lth.setting.amount import Amount
from lth.setting.numeral import parse_number, parse_whole
from lth.setting.step import Step


def whole(written: object) -> int:
    """Read a whole number."""
    return parse_whole(str(written))


def seed(written: object) -> int:
    """Read one seed, and say of several where they go."""
    try:
        return parse_whole(str(written))
    except ValueError as error:
        if "," in str(written):
            raise InputError(f"{error}; several are given as seeds, to study and report") from error
        raise


def number(written: object) -> float:
    """Read a finite number."""
    value = parse_number(str(written))
    if not math.isfinite(value):
        raise InputError("expected a finite number")
    return value


def last_or_number(written: object) -> float | None:
    """Read `last`, which is None, or a finite number."""
    return None if written is None or str(written).strip() == "last" else number(written)


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
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "last" if value is None else str(value)
