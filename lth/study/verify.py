"""Whether a store holds what was written: every checkpoint, model, measurement, number and file of its runs.

Each is held against what else says the same: a checkpoint against the digests in its manifest, a run's numbers
against the checkpoint's history or what is read off the measurement anew, a model against the checkpoint's
weights, an archive or a picture against its own checksums.
"""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from PIL import Image

from lth.bar import progress
from lth.errors import MendableError
from lth.evidence.evidence import Evidence
from lth.evidence.level import level_numbers
from lth.measure.kind.curvature import kept_vectors
from lth.measure.kind.take import numbers, read
from lth.measure.packed import Packed
from lth.plan.jobs import BEYOND, Job, study_jobs
from lth.plan.place import Kind
from lth.setting.parameter import BY_NAME
from lth.setting.setting import Setting, setting_from_flat
from lth.solution.solution import Solution
from lth.study.record.load import (
    CHECKPOINT,
    MEASUREMENT,
    load_eigenvectors,
    load_measurement,
    load_solution,
)
from lth.study.record.solution import evaluations
from lth.tracking.model import ModelError, models_of, read_weights
from lth.tracking.store import KEY, REUSED, STUDY, FoundRun, Store, is_finished

_TIMES = "time/"  # what begins the names of metrics that say how long something took
_THINGS = ("checkpoints", "models", "measurements", "numbers", "files")
_SAME = 1e-9  # relative: how far a number that is read off again may lie from the stored one


