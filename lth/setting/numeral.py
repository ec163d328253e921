"""Numbers as users write them: in ASCII digits, and nothing that only Python takes (`1_000`, `٣`)."""

from __future__ import annotations

import re

from lth.errors import InputError

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def parse_whole(written: str) -> int:
    """Return the whole number that is written.

    Raises:
        ValueError: If it is none, or has more than 18 digits.
    """
    text = written.strip()
    if not _WHOLE.fullmatch(text):
        raise InputError("expected a whole number")
    return int(text)


def parse_number(written: str) -> float:
    """Return the number that is written, which may be `inf` or `nan`.

    Raises:
        ValueError: If it is none.
    """
    text = written.strip()
    if "_" in text or not text.isascii():
        raise InputError("expected a number")
    try:
        return float(text)
    except ValueError:
        raise InputError("expected a number") from None
