"""Which figures and tables of a report are wanted, as a user writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lth.errors import InputError
from lth.report.exhibit import EVERY, Exhibit
from lth.setting.choice import value_hint

_NUMBER = re.compile(r"(?:fig(?:ure)?[. _-]*)?0*(\d+)")
_TABLE = re.compile(r"table[. _-]*0*(\w+)")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_FILE = re.compile(r"(fig|table)0*(\d+)_")


def parse_figures(written: str) -> tuple[Exhibit, ...]:
    """Read `5,12`, `table1` or `beyond_trace`; they come in the order of the report, each once.

    A table is named by its number, also in Roman numerals, as the paper does; whatever there is, by the name of
    its file or by the beginning of that.

    Raises:
        ValueError: If one is unknown, or none is named.

    Example:
        >>> [exhibit.file for exhibit in parse_figures("12, table I, 3")]
        ['fig03_travel', 'table1_projection', 'fig12_lines_successive']
    """
    wanted = {file for part in written.split(",") if part.strip() for file in _files(part.strip(), EVERY)}
    if not wanted:
        raise InputError(f"figures={written!r} names none; write some of the paper's, such as 5,12,table1")
    return tuple(exhibit for exhibit in EVERY if exhibit.file in wanted)


def _files(name: str, every: Sequence[Exhibit]) -> list[str]:
    files = [exhibit.file for exhibit in every]
    plain = name.lower()
    if number := _NUMBER.fullmatch(plain):
        found = [file for file in files if _is(file, "fig", number[1])]
    elif table := _TABLE.fullmatch(plain):
        number_of = str(_ROMAN.index(table[1]) + 1) if table[1] in _ROMAN else table[1]
        found = [file for file in files if _is(file, "table", number_of)]
    else:
        found = []
    found = found or [file for file in files if file.startswith((plain, f"beyond_{plain}"))]
    if not found:
        known = [*map(_short, files)]
        raise InputError(f"figures={name!r} is unknown; there are {', '.join(known)}{value_hint(name, known)}")
    return found


def _is(file: str, kind: str, number: str) -> bool:
    match = _FILE.match(file)
    return match is not None and match[1] == kind and number.isdigit() and int(match[2]) == int(number)


def _short(file: str) -> str:
    """Return the shortest name of an exhibit: `5`, `table1`, `beyond_trace`."""
    match = _FILE.match(file)
    if match is None:
        return file
    return f"{'' if match[1] == 'fig' else match[1]}{int(match[2])}"
