"""Which runs a number comes from, found by watching what its computation reads of the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from lth.evidence.evidence import Evidence
from lth.plan.jobs import CurvatureJob, DistanceJob, SurfaceJob, places, surface_job

Key = TypeVar("Key")
Value = TypeVar("Value")
Result = TypeVar("Result")


def watched(compute: Callable[[Evidence], Result], evidence: Evidence) -> tuple[Result, tuple[str, ...]]:
    """Return `compute(evidence)`, and the names of the solutions and jobs whose numbers it read, in order."""
    read: dict[str, None] = {}
    return compute(_Watched(evidence, read)), tuple(read)


class _Watched(Evidence):
    """The same evidence, noting the name of whatever is read."""

    def __init__(self, evidence: Evidence, read: dict[str, None]) -> None:
        super().__init__(
            setting=evidence.setting,
            last=evidence.last,
            attained=_Noting(evidence.attained, read, lambda place: place.name),
            curvature=_Noting(evidence.curvature, read, lambda point: CurvatureJob(point).name),
            radii=_Noting(evidence.radii, read, lambda job: job.name),
            lines=_Noting(evidence.lines, read, lambda job: job.name),
            surface=evidence.surface,
            distances=evidence.distances,
            travel=evidence.travel,
            runs=evidence.runs,
        )
        everywhere = tuple(places(evidence.last))
        distances = DistanceJob(everywhere).name
        surface = surface_job(evidence.last, evidence.setting.analysis)
        whole = {
            "surface": SurfaceJob(surface.corners, everywhere).name,
            "distances": distances,
            "travel": distances,
        }
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_read", read)

    def __getattribute__(self, name: str) -> Any:
        if name in ("surface", "distances", "travel") and "_read" in object.__getattribute__(self, "__dict__"):
            object.__getattribute__(self, "_read")[object.__getattribute__(self, "_whole")[name]] = None
        return object.__getattribute__(self, name)


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
