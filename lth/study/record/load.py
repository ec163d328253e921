"""Solutions pulled from the tracking store for downstream analysis."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar, get_args

from torch import Tensor

from lth.errors import InputError
from lth.measure.eigenvector_files import FOLDER, read_eigenvectors
from lth.measure.kind.curvature import kept_vectors
from lth.measure.packed import Packed, PackedResultError
from lth.network.weights import Weights
from lth.plan.place import SOLUTIONS, Kind
from lth.sealed import CheckpointError
from lth.setting.choice import value_hint
from lth.setting.door import command_line
from lth.setting.preset import PRESETS
from lth.solution.checkpoint import (
    MANIFEST,
    files_of,
    kept_epochs,
    read_outcome,
    read_snapshot,
    read_solution,
    snapshot_file,
)
from lth.solution.solution import Solution
from lth.tracking.client import TrackingError
from lth.tracking.store import FROM_RUN, KEY, REUSED, FoundRun, Store
from lth.training.train import EpochRecord

Read = TypeVar("Read")

CHECKPOINT = "checkpoint"  # the artifact folder of a solution
MEASUREMENT = "measurement.npz"  # the artifact of a measurement


class LostResultError(CheckpointError):
    """What a finished run held is gone.

    Args:
        run: That run.
        sought: Where it was looked for.
    """

    def __init__(self, run: FoundRun, sought: str) -> None:
        self.run_id, self.name, self.sought = str(run.info.run_id), str(run.info.run_name), sought
        super().__init__(
            f"{self.name}: what run {self.run_id} held is gone, it was looked for in {sought}; {_again(run)}"
        )


def load_solution(
    store: Store, run_id: str, *, trajectory: bool = False, run: FoundRun | None = None
) -> Solution:
    """Return the solution a run logged, verified.

    Args:
        store: That has the run.
        run_id: Of the run, or of one that points to it.
        trajectory: Whether with its snapshots.
        run: That run, where it is known already.

    Raises:
        ValueError: If the run does not exist or logged no solution.
        CheckpointError: If the checkpoint is damaged.
    """
    run = run or solution_run(store, run_id)
    run_id = run.info.run_id
    if run.info.status != "FINISHED" or run.info.lifecycle_stage != "active":
        state = run.info.status if run.info.lifecycle_stage == "active" else "deleted"
        raise InputError(f"run {run_id} is {state}; only finished runs hold a solution to go on from")
    if not _is_solution(run):
        raise InputError(
            f"run {run_id} ({run.info.run_name}) holds no solution; "
            "name a run of train_dense, imp_level or baseline"
        )
    with tempfile.TemporaryDirectory() as directory, _usable(store, run_id, directory):
        folder = store.fetch(run_id, f"{CHECKPOINT}/{MANIFEST}", directory).parent
        for name in files_of(folder, trajectory=trajectory):
            store.fetch(run_id, f"{CHECKPOINT}/{name}", directory)
        return read_solution(folder, trajectory=trajectory)


def solution_run(store: Store, run_id: str) -> FoundRun:
    """Return a run, or the one that it points to.

    Raises:
        ValueError: If it does not exist.
    """
    run = store.run(run_id)
    while REUSED in run.data.tags:
        run = store.run(run.data.tags[REUSED])
    return run


def load_outcome(store: Store, run_id: str) -> tuple[float, tuple[EpochRecord, ...]]:
    """Return density and history of the solution a run logged, without its tensors.

    Raises:
        CheckpointError: If the manifest is missing or damaged.
    """
    with tempfile.TemporaryDirectory() as directory, _usable(store, run_id, directory):
        return read_outcome(store.fetch(run_id, f"{CHECKPOINT}/{MANIFEST}", directory).parent)


class KeptWeights(Mapping[int, Weights]):
    """The weights that a solution kept along its training, by epoch; each is fetched when it is asked for.

    Raises:
        ValueError: If the run does not exist.
        CheckpointError: If its checkpoint is damaged, here or when something is fetched.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, solution_run(store, run_id).info.run_id
        self._epochs = self._read(kept_epochs)

    def __getitem__(self, epoch: int) -> Weights:
        if epoch not in self._epochs:
            raise KeyError(epoch)
        return self._read(lambda directory: read_snapshot(directory, epoch), snapshot_file(epoch))

    def __iter__(self) -> Iterator[int]:
        return iter(self._epochs)

    def __len__(self) -> int:
        return len(self._epochs)

    def _read(self, read: Callable[[Path], Read], *files: str) -> Read:
        """Return what is read of the manifest and these files of the checkpoint."""
        with tempfile.TemporaryDirectory() as directory, _usable(self._store, self._run_id, directory):
            manifest, *_ = [
                self._store.fetch(self._run_id, f"{CHECKPOINT}/{file}", directory)
                for file in (MANIFEST, *files)
            ]
            return read(manifest.parent)


def load_eigenvectors(store: Store, run_id: str) -> Tensor:
    """Return the eigenvectors that a measurement of curvature kept, (k, dimension), float32.

    Raises:
        InputError: If it kept none.
        LostResultError: If they are gone.
        CheckpointError: If they are damaged.
    """
    kept = kept_vectors(load_measurement(store, run_id))
    if kept is None:
        raise InputError(f"run {run_id} kept no eigenvectors; measure with vectors=on")
    with tempfile.TemporaryDirectory() as directory:

        def read(name: str) -> bytes:
            try:
                return store.fetch(run_id, f"{FOLDER}/{name}", directory).read_bytes()
            except (TrackingError, OSError) as error:
                if (sought := store.missing(run_id, f"{FOLDER}/{name}")) is not None:
                    raise LostResultError(store.run(run_id), sought) from error
                raise

        return read_eigenvectors(kept, read)


