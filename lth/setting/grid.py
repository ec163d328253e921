"""Several values of parameters, and the settings that they combine to: what a sweep is of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from lth.errors import InputError
from lth.setting import reader
from lth.setting.parameter import BY_NAME

_PRESET = "preset"
_LISTS = (reader.steps, reader.names, reader.numbers)  # read a value that has commas itself


def grid(given: Mapping[str, str]) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return which parameters have several values, and every combination of all, the last changing first.

    Values stand between commas, as `0.05,0.1`; those of a parameter which is a list itself between semicolons,
    as `80ep,120ep;60ep`. What is no parameter of a study has one value.

    Args:
        given: What a user wrote, by name.

    Raises:
        InputError: If no parameter has several values, or one has the same twice.

    Example:
        >>> grid({"lr": "0.05,0.1", "milestones": "2ep,4ep"})[1]
        [{'lr': '0.05', 'milestones': '2ep,4ep'}, {'lr': '0.1', 'milestones': '2ep,4ep'}]
    """
    values = {name: _values(name, written) for name, written in given.items()}
    swept = tuple(name for name, several in values.items() if len(several) > 1)
    if not swept:
        raise InputError(
            "nothing is swept: give a parameter several values, as lr=0.05,0.1; one that is a list itself as "
            "milestones='2ep;2ep,4ep'"
        )
    combined = itertools.product(*values.values())
    return swept, [dict(zip(values, combination, strict=True)) for combination in combined]


def _values(name: str, written: str) -> list[str]:
    row = BY_NAME.get(name)
    if row is None and name != _PRESET:
        return [written]
    is_list = row is not None and row.read in _LISTS
    separator = ";" if ";" in written or is_list else ","
    parts = [part.strip() for part in written.split(separator)]
    parsed = [part if row is None else row.parse(part) for part in parts]
    if any(value in parsed[:index] for index, value in enumerate(parsed)):
        raise InputError(f"{name}={written!r} names one value twice; name each once")
    return parts
