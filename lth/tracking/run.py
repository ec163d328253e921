"""One MLflow run being written: parameters, metrics in batches, files, figures, data sets and models."""

from __future__ import annotations

import hashlib
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
from lth.tracking.description import IN_FULL, is_long, shown
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
    """Writes to one run. Metrics and the description wait for `flush`, a sign of life or the end of the run.

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
        self.parameters: dict[str, str] = {}  # that this process logged, or found there
        self._held: dict[str, str] = {}  # SHA-256 by path, of artifacts that this process wrote or read
        self._logged = logged
        self._buffer: list[Metric] = []
        self._last: dict[str, Metric] = {}  # by name, sent or not
        self._marks: dict[str, str] = {}  # tags that go with the metrics
        self._marking = threading.Lock()  # around what is done with them, never around a call
        self._sending = threading.Lock()

    @property
    def experiment_id(self) -> str:
        """Where it is."""
        return self._client.experiment_id(self.run_id)

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
        bound = [self._bound(metric, model, split) for metric in metrics]
        self._client.log_batch(self.run_id, metrics=bound, tags=_tags(tags))

    def bind(self, model: str, splits: Mapping[str, DataSplit | None]) -> None:
        """Say, soon, of metrics as they were logged last that they are of a model on a split.

        MLflow takes a metric of the same time, step and value for the same: those that were sent already go
        once more, and the others in their places.
        """
        known = {self._last[name]: split for name, split in splits.items() if name in self._last}
        bound = {metric: self._bound(metric, model, split) for metric, split in known.items()}
        with self._sending:
            self._buffer = [bound.pop(metric, metric) for metric in self._buffer] + list(bound.values())

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
        """Send every buffered metric, and the description."""
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
            marks = self._marked()
            with_these = {**marks, **(tags or {})}
            while with_these or self._buffer:
                batch = self._buffer[:_METRICS_A_CALL]
                client.log_batch(self.run_id, metrics=batch, tags=_tags(with_these))
                del self._buffer[: len(batch)]
                self._sent(marks)
                with_these = {}

    def _marked(self) -> dict[str, str]:
        with self._marking:
            return dict(self._marks)

    def _sent(self, marks: Mapping[str, str]) -> None:
        """Forget marks that were sent, but for those that were set to something else meanwhile."""
        with self._marking:
            self._marks = {name: value for name, value in self._marks.items() if marks.get(name) != value}

    def params(self, values: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log parameters, and set tags; those that `mlflow run` logged already keep the user's spelling."""
        present = {} if self.is_new else self._client.get_run(self.run_id).data.params
        self.parameters |= {**values, **present}
        missing = [Param(name, value) for name, value in values.items() if name not in present]
        marks = self._marked()
        self._client.log_batch(self.run_id, params=missing, tags=_tags({**marks, **tags}))
        self._sent(marks)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, and the description."""
        marks = self._marked()
        self._client.log_batch(self.run_id, tags=_tags({**marks, **values}))
        self._sent(marks)

    def remove_tag(self, name: str) -> None:
        """Remove a tag, which the run has."""
        self._client.delete_tag(self.run_id, name)

    def note(self, markdown: str) -> None:
        """Set the description that the UI shows on top of the run, soon; a long one is an artifact too."""
        if is_long(markdown):
            self.file(IN_FULL, markdown.encode())
        self.mark({NOTE: shown(markdown)})

    def mark(self, tags: Mapping[str, str]) -> None:
        """Set tags, soon."""
        with self._marking:
            self._marks |= tags

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
            content = self._client.fetch(self.run_id, path, directory).read_bytes()
        self._held[path] = _digest(content)
        return content

    def remove(self, path: str) -> None:
        """Delete an artifact, if the store can and lets us."""
        self._held.pop(path, None)
        with suppress(Exception):
            self._client.artifacts(self.run_id).delete_artifacts(path)

    def file(self, path: str, content: bytes) -> None:
        """Attach a file under the artifact path `path`."""
        with tempfile.TemporaryDirectory() as directory:
            local = Path(directory, Path(path).name)
            local.write_bytes(content)
            self._attach(local, path)
        self._held[path] = _digest(content)

    def _attach(self, local: Path, path: str) -> None:
        self._client.log_artifact(self.run_id, str(local), path.rpartition("/")[0] or None)

    def may_have(self, folder: str) -> bool:
        """Say whether there may be an artifact folder: no, if this process made the run and wrote none."""
        return not self.is_new or any(path.startswith(f"{folder}/") for path in self._held)

    def directory(self, local: Path, path: str) -> None:
        """Attach every file under `local` that the run does not hold as it is."""
        for file in sorted(found for found in local.rglob("*") if found.is_file()):
            name = f"{path}/{file.relative_to(local).as_posix()}".lstrip("/")
            digest = _digest(file.read_bytes())
            if self._held.get(name) != digest:
                self._attach(file, name)
                self._held[name] = digest

    def inputs(self, splits: Sequence[DataSplit], models: Sequence[str] = ()) -> None:
        """Link what the run reads: splits of a data set, and logged models by their id."""
        self._client.log_inputs(
            self.run_id, [split.as_input() for split in splits], [LoggedModelInput(model) for model in models]
        )


def _tags(values: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in values.items()]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
