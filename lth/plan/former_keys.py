"""The content keys of version 1, by which what was stored under them is still found.

Everything that they hash is spelled out here, human words and names of parameters included, and nothing of it
may change: `tests/stored/keys_of_version_1.json` holds them. They hash `auto` for precision and compilation and
not what it came to, so a solution that they find counts only if it was computed in the format of now
(`counts`), and a measurement only if each solution it is of was found by its former key too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lth.plan.computing import Computing
from lth.plan.jobs import (
    AlignedJob,
    CurvatureJob,
    DensityJob,
    DistanceJob,
    ForecastJob,
    FunctionJob,
    Job,
    LayersJob,
    LineJob,
    MarkersJob,
    MassJob,
    MatchedJob,
    PartJob,
    PathJob,
    RadiiJob,
    SharpnessJob,
    SubspaceJob,
    SurfaceJob,
    VolumeJob,
    places,
    study_jobs,
)
from lth.plan.place import Beside, Place, Point
from lth.setting.network import NetworkSpec
from lth.setting.setting import AnalysisSetting, Setting

_TRAINING = (
    "epochs",
    "batch_size",
    "lr",
    "momentum",
    "weight_decay",
    "milestones",
    "rewind_step",
    "fine_tune_epochs",
    "fine_tune_lr",
    "precision",
    "compile",
    "epoch_examples",
    "trajectory",
)
_MEASURED_WITH = {
    "spectra": ("k", "hessian_examples", "trace_probes"),
    "density": ("hessian_examples", "density_probes", "density_steps"),
    "radii": ("directions", "hessian_examples", "cutoff_margin"),
    "lines": ("points",),
    "surface": ("hessian_examples", "grid"),
    "distances": (),
}
_METHOD = {"spectra": 2}
_UNKNOWN = (
    MarkersJob,
    MatchedJob,
    SubspaceJob,
    PartJob,
    FunctionJob,
    SharpnessJob,
    PathJob,
    ForecastJob,
    VolumeJob,
    AlignedJob,
    LayersJob,
)


@dataclass(frozen=True)
class FormerKeys:
    """Keys of version 1 under one setting, data set and network, as `TaskKeys` has them of this version."""

    setting: Setting  # as it was asked for, `auto` and all
    spec: NetworkSpec
    data_digest: str
    network_code: str | None = None  # digest of the one file that defines the user's own network
    given: tuple[str, ...] = ()  # keys of w(0), w(1), … that are taken from elsewhere

    def solution(self, place: Place) -> str:
        """Return the key of a solution; the level before is its parent."""
        if place.kind == "imp" and place.level < len(self.given):
            return self.given[place.level]
        training = self._training()
        if place.kind != "fine_tune":
            training = {name: value for name, value in training.items() if not name.startswith("fine_tune")}
        content = {"task": place.kind, "level": place.level, **self._common(), "training": training}
        if place.level > 0:
            content["prune_fraction"] = str(self.setting.pruning.prune_fraction)
            content["parent"] = self.solution(Place("imp", place.level - 1))
        return _key(content)

    def measurement(self, job: Job) -> str:
        """Return the key of a measurement that it `knew`: its solutions, and what it was measured with."""
        content: dict[str, Any] = {
            "task": job.measure,
            "name": _job_name(job),
            "solutions": {_place_name(place): self.solution(place) for place in job.needs},
            "prune_fraction": str(self.setting.pruning.prune_fraction),
            "analysis": self._analysis(*_MEASURED_WITH[job.measure]),
            **self._common(),
        }
        if job.measure in _METHOD:
            content["method"] = _METHOD[job.measure]
        return _key(content)

    def analysis(self, level: int, jobs: Sequence[Job]) -> str:
        """Return the key of what is known of a level from these measurements."""
        content = {"task": "analysis", "level": level, "jobs": [self.measurement(job) for job in jobs]}
        return _key({**content, "analysis": self._analysis("direction_norm")})

    def measurements(self) -> str:
        """Return the key of the run that all measurements of the study are shown under."""
        return _key({"task": "measurements", "study": self.study()})

    def evidence(self) -> str:
        """Return the key of everything a study of this setting finds, down to its last level."""
        last, analysis = self.setting.pruning.levels, self.setting.analysis
        content = {
            "task": "evidence",
            "solutions": [self.solution(place) for place in places(last, analysis.every_level)],
            "jobs": [self.measurement(job) for job in study_jobs(last, analysis) if knew(job, analysis)],
            "analysis": self._analysis("direction_norm", "second_k", "loss_margin", "error_margin"),
        }
        return _key(content)

    def study(self) -> str:
        """Return the key of the study as a whole, the parent of all its runs."""
        content = {"task": "study", **self._common(), "training": self._training(), "given": self.given}
        return _key({**content, "prune_fraction": str(self.setting.pruning.prune_fraction)})

    def _common(self) -> dict[str, Any]:
        return {
            "seed": self.setting.seed,
            "network": {
                "name": self.spec.name,
                "input_shape": list(self.spec.input_shape),
                "num_classes": self.spec.num_classes,
            },
            "network_code": self.network_code,
            "data_digest": self.data_digest,
            "train_examples": str(self.setting.data.train_examples),
            "augmentation": self.setting.data.augmentation,
        }

    def _training(self) -> dict[str, str]:
        return {name: _spell(getattr(self.setting.training, name)) for name in _TRAINING}

    def _analysis(self, *names: str) -> dict[str, str]:
        return {name: _spell(getattr(self.setting.analysis, name)) for name in names}


def knew(job: Job, analysis: AnalysisSetting) -> bool:
    """Return whether version 1 had such measurements; it kept no eigenvectors of any, and trained no copies."""
    keeps_vectors = isinstance(job, CurvatureJob) and analysis.vectors == "on"
    of_copies = any(isinstance(place, Beside) for place in job.needs)
    return not (isinstance(job, _UNKNOWN) or keeps_vectors or of_copies)


def computing_of(computed_by: str) -> Computing | None:
    """Return the format that the tag `lth.computed_by` of a training names at its end, None if it names none.

    Version 1 wrote `torch 2.14.1, <processor>, 1 thread, bf16`, and `, compiled` after it where that was so.
    """
    *parts, end = computed_by.split(", ")
    compiled = end == "compiled"
    precision = parts[-1] if compiled and parts else end
    if precision == "fp32":
        return Computing("fp32", compiled)
    return Computing("bf16", compiled) if precision == "bf16" else None


def counts(computed_by: str | None, computing: Computing) -> bool:
    """Return whether a solution found by its former key is one that would be trained now.

    Args:
        computed_by: The tag `lth.computed_by` of its run; None if it has none, which tells nothing.
        computing: What precision and compilation come to now.
    """
    return computed_by is not None and computing_of(computed_by) == computing


def _key(content: Mapping[str, object]) -> str:
    versioned = {"algorithm_version": 1, **content}
    canonical = json.dumps(versioned, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _spell(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "last" if value is None else str(value)


def _place_name(place: Place) -> str:
    if place.kind == "imp":
        return "dense" if place.level == 0 else f"level {place.level}"
    return f"{place.kind} at level {place.level}"


def _point_name(point: Point) -> str:
    level = point.place.level
    words = {
        "solution": _place_name(point.place),
        "projection": f"projection on level {level}",
        "reverse": f"{_place_name(point.place)} in level-{level - 1} space",
        "next_larger": f"next-larger pruned on level {level}",
    }
    return words[point.form]


def _job_name(job: Job) -> str:
    match job:
        case CurvatureJob():
            return f"curvature at {_point_name(job.point)}"
        case DensityJob():
            return f"spectral density at {_point_name(job.point)}"
        case RadiiJob():
            return f"{job.direction_norm} radii at {' and '.join(map(_point_name, job.points))}"
        case LineJob():
            return f"line from {_point_name(job.start)} to {_point_name(job.end)}"
        case SurfaceJob():
            first, second, third = map(_place_name, job.corners)
            return f"surface through {first}, {second} and {third}"
        case DistanceJob():
            return f"distances between {len(job.places)} solutions"
        case MarkersJob():
            raise TypeError("version 1 had no methods")
        case MatchedJob():
            raise TypeError("version 1 measured nothing at one loss")
        case SubspaceJob():
            raise TypeError("version 1 kept no eigenvectors")
        case PartJob():
            raise TypeError("version 1 divided no examples")
        case FunctionJob():
            raise TypeError("version 1 compared no functions")
        case SharpnessJob():
            raise TypeError("version 1 measured no sharpness")
        case PathJob():
            raise TypeError("version 1 followed no trainings")
        case ForecastJob():
            raise TypeError("version 1 forecast nothing")
        case VolumeJob():
            raise TypeError("version 1 measured no volumes")
        case MassJob():
            raise TypeError("version 1 measured no masses")
        case AlignedJob():
            raise TypeError("version 1 aligned nothing")
        case LayersJob():
            raise TypeError("version 1 measured no layers")
