"""What became of files that were read: which were passed over, and which hold more than was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Reading:
    """Files by what became of them, each a path from the folder that was read."""

    passed_over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by reason
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # read, but: by what there is to know


def shown(name: object) -> str:
    r"""Return the name of a file as it can be printed on one line, whatever bytes it is made of.

    Example:
        >>> shown("a\nb\udcff.png")
        'a\\nb\\udcff.png'
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(name))


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return files by reason, from pairs of a reason and a file.

    Example:
        >>> grouped([("hidden", "a/.x"), ("hidden", "b/.x")])
        {'hidden': ('a/.x', 'b/.x')}
    """
    groups: dict[str, list[str]] = {}
    for reason, name in pairs:
        groups.setdefault(reason, []).append(name)
    return {reason: tuple(names) for reason, names in groups.items()}


def listed(names: Iterable[object], most: int = 5, separator: str = ", ") -> str:
    """Return the first names of a list, and how many more there are.

    Example:
        >>> listed("abcd", 2)
        'a, b and 2 more'
    """
    every = [shown(name) for name in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return separator.join(every[:most]) + more
