"""A tracking store that does not answer, is locked or full: waited for, then given up with what to do."""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import (
    DatasetInput,
    Experiment,
    FileInfo,
    LoggedModelInput,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from lth.errors import InputError, MendableError
from lth.tracking.connection import ConnectionProvider
from lth.tracking.object_storage import is_not_there, storage_trouble

TrackingError = MlflowException  # what a store raises that answers, and refuses
PATIENCE = 300.0  # seconds
LAST_WORDS_SECONDS = 10.0  # that an interrupted process gives a store to hear why it ends
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds between two attempts
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}  # which no waiting mends
_AWAY = {
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
}
# How MLflow says that a server was not there, or had no better answer than 5xx.
_UNANSWERED = re.compile(r"API request to .* failed with (timeout |exception |error code (429|5\d\d))")
# The same of a server that answers, and fails to hand an artifact on.
_HANDED_ON = re.compile(r"/mlflow-artifacts/.*(too many 5\d\d error responses|failed with error code 5\d\d)")
_STATUS = re.compile(r"\b(429|5\d\d) (Server|Client) Error\b")
_MOST_A_PAGE = 1000  # runs
_KEPT = "what was finished is kept: once this is mended, the same command goes on"

Found = TypeVar("Found")


class StoreError(MendableError):
    """The tracking store or its artifacts can't be written or read now; nothing is known to be damaged."""