@contextmanager
def _usable(store: Store, run_id: str, directory: str) -> Iterator[None]:
    """Say of an error in reading a checkpoint which it is, and what to do."""
    try:
        yield
    except (TrackingError, OSError, CheckpointError) as error:
        check_kept(store, run_id)
        found = str(error).replace(directory, store.artifacts_of(run_id))  # no user knows our copy of it
        if not isinstance(error, CheckpointError):
            found = f"{found}, in {store.artifacts_of(run_id)}/{CHECKPOINT}"
        raise CheckpointError(
            f"the checkpoint of run {run_id} is not usable: {found}; {_again(store.run(run_id))}"
        ) from error


def check_kept(store: Store, run_id: str) -> None:
    """Check that the checkpoint of a solution is there, without reading it.

    Raises:
        LostResultError: If it is not.
    """
    if not store.files(run_id, CHECKPOINT):
        sought = store.missing(run_id, f"{CHECKPOINT}/{MANIFEST}")
        raise LostResultError(store.run(run_id), sought or CHECKPOINT)


def load_measurement(store: Store, run_id: str) -> Packed:
    """Return the stored numbers of a measurement.

    Raises:
        LostResultError: If they are gone.
        PackedResultError: If they are damaged.
    """
    with tempfile.TemporaryDirectory() as directory:
        try:
            return Packed(store.fetch(run_id, MEASUREMENT, directory).read_bytes())
        except (TrackingError, OSError, PackedResultError) as error:
            if (sought := store.missing(run_id, MEASUREMENT)) is not None:
                raise LostResultError(store.run(run_id), sought) from error
            raise PackedResultError(
                f"the numbers of run {run_id} are not usable: {error}; after "
                f"`mlflow runs delete --run-id {run_id}` the same command measures again"
            ) from error


def _is_solution(run: FoundRun) -> bool:
    return run.data.tags.get("kind") in get_args(Kind)


def _again(run: FoundRun) -> str:
    """Return by which command the result of a run is computed again."""
    kind, level = run.data.tags.get("kind", ""), run.data.tags.get("level", "")
    if not _is_solution(run):
        return "the command that measured it measures it again"
    if kind not in SOLUTIONS:
        line = command_line("stability")
        return f"after `mlflow runs delete --run-id {run.info.run_id}` `{line}` trains it again"
    if level == "0":
        words = ["train_dense"]
    else:
        words = ["imp_level"] if kind == "imp" else ["baseline", f"kind={kind}"]
        words.append(f"level={level}")
    line = command_line(*words, "fresh=true")
    return f"train it again with fresh=true: `{line}` and its study's parameters"


def load_by_run(run_id: str) -> Solution:
    """Return the solution of a run, with its trajectory.

    Raises:
        ValueError: If the run does not exist or holds no solution.
    """
    return load_solution(Store(adopts=False, creates=False, of_run=run_id), run_id, trajectory=True)


def load_by_place(
    *, level: int, kind: str, preset: str, seed: int, changes: str, experiment: str | None = None
) -> Solution:
    """Return the latest finished solution of this place in a study, with its trajectory.

    Solutions that continue the lineage of another study are left out: name them by their run.

    Raises:
        ValueError: If there is none, or there are several of different content.
    """
    if preset not in PRESETS:
        raise InputError(
            f"preset={preset!r} is unknown; choose one of {', '.join(PRESETS)}{value_hint(preset, PRESETS)}"
        )
    if kind not in SOLUTIONS:
        hint = value_hint(kind, SOLUTIONS)
        raise InputError(f"kind={kind!r} is unknown; choose one of {', '.join(SOLUTIONS)}{hint}")
    store = Store(adopts=False, creates=False, experiment=experiment)
    place = {"kind": kind, "level": str(level), "preset": preset, "seed": str(seed)}
    for name, value in place.items():
        if "'" in value:
            raise InputError(f"{name}={value!r} holds a quote; no run has such a tag")
    filters = [f"tags.{name} = '{value}'" for name, value in place.items()]
    runs = store.search(" AND ".join([*filters, "attributes.status = 'FINISHED'"]))
    wanted = " ".join(sorted(changes.split()))
    runs = [run for run in runs if FROM_RUN not in run.data.tags]
    fitting = [run for run in runs if run.data.tags.get("changes", "") == wanted]
    described = ", ".join(f"{name}={value}" for name, value in place.items())
    if not fitting:
        seen = sorted({run.data.tags.get("changes", "") for run in runs})
        if seen:
            other = f"with other changes there is {', '.join(map(repr, seen))}"
        else:
            names = ", ".join(store.other_experiments()[:5])
            other = f"train it first{names and f', or name another experiment ({names})'}"
        raise InputError(
            f"no finished solution has {described}, changes={changes!r} in {store.description}; {other}"
        )
    if len({run.data.tags[KEY] for run in fitting}) > 1:
        choices = ", ".join(f"{run.info.run_id} ({run.data.tags.get('dataset')})" for run in fitting)
        raise InputError(f"several solutions have {described}; name one by its run_id: {choices}")
    for run in fitting[:-1]:
        with suppress(LostResultError):
            return load_solution(store, run.info.run_id, trajectory=True)
    return load_solution(store, fitting[-1].info.run_id, trajectory=True)
