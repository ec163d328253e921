"""The content key of every task of a study: what determines its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lth.plan.jobs import Job, Measure, places, study_jobs
from lth.plan.place import Place
from lth.setting.network import NetworkSpec
from lth.setting.parameter import of_stage
from lth.setting.setting import Setting, spelled

# A change of the algorithms that changes results under the same parameters must raise this.
ALGORITHM_VERSION = 1


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


# Counts the changes of how a measurement is taken that change its numbers.
_METHOD: dict[Measure, int] = {"spectra": 2}  # 2: a larger basis, which deflates the trace

# The parameters of AnalysisSetting that decide what a measurement finds.
_DECIDES: dict[Measure, tuple[str, ...]] = {
    "spectra": ("k", "hessian_examples", "trace_probes"),
    "density": ("hessian_examples", "density_probes", "density_steps"),
    "radii": ("directions", "hessian_examples", "cutoff_margin"),
    "lines": ("points",),
    "surface": ("hessian_examples", "grid"),
    "distances": (),
}


@dataclass(frozen=True)
class TaskKeys:
    """Keys under one setting, data set and network.

    Where a file lies, which device computes and how many levels are wanted do not enter: they do not
    determine a result (a device changes only its rounding).
    """

    setting: Setting
    spec: NetworkSpec
    data_digest: str
    network_code: str | None = None  # digest of the user's own code; None for a network of ours
    given: tuple[str, ...] = ()  # keys of w(0), w(1), … that are taken from elsewhere

    def solution(self, place: Place) -> str:
        """Return the key of a solution; the level before is its parent."""
        kind, level = place.kind, place.level
        if kind == "imp" and level < len(self.given):
            return self.given[level]
        training = self._training()
        if kind != "fine_tune":
            training = {name: value for name, value in training.items() if not name.startswith("fine_tune")}
        content: dict[str, Any] = {"task": kind, "level": level, **self._common(), "training": training}
        if level > 0:
            content["prune_fraction"] = str(self.setting.pruning.prune_fraction)
            content["parent"] = self.solution(Place.imp(level - 1))
        return content_key(content)

    def ancestors(self, level: int) -> tuple[str, ...]:
        """Return the keys of w(0), …, w(level-1)."""
        return tuple(self.solution(Place.imp(lower)) for lower in range(level))

    def measurement(self, job: Job) -> str:
        """Return the key of a measurement: its solutions, and what it was measured with."""
        content: dict[str, Any] = {
            "task": job.measure,
            "name": job.name,
            "solutions": {place.name: self.solution(place) for place in job.needs},
            "prune_fraction": str(self.setting.pruning.prune_fraction),  # sizes the next-larger band
            "analysis": self._analysis(*_DECIDES[job.measure]),
            **self._common(),
        }
        if job.measure in _METHOD:
            content["method"] = _METHOD[job.measure]
        return content_key(content)

    def analysis(self, level: int, jobs: Sequence[Job]) -> str:
        """Return the key of what is known of a level from these measurements."""
        content = {"task": "analysis", "level": level, "jobs": [self.measurement(job) for job in jobs]}
        return content_key({**content, "analysis": self._analysis("direction_norm")})

    def measurements(self) -> str:
        """Return the key of the run that all measurements of the study are shown under."""
        return content_key({"task": "measurements", "study": self.study()})

    def evidence(self) -> str:
        """Return the key of everything a study of this setting finds, down to its last level."""
        last, analysis = self.setting.pruning.levels, self.setting.analysis
        content = {
            "task": "evidence",
            "solutions": [self.solution(place) for place in places(last, analysis.every_level)],
            "jobs": [self.measurement(job) for job in study_jobs(last, analysis)],
            "analysis": self._analysis("direction_norm", "second_k", "loss_margin", "error_margin"),
        }
        return content_key(content)

    def study(self) -> str:
        """Return the key of the study as a whole, the parent of all its runs."""
        content = {"task": "study", **self._common(), "training": self._training(), "given": self.given}
        return content_key({**content, "prune_fraction": str(self.setting.pruning.prune_fraction)})

    def _common(self) -> dict[str, Any]:
        return {
            "seed": self.setting.seed,
            "network": self.spec.as_json(),
            "network_code": self.network_code,
            "data_digest": self.data_digest,
            "train_examples": str(self.setting.data.train_examples),
            "augmentation": self.setting.data.augmentation,
        }

    def _training(self) -> dict[str, Any]:
        written = spelled(self.setting)
        return {parameter.name: written[parameter.name] for parameter in of_stage("training")}

    def _analysis(self, *names: str) -> dict[str, Any]:
        written = spelled(self.setting)
        return {name: written[name] for name in names}