class PatientClient:
    """What lth uses of an `MlflowClient`; calls that meet a store which does not answer are made again.

    Args:
        patience: Seconds after which it is given up.
        say: Tells the user that it is waited for.
    """

    def __init__(self, patience: float = PATIENCE, say: Callable[[str], None] = lambda _line: None) -> None:
        self.at_once = MlflowClient()  # the same without patience, and with MLflow's own errors
        self._patience, self._say = patience, say
        self._places: dict[str, tuple[str, str]] = {}  # experiment and artifact address by run, which stay

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment."""
        return self.persist(self.at_once.get_experiment, experiment_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return the experiment of this name, deleted ones too, if there is one."""
        return self.persist(self.at_once.get_experiment_by_name, name)

    def experiment_names(self) -> list[str]:
        """Return the names of active experiments, the latest first."""
        return [str(found.name) for found in self.persist(self.at_once.search_experiments, max_results=100)]

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: dict[str, str] | None = None
    ) -> str:
        """Make an experiment, and return its id; where its artifacts go, MLflow says if nobody does."""
        return str(self.persist(self.at_once.create_experiment, name, artifact_location, tags))

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        """Set a tag of an experiment."""
        self.persist(self.at_once.set_experiment_tag, experiment_id, name, value)

    def create_run(self, experiment_id: str, *, tags: Mapping[str, str], run_name: str) -> str:
        """Make a run that is RUNNING, and return its id."""
        run = self.persist(self.at_once.create_run, experiment_id, tags=dict(tags), run_name=run_name)
        return str(self._seen(run).info.run_id)

    def get_run(self, run_id: str) -> Run:
        """Return a run."""
        return self._seen(self.persist(self.at_once.get_run, run_id))

    def search_runs(self, experiment_id: str, filter_string: str) -> list[Run]:
        """Return all active runs of an experiment that match, latest first."""
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self.persist(
                self.at_once.search_runs,
                [experiment_id],
                filter_string,
                order_by=["attributes.start_time DESC"],
                max_results=_MOST_A_PAGE,
                page_token=token,
            )
            found += map(self._seen, page)
            if not (token := page.token):
                return found

    def oldest_run(self, experiment_id: str, filter_string: str) -> Run | None:
        """Return the first active run of an experiment that matches."""
        order = ["attributes.start_time ASC"]
        page = self.persist(
            self.at_once.search_runs, [experiment_id], filter_string, order_by=order, max_results=1
        )
        return next(map(self._seen, page), None)

    def update_run(self, run_id: str, *, status: str | None = None, name: str | None = None) -> None:
        """Give a run another status or name."""
        self.persist(self.at_once.update_run, run_id, status=status, name=name)

    def set_terminated(self, run_id: str, status: str) -> None:
        """End a run."""
        self.persist(self.at_once.set_terminated, run_id, status)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""
        self.persist(self.at_once.delete_run, run_id)

    def restore_run(self, run_id: str) -> None:
        """Undo the deletion of a run."""
        self.persist(self.at_once.restore_run, run_id)

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """Set a tag of a run."""
        self.persist(self.at_once.set_tag, run_id, name, value)

    def delete_tag(self, run_id: str, name: str) -> None:
        """Remove a tag of a run, which has it."""
        self.persist(self.at_once.delete_tag, run_id, name)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        """Log numbers, parameters and tags at once."""
        self.persist(self.at_once.log_batch, run_id, metrics=metrics, params=params, tags=tags)

    def log_inputs(
        self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[LoggedModelInput] = ()
    ) -> None:
        """Link data sets and models to a run, as what it reads."""
        self.persist(self.at_once.log_inputs, run_id, datasets, models)

    def get_metric_history(self, run_id: str, name: str) -> list[Metric]:
        """Return every value of a metric of a run."""
        return list(self.persist(self.at_once.get_metric_history, run_id, name))

    def log_artifact(self, run_id: str, local: str, folder: str | None) -> None:
        """Write a file into an artifact folder of a run."""
        self.persist(self.artifacts(run_id).log_artifact, local, folder)

    def list_artifacts(self, run_id: str, folder: str) -> list[FileInfo]:
        """Return what is right in an artifact folder of a run."""
        return list(self.persist(self.artifacts(run_id).list_artifacts, folder))

    def fetch(self, run_id: str, path: str, directory: str) -> Path:
        """Copy an artifact that is a file into `directory` and return where it is there.

        MLflow's own method asks first if it is a folder, and says of every failure that the path is wrong, also
        of one that would pass. What copies a file is what every repository of artifacts must have.

        Raises:
            InputError: If the path leads out of the directory.
        """
        target = Path(directory, path)
        if not target.resolve().is_relative_to(Path(directory).resolve()):
            raise InputError(f"the artifact {path!r} of run {run_id} lies outside its folder; leave out ..")
        target.parent.mkdir(parents=True, exist_ok=True)
        self.persist(self.artifacts(run_id)._download_file, path, str(target))
        return target

    def artifact_uri(self, run_id: str) -> str:
        """Return where the artifacts of a run are."""
        return self._place(run_id)[1]

    def experiment_id(self, run_id: str) -> str:
        """Return the experiment that a run is in."""
        return self._place(run_id)[0]

    def artifacts(self, run_id: str) -> ArtifactRepository:
        """Return what reads and writes the artifacts of a run, and whose methods are not called again."""
        return get_artifact_repository(self.artifact_uri(run_id), tracking_uri=get_tracking_uri())

    def _place(self, run_id: str) -> tuple[str, str]:
        if run_id not in self._places:
            self.get_run(run_id)
        return self._places[run_id]

    def _seen(self, run: Run) -> Run:
        """Remember where a run and its artifacts are."""
        self._places[str(run.info.run_id)] = str(run.info.experiment_id), str(run.info.artifact_uri)
        return run

    @contextmanager
    def in_a_hurry(self) -> Iterator[PatientClient]:
        """Give up at the first attempt, for as long as the block lasts."""
        patience, self._patience = self._patience, 0.0
        try:
            yield self
        finally:
            self._patience = patience

    def persist(self, call: Callable[..., Found], *arguments: object, **named: object) -> Found:
        """Return what `call` returns, after calling it again for as long as the store does not answer.

        Raises:
            StoreError: If it does not for longer than the patience, or refuses access.
        """
        began, pause, has_said = time.monotonic(), _FIRST_PAUSE, False
        while True:
            try:
                found = call(*arguments, **named)
            except Exception as error:  # the libraries of object stores have no error in common
                waited = time.monotonic() - began
                if is_not_there(error):  # as other places of artifacts say it
                    raise FileNotFoundError(errno.ENOENT, one_line(error)) from error
                if (reason := _reason(error)) is None:
                    raise
                if not _passes(error) or waited + pause > self._patience:
                    raise StoreError(f"{reason}; {_KEPT}") from error
                if not has_said:
                    self._say(f"{reason}; trying again for up to {self._patience:.0f} s")
                    has_said = True
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if has_said:
                self._say(f"the tracking store answers again, after {time.monotonic() - began:.0f} s")
            return found


