"""The content key of every task of a study: what determines its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from lth.plan.computing import Computing
from lth.plan.former_keys import FormerKeys
from lth.plan.jobs import Job, Measure, places_of, study_jobs
from lth.plan.place import Beside, OtherDense, Place
from lth.setting.network import NetworkSpec
from lth.setting.parameter import BY_NAME, Result, Rewind
from lth.setting.setting import Setting, spelled, with_overrides

# A change of the algorithms that changes results under the same parameters must raise this.
ALGORITHM_VERSION = 2  # 1, which hashed human words and `auto`: `former_keys.py`

# Counts the changes of how a measurement is taken that change its numbers.
_METHOD: dict[Measure, int] = {"spectra": 2}  # 2: a larger basis, which deflates the trace

_RESTS_ON: dict[Measure, Measure] = {
    "subspaces": "spectra",
    "parts": "spectra",
    "forecast": "spectra",
    "volume": "spectra",
    "layers": "spectra",
}  # whose method decides its numbers, too

_CHANGES_NO_RESULT: frozenset[Result] = frozenset({"plan", "report"})  # what decides these alone
_STEPS = ("milestones", "rewind_step")  # which version 1 knew as epochs or iterations alone
_EVERY_TRAINING: tuple[Result, ...] = ("solutions", "sparse", "fine_tune")
# Which state a study rewinds to, how its chain does, and what it keeps on the way is nothing to trainings
# beside it, but for one that is rewound itself; a mask that depends on them names its parent.
_OF_THE_CHAIN = frozenset({"rewind_step", "rewind", "trajectory"})


def content_key(content: Mapping[str, object]) -> str:
    """Return the SHA-256 of `content` as canonical JSON, 64 hexadecimal digits.

    Raises:
        TypeError: If `content` holds something that JSON cannot write.
        ValueError: If it holds a NaN or an infinity.
    """
    text = json.dumps(
        {"algorithm_version": ALGORITHM_VERSION, **content},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def results_of(place: Place, rewind: Rewind) -> tuple[Result, ...]:
    """Return under which names of results the parameters that decide a solution are declared."""
    sparse: tuple[Result, ...] = ("sparse",) if place.level > 0 else ()
    is_tuned = place.kind == "fine_tune" or (place.kind == "imp" and place.level > 0 and rewind == "none")
    tuned: tuple[Result, ...] = ("fine_tune",) if is_tuned else ()
    own: tuple[Result, ...] = ("own_method",) if place.kind == "own_method" else ()
    return ("solutions", *sparse, *tuned, *own)


def entering(written: Mapping[str, str], version: int = ALGORITHM_VERSION) -> dict[str, str]:
    """Return those of the parameters that enter a key of this version.

    One that is younger than the version enters only where its value is not what was done before it.
    """
    return {
        name: value
        for name, value in written.items()
        if BY_NAME[name].since <= version or value != BY_NAME[name].unspoken
    }


@dataclass(frozen=True)
class TaskKeys:
    """Keys under one setting, data set and network.

    Where a file lies, which device computes and how many levels are wanted do not enter: they do not
    determine a result (a device changes only its rounding).
    """

    setting: Setting  # as it was asked for
    spec: NetworkSpec
    data_digest: str
    computing: Computing  # what `auto` comes to
    network_code: str | None = None  # digest of the user's own code; None for a network of ours
    given: tuple[str, ...] = ()  # keys of w(0), w(1), … that are taken from elsewhere
    former_network_code: str | None = None  # the same as version 1 took it
    coordinates: Mapping[str, Sequence[str]] | None = (
        None  # what is prunable and frozen, if not what it always was
    )
    codes: Mapping[str, str] = field(default_factory=dict)  # of the user's own functions, by parameter

    @cached_property
    def resolved(self) -> Setting:
        """The setting without an `auto`."""
        return with_overrides(self.setting, self.computing.written())

    @property
    def former(self) -> FormerKeys | None:
        """The keys of version 1; None where it had nothing like this setting, or took other coordinates."""
        if self.coordinates is not None:
            return None
        every = spelled(self.setting)
        entered = map(BY_NAME.__getitem__, set(entering(every, version=1)) - {"vectors"})  # see `knew`
        if any(row.since > 1 and not _CHANGES_NO_RESULT.issuperset(row.decides) for row in entered):
            return None
        code = self.former_network_code
        asked = with_overrides(self.setting, {name: every[name] for name in _STEPS})
        return FormerKeys(asked, self.spec, self.data_digest, code, self.given)

    def solution(self, place: Place) -> str:
        """Return the key of a solution; the level before is its parent."""
        if place.kind == "imp" and place.level < len(self.given):
            return self.given[place.level]
        parent = self.solution(Place.imp(place.level - 1)) if place.level > 0 else None
        results = results_of(place, self.setting.pruning.rewind)
        content = {**asdict(place), "parent": parent}
        if isinstance(place, Beside):
            without = _OF_THE_CHAIN - {"rewind_step"} if isinstance(place, OtherDense) else _OF_THE_CHAIN
            return self._keyed("solution", results, content, without=without)
        return self._key("solution", *results, **content)

    def ancestors(self, level: int) -> tuple[str, ...]:
        """Return the keys of w(0), …, w(level-1)."""
        return tuple(self.solution(Place.imp(lower)) for lower in range(level))

    def measurement(self, job: Job) -> str:
        """Return the key of a measurement: its solutions, and what it was measured with."""
        return self._key(
            "measurement",
            job.measure,
            job={**asdict(job), "measure": job.measure},
            solutions=[{**asdict(place), "key": self.solution(place)} for place in job.needs],
            method=_METHOD.get(job.measure, 1),
            **({"rests_on": _METHOD[_RESTS_ON[job.measure]]} if job.measure in _RESTS_ON else {}),
        )

    def analysis(self, level: int, jobs: Sequence[Job]) -> str:
        """Return the key of what is known of a level from these measurements."""
        return self._key("analysis", "analysis", level=level, jobs=[self.measurement(job) for job in jobs])

    def measurements(self) -> str:
        """Return the key of the run that all measurements of the study are shown under."""
        return content_key({"task": "measurements", "study": self.study()})

    def evidence(self) -> str:
        """Return the key of everything a study of this setting finds, down to its last level."""
        last, analysis = self.setting.pruning.levels, self.setting.analysis
        content = {
            "task": "evidence",
            "solutions": [self.solution(place) for place in places_of(last, analysis)],
            "jobs": [self.measurement(job) for job in study_jobs(last, analysis)],
            "parameters": entering(spelled(self.resolved)),  # all of them: a report prints them
        }
        return content_key(content)

    def study(self) -> str:
        """Return the key of the study as a whole, the parent of all its runs."""
        return self._key("study", *_EVERY_TRAINING, given=list(self.given))

    def stability(self) -> str:
        """Return the key of the run that all is shown under by which the study's stability is told."""
        return content_key({"task": "stability of a study", "study": self.study()})

    def _key(self, task: str, *results: Result, **content: object) -> str:
        """Return the key of a task whose result depends on the content and on what decides the results."""
        return self._keyed(task, results, content)

    def _keyed(
        self,
        task: str,
        results: Sequence[Result],
        content: Mapping[str, object],
        without: Set[str] = frozenset(),
    ) -> str:
        """Return the same, which some of the parameters that decide the results do not enter."""
        codes = {what: code for what, code in self.codes.items() if what != "own_method" or what in results}
        problem: dict[str, Any] = {
            "network": self.spec.as_json(),
            "network_code": self.network_code,
            "data_digest": self.data_digest,
            **({"codes": codes} if codes else {}),
            **({} if self.coordinates is None else {"coordinates": dict(self.coordinates)}),
        }
        written = spelled(self.resolved, *results)
        parameters = entering({name: value for name, value in written.items() if name not in without})
        return content_key({"task": task, **content, "problem": problem, "parameters": parameters})