@dataclass(frozen=True)
class Damage:
    """What is not as it was written.

    Args:
        run_id: Of the run that holds it.
        run_name: What a person calls that.
        what: Which file or number, and what is wrong with it.
    """

    run_id: str
    run_name: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what of it is damaged."""

    counts: Mapping[str, int]  # of each kind of thing
    damages: tuple[Damage, ...]

    @property
    def described(self) -> str:
        """What was looked at, for a person."""
        counted = [(self.counts[what], what) for what in _THINGS if self.counts.get(what)]
        return ", ".join(f"{n:,} {what if n > 1 else what[:-1]}" for n, what in counted) or "nothing"


def verify(store: Store, tell: Callable[[Damage], None]) -> Verified:
    """Look at everything that the finished runs of an experiment hold; nothing is changed.

    Args:
        store: Of the experiment.
        tell: Gets each damage as it is found.
    """
    looked: Counter[str] = Counter()
    found = []
    runs = [run for run in store.search("attributes.status = 'FINISHED'") if _is_result(run)]
    for run in progress(runs, "verifying", unit="run"):
        for what in _Look(store, run, runs, looked).damages():
            damage = Damage(str(run.info.run_id), str(run.info.run_name), what)
            tell(damage)
            found.append(damage)
    return Verified(looked, tuple(found))


def _is_result(run: FoundRun) -> bool:
    return is_finished(run) and KEY in run.data.tags and REUSED not in run.data.tags


class _Look:
    """A look at one run."""

    def __init__(self, store: Store, run: FoundRun, runs: list[FoundRun], looked: Counter[str]) -> None:
        self._store, self._run, self._runs, self._looked = store, run, runs, looked
        self._id = str(run.info.run_id)

    def damages(self) -> Iterator[str]:
        """Yield what is damaged."""
        kind = self._run.data.tags.get("kind", "")
        if kind in get_args(Kind):
            yield from self._solution()
        elif kind == "measurement":
            yield from self._measurement()
        elif kind == "analysis":
            yield from self._analysis()
        yield from self._files()

    def _solution(self) -> Iterator[str]:
        self._looked["checkpoints"] += 1
        try:
            solution = load_solution(self._store, self._id, trajectory=True)
        except MendableError as error:
            yield str(error)
            return
        tags = self._run.data.tags
        if (solution.key, solution.kind, str(solution.level)) != (tags[KEY], tags["kind"], tags.get("level")):
            yield f"its checkpoint is of {solution.name}, key {solution.key[:8]}, and its tags are of another"
        yield from self._history(solution)
        yield from self._models(solution)

    def _history(self, solution: Solution) -> Iterator[str]:
        """Hold the run's metrics against the checkpoint's history."""
        yield from self._numbers({"density": solution.density}, "its checkpoint")
        by_metric: dict[str, dict[int, float]] = {}
        for record in solution.history:
            for name, value in evaluations(record).items():
                by_metric.setdefault(name, {})[record.epoch] = value
        for name, wanted in by_metric.items():
            self._looked["numbers"] += len(wanted)
            stored = self._store.history(self._id, name)
            odd = [epoch for epoch, value in wanted.items() if not _same(stored.get(epoch), value)]
            if odd:
                yield (
                    f"metric {name} is {stored.get(odd[0])} at epoch {odd[0]}, and its checkpoint says "
                    f"{wanted[odd[0]]}" + (f" ({len(odd)} epochs differ)" if len(odd) > 1 else "")
                )

    def _models(self, solution: Solution) -> Iterator[str]:
        """Hold every model of the run against the checkpoint's weights."""
        expected = {**solution.weights.parameters, **solution.weights.buffers}
        for model in models_of(self._id, self._store.experiment_id):
            self._looked["models"] += 1
            try:
                with tempfile.TemporaryDirectory() as directory:
                    weights = read_weights(model, Path(directory))
            except ModelError as error:
                yield f"model {model} {error}"
                continue
            odd = [name for name in expected if not _equal(weights.get(name), expected[name])]
            if odd:
                yield f"model {model} holds another {odd[0]} than the checkpoint ({len(odd)} tensors differ)"

    def _measurement(self) -> Iterator[str]:
        self._looked["measurements"] += 1
        try:
            stored = load_measurement(self._store, self._id)
            job = self._job()
            found = None if job is None else numbers(job, read(stored, job))
            if kept_vectors(stored) is not None:
                load_eigenvectors(self._store, self._id)
        except MendableError as error:
            yield str(error)
            return
        if found is not None:
            yield from self._numbers(found, MEASUREMENT, every=False)  # earlier versions read less off it
            # What earlier versions read off it has other names.
            if found and not any(not name.startswith(_TIMES) for name in self._run.data.metrics):
                yield f"has none of the numbers that {MEASUREMENT} says"

    def _analysis(self) -> Iterator[str]:
        """Hold the numbers of a level against those of its measurements, as far as these are whole."""
        setting, level = self._setting(), self._run.data.tags.get("level", "")
        if setting is None or not level.isdecimal():
            return
        jobs = {job.name: job for job in _jobs(setting)}
        measured: dict[Job, object] = {}
        for run in self._runs:
            job = jobs.get(str(run.info.run_name))
            of_study = run.data.tags.get(STUDY) == self._run.data.tags.get(STUDY)
            if of_study and job is not None and job.level == int(level):
                with suppress(MendableError):  # which is told of its own run
                    measured.setdefault(job, read(load_measurement(self._store, run.info.run_id), job))
        evidence = Evidence(setting, int(level), {}, measured, runs={})
        yield from self._numbers(level_numbers(evidence, int(level)), "a measurement", every=False)

    def _numbers(self, expected: Mapping[str, float], source: str, *, every: bool = True) -> Iterator[str]:
        """Hold metrics against what they were read off.

        Args:
            expected: By metric.
            source: Where they are from.
            every: Whether each must be there; else those alone are looked at that are.
        """
        stored = self._run.data.metrics
        for name, value in expected.items():
            if name not in stored and not every:
                continue
            self._looked["numbers"] += 1
            if not _same(stored.get(name), value):
                yield f"metric {name} is {stored.get(name)}, and {source} says {value}"

    def _files(self) -> Iterator[str]:
        """Look at what else a run holds: pictures, tables and documents."""
        for path in self._store.every_file(self._id):
            suffix = Path(path).suffix
            if path.startswith(f"{CHECKPOINT}/") or path == MEASUREMENT or suffix not in _READERS:
                continue
            self._looked["files"] += 1
            with tempfile.TemporaryDirectory() as directory:
                content = self._store.fetch(self._id, path, directory).read_bytes()
            try:
                _READERS[suffix](content)
            except Exception as error:  # whatever a reader raises of a damaged file
                yield f"{path} is damaged ({type(error).__name__}: {error})"

    def _setting(self) -> Setting | None:
        params = self._run.data.params
        try:
            return setting_from_flat({name: params[name] for name in ("preset", *BY_NAME) if name in params})
        except MendableError:  # of a version that had other parameters
            return None

    def _job(self) -> Job | None:
        """Return what the run measured; None where it is called what no measurement of its study is."""
        setting = self._setting()
        named = {} if setting is None else {job.name: job for job in _jobs(setting)}
        return named.get(str(self._run.info.run_name))


def _jobs(setting: Setting) -> list[Job]:
    """Return every measurement of a study that its name tells from all others."""
    return study_jobs(setting.pruning.levels, replace(setting.analysis, beyond=tuple(BEYOND)))


def _same(stored: float | None, expected: float) -> bool:
    if stored is None or math.isnan(stored) or math.isnan(expected):
        return stored is not None and math.isnan(stored) and math.isnan(expected)
    return math.isclose(stored, expected, rel_tol=_SAME)


def _equal(found: torch.Tensor | None, expected: torch.Tensor) -> bool:
    return found is not None and torch.equal(found, expected)


def _read_picture(content: bytes) -> None:
    with Image.open(io.BytesIO(content)) as picture:
        picture.verify()


def _read_table(content: bytes) -> None:
    widths = {len(row) for row in csv.reader(io.StringIO(content.decode()), strict=True)}
    if len(widths) != 1:
        raise ValueError(f"its rows have {', '.join(map(str, sorted(widths))) or 'no'} cells")


def _read_text(content: bytes) -> None:
    if not content.decode().strip():
        raise ValueError("it is empty")


_READERS: Mapping[str, Callable[[bytes], object]] = {
    ".png": _read_picture,
    ".json": json.loads,
    ".csv": _read_table,
    ".npz": lambda content: Packed(content),
    ".html": _read_text,
    ".md": _read_text,
}
