"""Finding finished runs by their content key, and opening new ones that always end with a status."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from lth.checkpoint import MANIFEST, CheckpointError, read_outcome, read_solution
from lth.packed import Packed, PackedResultError
from lth.solution import Solution
from lth.tracking.experiment import experiment_id, launched_run_id
from lth.tracking.run import RunLog
from lth.train import EpochRecord

KEY = "lth.key"  # the tag that holds a run's content key
REUSED = "lth.reused_run_id"  # on a run that found its result in another
FAILURE = "lth.failure"
FROM_RUN = "lth.from_run"  # on runs that continue the lineage of another study
CHECKPOINT = "checkpoint"  # the artifact folder of a solution
MEASUREMENT = "measurement.npz"  # the artifact of a measurement
_PARENT = "mlflow.parentRunId"


class Store:
    """The runs of one experiment on the tracking store that MLflow is configured for."""

    def __init__(self) -> None:
        self._client = MlflowClient()
        self.experiment_id = experiment_id(self._client)
        self._launched = launched_run_id()

    @property
    def description(self) -> str:
        """Where runs are found and logged, for a person."""
        name = self._client.get_experiment(self.experiment_id).name
        return f"{without_password(get_tracking_uri())}, experiment {name}"

    def find(self, key: str) -> str | None:
        """Return the latest finished run of this content key, by one search on its tag."""
        runs = self.search(f"tags.`{KEY}` = '{key}' AND attributes.status = 'FINISHED'")
        return runs[0].info.run_id if runs else None

    def search(self, filter_string: str) -> list[Run]:
        """Return the active runs that match, latest first."""
        return list(
            self._client.search_runs(
                [self.experiment_id], filter_string, order_by=["attributes.start_time DESC"], max_results=1000
            )
        )

    def run(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            ValueError: If the store has none of this id.
        """
        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            raise ValueError(f"there is no run {run_id!r} in this tracking store: {error.message}") from error

    def latest_metrics(self, run_id: str) -> dict[str, float]:
        """Return the last value of every metric of a run."""
        return dict(self.run(run_id).data.metrics)

    def note(self, run_id: str) -> str:
        """Return the description of a run."""
        return str(self.run(run_id).data.tags.get("mlflow.note.content", ""))

    def steps(self, run_id: str, metric: str) -> set[int]:
        """Return the steps at which a run has a metric."""
        return {point.step for point in self._client.get_metric_history(run_id, metric)}

    @contextmanager
    def open(
        self, name: str, tags: Mapping[str, str], *, parent: str | None = None, adopt: bool = False
    ) -> Iterator[RunLog]:
        """Open a run for writing; it ends FINISHED, FAILED with its reason as a tag, or KILLED.

        Args:
            name: What the UI calls it.
            tags: Set at once.
            parent: The run it is shown under.
            adopt: Write to the run that `mlflow run` created for this process, if it is still unused.
        """
        tags = {**tags, **({_PARENT: parent} if parent else {})}
        run_id = self._adopt(name, tags) if adopt else self._create(name, tags)
        with self._ended(RunLog(self._client, run_id, name)) as run:
            yield run

    @contextmanager
    def resume(self, run_id: str) -> Iterator[RunLog]:
        """Open a run that has ended, to add what it lacks; it ends anew as `open` says."""
        if FAILURE in self.run(run_id).data.tags:
            self._client.delete_tag(run_id, FAILURE)
        self._client.update_run(run_id, status="RUNNING")
        with self._ended(RunLog(self._client, run_id, "")) as run:
            yield run

    def append(self, run_id: str) -> RunLog:
        """Return a log that adds to a run that exists; its status stays as it is."""
        return RunLog(self._client, run_id, "")

    def point_to(self, found: str, name: str, parent: str | None = None) -> None:
        """Turn the run that `mlflow run` created, if it is unused, into a pointer to the run `found`."""
        if self._launched is None:
            return
        tags = {REUSED: found, "kind": "reused", **({_PARENT: parent} if parent else {})}
        run_id = self._adopt(f"{name} (found)", tags)
        link = f"[{found}](#/experiments/{self.experiment_id}/runs/{found})"
        RunLog(self._client, run_id, name).note(f"**{name}** is in run {link}, where it was found.")

    def load_solution(self, run_id: str, *, trajectory: bool = False) -> Solution:
        """Return the solution a run logged, verified.

        Raises:
            ValueError: If the run does not exist or logged no solution.
            CheckpointError: If the checkpoint is damaged.
        """
        run = self.run(run_id)
        if REUSED in run.data.tags:
            return self.load_solution(run.data.tags[REUSED], trajectory=trajectory)
        if run.info.status != "FINISHED" or run.info.lifecycle_stage != "active":
            state = run.info.status if run.info.lifecycle_stage == "active" else "deleted"
            raise ValueError(f"run {run_id} is {state}; only finished runs hold a solution to go on from")
        with tempfile.TemporaryDirectory() as directory:
            try:
                checkpoint = self._fetch_checkpoint(run, directory, trajectory=trajectory)
                return read_solution(checkpoint, trajectory=trajectory)
            except (MlflowException, OSError, CheckpointError) as error:
                raise CheckpointError(
                    f"the checkpoint of run {run_id} is not usable: {error}; train it again with fresh=true"
                ) from error

    def load_outcome(self, run_id: str) -> tuple[float, tuple[EpochRecord, ...]]:
        """Return density and history of the solution a run logged, without its tensors.

        Raises:
            CheckpointError: If the manifest is missing or damaged.
        """
        with tempfile.TemporaryDirectory() as directory:
            try:
                path = self._client.download_artifacts(run_id, f"{CHECKPOINT}/{MANIFEST}", dst_path=directory)
                return read_outcome(Path(path).parent)
            except (MlflowException, OSError, CheckpointError) as error:
                raise CheckpointError(
                    f"the checkpoint of run {run_id} is not usable: {error}; train it again with fresh=true"
                ) from error

    def load_measurement(self, run_id: str) -> Packed:
        """Return the stored numbers of a measurement.

        Raises:
            PackedResultError: If they are missing or damaged.
        """
        with tempfile.TemporaryDirectory() as directory:
            try:
                path = self._client.download_artifacts(run_id, MEASUREMENT, dst_path=directory)
                return Packed(Path(path).read_bytes())
            except (MlflowException, OSError, PackedResultError) as error:
                raise PackedResultError(
                    f"the numbers of run {run_id} are not usable: {error}; after "
                    f"`mlflow runs delete --run-id {run_id}` the same command measures again"
                ) from error

    def link(self, run_id: str) -> str:
        """Return the address of a run in the UI: of the tracking server, else of one that `make ui` starts."""
        uri = get_tracking_uri()
        server = without_password(uri).rstrip("/") if uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def _fetch_checkpoint(self, run: Run, directory: str, *, trajectory: bool) -> Path:
        run_id = run.info.run_id
        files = self._client.list_artifacts(run_id, CHECKPOINT)
        if not files:
            raise ValueError(
                f"run {run_id} ({run.info.run_name}) holds no solution; "
                "name a run of train_dense, imp_level or baseline"
            )
        # MLflow's own default is its live directory; always copy.
        if trajectory:
            return Path(self._client.download_artifacts(run_id, CHECKPOINT, dst_path=directory))
        for file in files:
            if not file.is_dir:
                self._client.download_artifacts(run_id, file.path, dst_path=directory)
        return Path(directory)

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        context = resolve_tags({})  # user, source and commit, as MLflow's own start_run sets them
        run = self._client.create_run(self.experiment_id, tags={**context, **tags}, run_name=name)
        return str(run.info.run_id)

    def _adopt(self, name: str, tags: Mapping[str, str]) -> str:
        if self._launched is None:
            return self._create(name, tags)
        run_id, self._launched = self._launched, None
        self._client.update_run(run_id, name=name)
        RunLog(self._client, run_id, name).tags(tags)
        return run_id

    @contextmanager
    def _ended(self, run: RunLog) -> Iterator[RunLog]:
        """Give a run its status when the work on it ends, however it ends."""
        try:
            yield run
            run.flush()
        except BaseException as error:
            killed = isinstance(error, KeyboardInterrupt)
            reason = "interrupted" if killed else f"{type(error).__name__}: {error}"
            run.tags({FAILURE: reason[:5000]})
            run.note(f"**{'KILLED' if killed else 'FAILED'}**: {reason}")
            run.flush()
            self._client.set_terminated(run.run_id, "KILLED" if killed else "FAILED")
            raise
        self._client.set_terminated(run.run_id, "FINISHED")


def without_password(uri: str) -> str:
    """Return a URI with its user and password masked."""
    return re.sub(r"//[^/]*@", "//***@", uri)


def explain_launched_run(reason: str) -> None:
    """Write why it failed on the run that `mlflow run` created for this process, unless it says so already."""
    run_id = launched_run_id()
    if run_id is None:
        return
    client = MlflowClient()
    if FAILURE not in client.get_run(run_id).data.tags:
        entry_point = client.get_run(run_id).data.tags.get("mlflow.project.entryPoint", "run")
        client.update_run(run_id, name=f"{entry_point} (failed)")
        client.set_tag(run_id, FAILURE, reason[:5000])
        client.set_tag(run_id, "mlflow.note.content", f"**FAILED**: {reason}")
