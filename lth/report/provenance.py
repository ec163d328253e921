"""Which runs a number comes from, found by noting what its computation reads of the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from lth.evidence.evidence import Evidence

Key = TypeVar("Key")
Value = TypeVar("Value")
Result = TypeVar("Result")


def watched(compute: Callable[[Evidence], Result], evidence: Evidence) -> tuple[Result, tuple[str, ...]]:
    """Return `compute(evidence)`, and the names of the solutions and jobs whose numbers it read, in order."""
    read: dict[str, None] = {}
    noting = replace(
        evidence,
        attained=_Noting(evidence.attained, read, lambda place: place.name),
        measured=_Noting(evidence.measured, read, lambda job: job.name),
    )
    return compute(noting), tuple(read)


class _Noting(Mapping[Key, Value]):
    """A mapping that notes what is read of it."""

    def __init__(
        self, content: Mapping[Key, Value], read: dict[str, None], name_of: Callable[[Key], str]
    ) -> None:
        self._content, self._read, self._name_of = content, read, name_of

    def __getitem__(self, key: Key) -> Value:
        value = self._content[key]
        self._read[self._name_of(key)] = None
        return value

    def __iter__(self) -> Iterator[Key]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __contains__(self, key: object) -> bool:
        return key in self._content  # asking whether something is there is not reading it