def set_request_defaults() -> None:
    """Let MLflow ask a server few times and without stalls, and print nothing, unless the user wants it so.

    `patience` waits longer, and says so.
    """
    ConnectionProvider.is_wanted = True
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one bar a file says nothing
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # for which it asks for the run
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds until an answer begins
    for name in ("mlflow.store.db.utils", "urllib3.connectionpool"):  # which print tracebacks of what is told
        logging.getLogger(name).setLevel(logging.CRITICAL)


def within(seconds: float, call: Callable[[], object]) -> None:
    """Do something beside this thread, and wait no longer than that for its end; errors are dropped.

    It is for last words to a store which may accept a request and never answer it.
    """

    def attempt() -> None:
        with suppress(Exception):
            call()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)


def without_password(text: str) -> str:
    """Return a text with the user and the password of every address in it masked."""
    return re.sub(r"//[^/\s]*@", "//***@", text)


def told(error: Exception) -> str | None:
    """Return what a user can do about an error of the store, the disk or the memory; None if it is another.

    Such errors are said in one line. All others are faults of lth, whose traceback is wanted.
    """
    text = one_line(error)
    if isinstance(error, StoreError):
        return text
    if isinstance(error, MlflowException):
        return f"the tracking store refused: {text}"
    if isinstance(error, OSError):
        return f"a file can't be read or written: {text}"
    if is_of_memory(error):
        return f"the memory did not suffice ({text}); lower batch_size or, for measuring, hessian_examples"
    return None


def is_of_memory(error: Exception) -> bool:
    """Say whether the memory did not suffice, of the machine or of a GPU; that of a store is its own."""
    text = str(error)
    if isinstance(error, MlflowException | OSError):
        return False
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def one_line(error: Exception) -> str:
    """Return what an error says, in one line that is not too long, without passwords."""
    return without_password(" ".join(str(error).split()))[:1000]


def _reason(error: Exception) -> str | None:
    """Return what is wrong with the store and what to do; None if it answered, and said something else."""
    text = one_line(error)
    if (trouble := storage_trouble(error)) is not None:
        return f"the artifacts can't be reached ({text}): {trouble.remedy}"
    if not isinstance(error, MlflowException | OSError):
        return None
    numbers = _numbers(error)
    if numbers & _FULL:
        return f"the disk of the artifacts is full ({text}): make room there"
    if numbers & _REFUSED:
        return f"the artifacts can't be written ({text}): make their folder writable"
    if _UNANSWERED.search(text) and "/mlflow-artifacts/" not in text:
        return f"the tracking server does not answer ({text}): see that it runs"
    if numbers & _AWAY or _STATUS.search(text) or _has_no_answer(error):
        return f"the artifacts can't be reached ({text}): see that their place is there"
    if isinstance(error, MlflowException) and error.error_code == "TEMPORARILY_UNAVAILABLE":
        return f"the tracking store does not answer ({text}): see that it runs and is not locked or full"
    if _UNANSWERED.search(text) and _HANDED_ON.search(text):
        return (
            f"the tracking server can't reach its artifacts ({text}): its log says why; see that their place "
            "is there, and that the server has its credentials"
        )
    if _UNANSWERED.search(text):
        return f"the tracking server does not answer ({text}): see that it runs"
    return None


def _passes(error: Exception) -> bool:
    """Say whether waiting may mend an error that has a reason."""
    trouble = storage_trouble(error)
    if trouble is not None:
        return trouble.passes
    return not (isinstance(error, MlflowException | OSError) and _numbers(error) & _REFUSED)


def _numbers(error: MlflowException | OSError) -> set[int]:
    """Return the errno; where MLflow or a copied tree put others into words, those."""
    named = {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
    return {error.errno} if isinstance(error, OSError) and error.errno is not None else named


def _has_no_answer(error: MlflowException | OSError) -> bool:
    """Say whether it is one of the requests library's, of a request that nobody answered."""
    return hasattr(error, "response") and error.response is None
