"""Several seeds in writing: `0,1,2`, or `0-19` for all from the first to the last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from lth.errors import InputError

_PART = re.compile(r"(\d+)(?:\s*-\s*(\d+))?", re.ASCII)
_MOST = 1000  # a typing error should not be that many studies


def parse_seeds(written: str | Sequence[int]) -> list[str]:
    """Read seeds, which stay in the order they are written in.

    Raises:
        InputError: If it is no list of different whole numbers, or of more than a thousand.

    Example:
        >>> parse_seeds("7,0-3")
        ['7', '0', '1', '2', '3']
    """
    several = isinstance(written, Sequence) and not isinstance(written, str)
    text = ",".join(map(str, written)) if several else str(written)
    seeds: list[int] = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise InputError(f"seeds={text!r} are not whole numbers; write 0,1,2 or 0-2")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InputError(f"seeds={text!r} go down from {first} to {last}; write {last}-{first}")
        if len(seeds) + last - first >= _MOST:
            raise InputError(f"seeds={text!r} are more than {_MOST:,}; give fewer at once")
        seeds.extend(range(first, last + 1))
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise InputError(f"seeds={text!r} names seed {twice} twice; give each once")
    return list(map(str, seeds))


def written_seeds(seeds: Sequence[int]) -> str:
    """Write seeds so that they are read back as they are, three or more in a row as a range.

    Example:
        >>> written_seeds([0, 1, 2, 3, 7, 9, 10])
        '0-3,7,9,10'
    """
    parts = []
    for _, group in groupby(enumerate(seeds), key=lambda pair: pair[1] - pair[0]):
        run = [seed for _, seed in group]
        parts.append(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)))
    return ",".join(parts)
