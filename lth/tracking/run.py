"""One MLflow run being written: parameters, metrics in batches, files, figures, data sets and models."""

from __future__ import annotations

import io
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow.entities import LoggedModelInput, Metric, Param, RunTag

from lth.errors import InputError
from lth.tracking.client import PatientClient
from lth.tracking.dataset import DataSplit
from lth.tracking.process import BEAT_SECONDS, described, heartbeat, is_own, names_process

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTE = "mlflow.note.content"  # the description that the UI shows on top of a run
_METRICS_A_CALL = 1000  # the REST limit
_LAST_BEAT_SECONDS = 2.0  # that a beat under way may take when the work has ended

Found = TypeVar("Found")


class LostRunError(InputError):
    """Another process writes the run that this one was writing."""


class RunLog:
    """Writes to one run. Metrics are buffered: call `flush`, or close the run, to see all of them.

    Args:
        client: Of the tracking store; waits for it, but for signs of life.
        run_id: Of a run that exists.
        name: What the UI calls it.
        logged: Metrics that the run has already, as (name, step, value); they are not logged again.
        is_new: Whether this process made it: nobody else has written anything to it.
    """

    def __init__(
        self,
        client: PatientClient,
        run_id: str,
        name: str,
        logged: frozenset[tuple[str, int, float]] = frozenset(),
        *,
        is_new: bool = False,
    ) -> None:
        self._client = client
        self.run_id = run_id
        self.name = name
        self.is_new = is_new
        self._folders: set[str] = set()  # of artifacts, that this process wrote to
        self._logged = logged
        self._buffer: list[Metric] = []
        self._last: dict[str, Metric] = {}  # by name, sent or not
        self._sending = threading.Lock()

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers at `step`, soon: a call costs 24 ms whatever it carries, so they travel together."""
        now = int(time.time() * 1000)
        made = [Metric(name, float(value), now, step) for name, value in values.items()]
        self._last |= {metric.key: metric for metric in made}
        self._buffer += [
            metric for metric in made if (metric.key, metric.step, metric.value) not in self._logged
        ]

    def metrics_of_model(
        self,
        values: Mapping[str, float],
        model: str | None,
        split: DataSplit,
        tags: Mapping[str, str],
    ) -> None:
        """Log numbers at once, as those of a model on a split if there is one, and set tags: one call."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, 0) for name, value in values.items()]
        marks = [RunTag(name, value) for name, value in tags.items()]
        self._client.log_batch(
            self.run_id, metrics=[self._bound(metric, model, split) for metric in metrics], tags=marks
        )

    def bind(self, model: str, splits: Mapping[str, DataSplit | None]) -> None:
        """Say, soon, of metrics as they were logged last that they are of a model on a split.

        MLflow takes a metric of the same time, step and value for the same.
        """
        known = {name: split for name, split in splits.items() if name in self._last}
        self._buffer += [self._bound(self._last[name], model, split) for name, split in known.items()]

    def _bound(self, metric: Metric, model: str | None, split: DataSplit | None) -> Metric:
        where = (None, None) if split is None else (split.name, split.short_digest)
        if model is None:
            return metric
        return Metric(
            metric.key, metric.value, metric.timestamp, metric.step, model, *where, run_id=self.run_id
        )

    def patiently(self, call: Callable[[], Found]) -> Found:
        """Return what `call` returns, which writes to this run by itself; waits as all calls here do."""
        return self._client.persist(call)

    def in_a_hurry(self) -> AbstractContextManager[object]:
        """Do not wait for a store that does not answer, for as long as the block lasts."""
        return self._client.in_a_hurry()

    def check_owner(self) -> None:
        """Check that no other process has taken the run over.

        Raises:
            LostRunError: If one has.
        """
        tags = self._client.get_run(self.run_id).data.tags
        if names_process(tags) and not is_own(tags):
            raise LostRunError(f"run {self.run_id} was taken over by {described(tags)}, which took us for dead")

    def flush(self) -> None:
        """Send every buffered metric."""
        self._send(self._client)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Send metrics and a sign of life every few seconds, beside whatever the caller does.

        A beat that a store accepts and does not answer is left to itself: who interrupts does not wait for it.
        """
        done = threading.Event()
        thread = threading.Thread(target=self._beat, args=(done,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(_LAST_BEAT_SECONDS)

    def _beat(self, done: threading.Event) -> None:
        while not done.wait(BEAT_SECONDS):
            try:
                self._send(self._client.at_once, heartbeat())
            except Exception:  # MLflow lets through whatever its stores raise
                continue  # what was not sent is still there; the flush at the end tells

    def _send(self, client: Any, tags: Mapping[str, str] | None = None) -> None:
        with self._sending:
            marks = [RunTag(name, value) for name, value in (tags or {}).items()]
            while batch := self._buffer[:_METRICS_A_CALL]:
                client.log_batch(self.run_id, metrics=batch, tags=marks)
                del self._buffer[: len(batch)]
                marks = []
            if marks:
                client.log_batch(self.run_id, tags=marks)

    def params(self, values: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log parameters, and set tags; those that `mlflow run` logged already keep the user's spelling."""
        present = {} if self.is_new else self._client.get_run(self.run_id).data.params
        missing = [Param(name, value) for name, value in values.items() if name not in present]
        marks = [RunTag(name, value) for name, value in tags.items()]
        self._client.log_batch(self.run_id, params=missing, tags=marks)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in values.items()])

    def remove_tag(self, name: str) -> None:
        """Remove a tag, which the run has."""
        self._client.delete_tag(self.run_id, name)

    def note(self, markdown: str) -> None:
        """Set the description that the UI shows on top of the run."""
        self.tags({NOTE: markdown})

    def figure(self, figure: Figure, path: str) -> None:
        """Attach a figure as PNG."""
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150, bbox_inches="tight")
        self.file(path, content.getvalue())

    def json(self, content: Any, path: str) -> None:
        """Attach a JSON document."""
        self.file(path, json.dumps(content, indent=1, allow_nan=False).encode())

    def files(self, path: str) -> list[str]:
        """Return the names of the files in an artifact folder; empty if there is none."""
        return [Path(file.path).name for file in self._client.list_artifacts(self.run_id, path)]

    def read(self, path: str) -> bytes:
        """Return the content of an artifact."""
        with tempfile.TemporaryDirectory() as directory:
            return self._client.download(self.run_id, path, directory).read_bytes()

    def remove(self, path: str) -> None:
        """Delete an artifact, if the store can and lets us."""
        with suppress(Exception):
            self._client.artifacts(self.run_id).delete_artifacts(path)

    def file(self, path: str, content: bytes) -> None:
        """Attach a file under the artifact path `path`."""
        folder, _, name = path.rpartition("/")
        self._folders.add(folder)
        with tempfile.TemporaryDirectory() as directory:
            local = Path(directory, name)
            local.write_bytes(content)
            self._client.log_artifact(self.run_id, str(local), folder or None)

    def may_have(self, folder: str) -> bool:
        """Say whether there may be an artifact folder: no, if this process made the run and wrote none."""
        return not self.is_new or folder in self._folders

    def directory(self, local: Path, path: str) -> None:
        """Attach every file under `local`."""
        self._client.log_artifacts(self.run_id, str(local), path or None)

    def inputs(self, splits: Sequence[DataSplit], models: Sequence[str] = ()) -> None:
        """Link what the run reads: splits of a data set, and logged models by their id."""
        self._client.log_inputs(
            self.run_id, [split.as_input() for split in splits], [LoggedModelInput(model) for model in models]
        )
