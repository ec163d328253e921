"""Finding finished runs by their content key, and opening new ones that always end with a status."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from lth.errors import InputError
from lth.setting.door import command_line
from lth.tracking.address import check_address, database_of, is_missing, local_folder, opening, store_name
from lth.tracking.client import (
    LAST_WORDS_SECONDS,
    PATIENCE,
    PatientClient,
    StoreError,
    one_line,
    within,
    without_password,
)
from lth.tracking.description import IN_FULL, is_short_of
from lth.tracking.lease import ASKING, BEGUN, CLAIMED, Leases, ask, asks, rest
from lth.tracking.lookup import KEY as KEY
from lth.tracking.lookup import STUDY as STUDY
from lth.tracking.lookup import Lookup, indexed
from lth.tracking.process import (
    PROCESS,
    described,
    is_alive,
    is_heard_of,
    is_own,
    names_process,
    ownership,
)
from lth.tracking.project.experiment import (
    EXPERIMENT_NAME,
    experiment_of,
    launched_run,
    launched_run_id,
    named_experiment,
)
from lth.tracking.project.silent import never_started
from lth.tracking.relocation import moved_to
from lth.tracking.run import NOTE, LostRunError, RunLog
from lth.tracking.server import check_server
from lth.tracking.system import measured_system
from lth.tracking.ui import has_view, is_served, run_address, runs_address, view_tag

PRECISION = "lth.precision"  # on every run of a study since version 2 of keys: what `auto` came to
REUSED = "lth.reused_run_id"  # on a run that found its result in another
FAILURE = "lth.failure"
FROM_RUN = "lth.from_run"  # on runs that continue the lineage of another study
COMPUTED_BY = "lth.computed_by"  # what decides the bits of a training besides its key
FRESH = "lth.fresh"  # on runs that `fresh` began
LOST = "lth.lost"  # on a finished run whose files are gone: where they were looked for
FoundRun = Run  # as the store returns it
_NOBODY = "nobody any more"  # writes a run that has ended without finishing
_PARENT = "mlflow.parentRunId"


class Store:
    """The runs of one experiment on the tracking store that MLflow is configured for.

    Args:
        patience: Seconds to wait for it where it does not answer, once it was opened.
        waits: Whether it is waited for while it is opened, too: its address is known to be right.
        say: Tells the user that it is waited for, and what was found dead.
        adopts: Whether a result may go to the run that `mlflow run` created for this process.
        creates: Whether store and experiment are made where they are not there.
        experiment: By name; by default what `mlflow run` or the environment says, else `lth`.
        of_run: A run whose experiment it is, instead.

    Raises:
        StoreError: If it can't be opened.
        InputError: If it or the experiment is not there and not to be made, or the environment names what is
            not there.
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        say: Callable[[str], None] = lambda _line: None,
        *,
        adopts: bool = True,
        creates: bool = True,
        experiment: str | None = None,
        of_run: str | None = None,
        waits: bool = False,
    ) -> None:
        self._say = say
        launched = self._connect(patience, creates=creates, experiment=experiment, of_run=of_run, waits=waits)
        self._launched = self._adoptable(launched) if adopts and launched is not None else None
        self._lookup = Lookup(self._client, self._experiment)
        self._leases = Leases(self._client, self.experiment_id, self.search)

    def _connect(
        self, patience: float, *, creates: bool, experiment: str | None, of_run: str | None, waits: bool
    ) -> Run | None:
        """Find the experiment, and return the run that `mlflow run` created, or that is named as if it had."""
        uri = get_tracking_uri()
        check_address(uri)
        check_server(uri)
        is_new = is_missing(uri)
        if is_new and not creates:
            raise InputError(
                f"there is no tracking store {store_name()}; go to the folder that has it, or set "
                "MLFLOW_TRACKING_URI to it"
            )
        try:
            with opening(uri):
                self._client = PatientClient(patience, self._say)  # which makes the tables of a new store
                with nullcontext() if waits else self._client.in_a_hurry():
                    launched = launched_run(self._client) if experiment is of_run is None else None
                    if of_run is not None:
                        of_it = self.run(of_run).info.experiment_id
                        self._experiment = self._client.get_experiment(of_it)
                    elif experiment is not None:
                        self._experiment = named_experiment(self._client, experiment, creates=creates)
                    else:
                        self._experiment = experiment_of(self._client, launched, creates=creates)
        except ValueError:
            raise
        except Exception as error:  # MLflow lets through whatever its stores raise
            raise StoreError(
                f"the tracking store {store_name()} can't be opened; {_remedy(error)} ({one_line(error)})"
            ) from error
        self.experiment_id = str(self._experiment.experiment_id)
        self._check_artifacts()
        if is_new:
            self._say(f"there was no tracking store {store_name()} yet: it is new, and nothing is found in it")
        return launched

    def _check_artifacts(self) -> None:
        """Check that the folder of the experiment's artifacts is there, if there must be one.

        Raises:
            InputError: If the experiment has results, and the folder is not there.
        """
        location, database = str(self._experiment.artifact_location), database_of(get_tracking_uri())
        said = local_folder(location)
        if said is None:
            return
        now = None if database is None else moved_to(location, database.parent)
        if not said.is_dir():
            if self.oldest("tags.level LIKE '%' AND attributes.status = 'FINISHED'") is not None:
                raise InputError(_lost_folder(f"experiment {self._experiment.name}", said, now))
        elif now is not None and database is not None and not said.is_relative_to(database.parent):
            self._say(
                f"the artifacts of experiment {self._experiment.name} are in {said}, although {now} is there: "
                f"if this store is a copy, let `{command_line('relocate')}` give it its own"
            )

    @property
    def address(self) -> str:
        """Where another process finds it; it may hold a password."""
        return str(get_tracking_uri())

    @property
    def experiment_name(self) -> str:
        """The experiment, by name."""
        return str(self._experiment.name)

    @property
    def description(self) -> str:
        """Where runs are found and logged, for a person; where artifacts are, if not beside that."""
        named = f"{store_name()}, experiment {self._experiment.name}"
        said, database = local_folder(self._experiment.artifact_location), database_of(get_tracking_uri())
        if said is None or database is None or said.is_relative_to(database.parent):
            return named
        return f"{named}, its artifacts in {said}"

    def unused(self) -> list[str]:
        """Say what a user may expect to be used and is not, because `mlflow run` chose otherwise."""
        if launched_run_id() is None:
            return []
        lines = []
        own, database = Path("mlflow.db").absolute(), database_of(get_tracking_uri())
        if own.is_file() and database != own:
            lines.append(f"the store of this folder, {own}, is not used: `mlflow run` was begun elsewhere")
        if self._experiment.name == "Default" and EXPERIMENT_NAME in self.other_experiments():
            lines.append(
                f"what experiment {EXPERIMENT_NAME} of this store holds is neither found nor added to: "
                f"`mlflow run` chose Default; --experiment-name={EXPERIMENT_NAME} chooses the other"
            )
        return lines

    def other_experiments(self) -> list[str]:
        """Return the names of the other experiments of the store, the latest first."""
        return [name for name in self._client.experiment_names() if name != self._experiment.name]

    def _adoptable(self, launched: Run) -> str | None:
        """Return the run that MLFLOW_RUN_ID names if a result may go there; say so if it may not."""
        run_id = str(launched.info.run_id)
        reason = _why_kept(launched)
        if reason is None and not self._client.list_artifacts(run_id, ""):
            return run_id
        reason = reason or "holds files"
        self._say(
            f"MLFLOW_RUN_ID names run {run_id} ({launched.info.run_name}), which {reason}: it stays as it is, "
            "and what is done now gets runs of its own"
        )
        return None

    def find(self, key: str) -> str | None:
        """Return the latest finished run of this content key."""
        return next((str(run.info.run_id) for run in self.of_key(key) if is_finished(run)), None)

    def alive(self, key: str) -> Run | None:
        """Return the run in which another process that is alive does the task of this key, if there is one."""
        return next(filter(is_busy, self.of_key(key)), None)

    def of_key(self, key: str) -> list[Run]:
        """Return every run of this content key, latest first; none that only asks for its task."""
        return [run for run in self._lookup.runs(KEY, key) if not asks(run)]

    def of_study(self, study: str) -> list[Run]:
        """Return every run of a study, latest first; none that only asks for its task."""
        return [run for run in self._lookup.runs(STUDY, study) if not asks(run)]

    @property
    def first_before(self) -> Run | None:
        """The first result that the experiment holds, if an earlier version wrote it, in another way."""
        return self._lookup.first_before

    def close_dead(self) -> list[str]:
        """Mark every run whose process died without a word as KILLED, say so, and return their names."""
        closed = []
        for found in self.search("attributes.status = 'RUNNING'"):
            if _why_dead(found) is None:
                continue
            run = self.run(found.info.run_id)  # it may have been taken over meanwhile
            if run.info.status != "RUNNING" or (reason := _why_dead(run)) is None:
                continue
            if CLAIMED in run.data.tags or asks(run):
                self._client.delete_run(run.info.run_id)
                continue
            self.disown(run.info.run_id, reason)
            left = "by a process that is gone" if names_process(run.data.tags) else f"({reason})"
            self._say(f"{run.info.run_name} was left running {left}: marked KILLED")
            closed.append(str(run.info.run_name))
        return closed

    def disown(self, run_id: str, reason: str) -> None:
        """Mark a run whose process is gone as KILLED, and as nobody's."""
        note = f"**KILLED**: {reason}. The same command goes on from what it kept."
        RunLog(self._client, run_id, "").tags({FAILURE: reason, NOTE: note, PROCESS: _NOBODY})
        self._client.set_terminated(run_id, "KILLED")

    def search(self, filter_string: str) -> list[Run]:
        """Return the active runs that match, latest first."""
        return self._client.search_runs(self.experiment_id, filter_string)

    def oldest(self, filter_string: str) -> Run | None:
        """Return the first active run that matches."""
        return self._client.oldest_run(self.experiment_id, filter_string)

    def run(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            ValueError: If the store has none of this id.
        """
        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            raise InputError(
                f"there is no run {run_id!r} in this tracking store, {store_name()}: {error.message}"
            ) from error

    def latest_metrics(self, run_id: str) -> dict[str, float]:
        """Return the last value of every metric of a run."""
        return dict(self.run(run_id).data.metrics)

    def note(self, run_id: str) -> str:
        """Return the description of a run, in full."""
        said = str(self.run(run_id).data.tags.get(NOTE, ""))
        if not is_short_of(said):
            return said
        with tempfile.TemporaryDirectory() as directory:
            return self.fetch(run_id, IN_FULL, directory).read_text()

    def steps(self, run_id: str, metric: str) -> set[int]:
        """Return the steps at which a run has a metric."""
        return set(self.history(run_id, metric))

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Return the values of a metric of a run by step, the last one of each."""
        points = self._client.get_metric_history(run_id, metric)
        return {point.step: point.value for point in sorted(points, key=lambda point: point.timestamp)}

    @contextmanager
    def open(
        self, name: str, tags: Mapping[str, str], *, parent: str | None = None, adopt: bool = False
    ) -> Iterator[RunLog]:
        """Open a run for writing; it ends FINISHED, FAILED with its reason as a tag, or KILLED.

        If the task of this key was begun before and its process did not finish it, that run is taken over.

        Args:
            name: What the UI calls it.
            tags: Set at once; among them the content key.
            parent: The run it is shown under.
            adopt: Write to the run that `mlflow run` created for this process, if it is still unused.
        """
        tags = self._marked(tags, parent)
        with self._open(name, tags, self.of_key(tags[KEY]), parent, adopt=adopt) as run:
            yield run

    @contextmanager
    def _open(
        self,
        name: str,
        tags: Mapping[str, str],
        begun: Sequence[Run],
        parent: str | None,
        *,
        adopt: bool,
        asked: RunLog | None = None,
    ) -> Iterator[RunLog]:
        """Open a run: the one that is unfinished, that of `mlflow run`, the one that asked, or a new one."""
        unfinished = _unfinished(begun, tags)
        if unfinished is None:
            self._say_where_begun(name, begun, tags)
            adopted = self._adopt(name, tags) if adopt else None
            with self._ended(adopted or asked or self._create(name, tags)) as run:
                yield run
            return
        if unfinished == self._launched:
            self._launched = None  # begun under it before, and taken over without a pointer
        with ExitStack() as stack:
            if adopt and (pointer := self._point_to(unfinished, name, parent)) is not None:
                stack.enter_context(self._ended(pointer))
            run = RunLog(self._client, unfinished, name, self._logged(unfinished))
            self._reopen(run, tags)
            yield stack.enter_context(self._ended(run))

    @contextmanager
    def open_alone(
        self, name: str, tags: Mapping[str, str], *, parent: str | None = None, adopt: bool = False
    ) -> Iterator[RunLog | None]:
        """Open a run as `open` does; None where another process has done the task of this key, or is at it.

        A task that is done anew, whatever there is, is None only while another process opens a run of it.
        """
        with ExitStack() as stack:
            marked = self._marked(tags, parent)
            asked = self._create(name, {**marked, **ASKING})
            run: RunLog | None = None
            try:
                is_ours, others = ask(
                    asked.run_id, lambda: self._lookup.runs(KEY, tags[KEY]), _is_taken, anew=FRESH in tags
                )
                if is_ours:
                    begun = [other for other in others if not asks(other)]
                    opening = self._open(name, marked, begun, parent, adopt=adopt, asked=asked)
                    run = stack.enter_context(opening)
            except BaseException:
                with self._client.in_a_hurry():  # else it ends with this process
                    within(LAST_WORDS_SECONDS, lambda: self._client.delete_run(asked.run_id))
                raise
            self._settle(asked, run, [other for other in others if asks(other)])
            yield run

    def _settle(self, asked: RunLog, run: RunLog | None, rivals: Sequence[Run]) -> None:
        """End what only asks for a task: our run, unless it is the task's now, and those of the dead."""
        if run is asked:
            run.mark(BEGUN)
        else:
            self._client.delete_run(asked.run_id)
        if run is None and rivals:
            rest()
        for rival in rivals:
            if run is not None and is_alive(rival.data.tags) is False:
                self._client.delete_run(rival.info.run_id)

    def _say_where_begun(self, name: str, begun: Sequence[Run], tags: Mapping[str, str]) -> None:
        """Say why a task that another process began, and no longer is at, is not gone on with."""
        others = [(run, begun_by) for run in begun if _is_abandoned(run) and (begun_by := _begun_by(run, tags))]
        if others:
            run, begun_by = others[0]
            self._say(
                f"{name} was begun in run {run.info.run_id} by {begun_by}; here is {tags.get(COMPUTED_BY)}, "
                "which would go on to other bits: starting over"
            )

    def leased(self, key: str) -> AbstractContextManager[bool]:
        """Keep all other processes from the task of a key while the block lasts; False where one keeps us."""
        return self._leases.leased(key)

    @contextmanager
    def resume(self, run_id: str) -> Iterator[RunLog]:
        """Open a run that has ended, to add what it lacks; it ends anew as `open` says."""
        run = RunLog(self._client, run_id, "")
        self._reopen(run, ownership())
        with self._ended(run):
            yield run

    @contextmanager
    def attending(self) -> Iterator[None]:
        """Show that the run which `mlflow run` created is alive, for as long as the block lasts."""
        if self._launched is None:
            yield
            return
        run = RunLog(self._client, self._launched, "")
        run.tags(ownership())  # it would else stay RUNNING for ever if this process were killed
        with run.beating():
            yield

    def mark_lost(self, run_id: str, sought: str) -> None:
        """Note on a run that what it held is gone, so that it is found no more."""
        self.append(run_id).tags({LOST: sought})

    def append(self, run_id: str) -> RunLog:
        """Return a log that adds to a run that exists; its status stays as it is."""
        return RunLog(self._client, run_id, "")

    def point_to(self, found: str, name: str, parent: str | None = None) -> None:
        """Turn the run that `mlflow run` created, if it is unused, into a pointer to the run `found`."""
        if (pointer := self._point_to(found, name, parent)) is not None:
            self._client.set_terminated(pointer.run_id, "FINISHED")

    def files(self, run_id: str, path: str) -> list[str]:
        """Return the paths of the files right in an artifact folder of a run; empty if there is none."""
        return [str(file.path) for file in self._client.list_artifacts(run_id, path) if not file.is_dir]

    def every_file(self, run_id: str, folder: str = "") -> Iterator[str]:
        """Yield the path of every artifact of a run, also of those in folders."""
        for file in self._client.list_artifacts(run_id, folder):
            if file.is_dir:
                yield from self.every_file(run_id, str(file.path))
            else:
                yield str(file.path)

    def missing(self, run_id: str, path: str) -> str | None:
        """Return where an artifact of a finished run was looked for in vain; None if it is there.

        Raises:
            InputError: If it lies elsewhere, because the store was moved.
        """
        folder, _, name = path.rpartition("/")
        there = self._client.list_artifacts(run_id, folder)
        if any(Path(file.path).name == name for file in there):
            return None
        location, database = self._client.artifact_uri(run_id), database_of(get_tracking_uri())
        now = None if database is None else moved_to(location, database.parent)
        if now is not None and (now / path).exists():
            raise InputError(_lost_folder(f"run {run_id}", local_folder(location) or Path(location), now))
        return f"{self.artifacts_of(run_id)}/{path}"

    def artifacts_of(self, run_id: str) -> str:
        """Return where the artifacts of a run are, for a person."""
        location = self._client.artifact_uri(run_id)
        return without_password(str(local_folder(location) or location))

    def local_file(self, run_id: str, path: str) -> Path | None:
        """Return the file of an artifact, if it is one of this machine."""
        folder = local_folder(self._client.artifact_uri(run_id))
        return folder / path if folder is not None and (folder / path).is_file() else None

    def fetch(self, run_id: str, path: str, directory: str) -> Path:
        """Copy an artifact of a run that is a file into `directory` and return where it is there."""
        return self._client.fetch(run_id, path, directory)

    def link(self, run_id: str) -> str:
        """Return the address of a run in the UI: of the tracking server, else of one that `make ui` starts."""
        return run_address(self.experiment_id, run_id)

    @property
    def is_served(self) -> bool:
        """Whether the store is behind a tracking server, which has the UI."""
        return is_served(get_tracking_uri())

    def runs_address(self, view: str) -> str:
        """Return the address in the UI that shows the runs of the experiment, as a view where it has that."""
        return runs_address(self._experiment, view)

    def offer_views(self, views: Mapping[str, Mapping[str, object]]) -> None:
        """Give the experiment those views of its runs that it has not, by name; once."""
        missing = [view for view in views if not has_view(self._experiment, view)]
        for view in missing:
            self._client.set_experiment_tag(self.experiment_id, view_tag(view), json.dumps(views[view]))
        if missing:
            self._experiment = self._client.get_experiment(self.experiment_id)

    def where(self, run_id: str, path: str) -> str:
        """Return where a person finds an artifact: its file on this machine, else its address in the UI."""
        folder = local_folder(self._client.artifact_uri(run_id))
        return run_address(self.experiment_id, run_id, path) if folder is None else str(folder / path)

    @staticmethod
    def _marked(tags: Mapping[str, str], parent: str | None) -> dict[str, str]:
        """Return tags with those by which a run is found, and its process and parent known."""
        return {**indexed(tags), **ownership(), **({_PARENT: parent} if parent else {})}

    def _create(self, name: str, tags: Mapping[str, str]) -> RunLog:
        context = resolve_tags({})  # user, source and commit, as MLflow's own start_run sets them
        run_id = self._client.create_run(self.experiment_id, tags={**context, **tags}, run_name=name)
        return RunLog(self._client, run_id, name, is_new=True)

    def _adopt(self, name: str, tags: Mapping[str, str]) -> RunLog | None:
        """Make the run of `mlflow run` that of a task; None if there is none, or another command has it."""
        run_id, self._launched = self._launched, None
        if run_id is None or _why_kept(self.run(run_id)) is not None:
            return None
        self._client.update_run(run_id, name=name)
        run = RunLog(self._client, run_id, name, self._logged(run_id))
        run.tags(tags)
        return run

    def _logged(self, run_id: str) -> frozenset[tuple[str, int, float]]:
        return frozenset(
            (name, point.step, point.value)
            for name in self.run(run_id).data.metrics
            for point in self._client.get_metric_history(run_id, name)
        )

    def _reopen(self, run: RunLog, tags: Mapping[str, str]) -> None:
        present = self.run(run.run_id).data.tags
        if FAILURE in present:  # and the description says it too
            for tag in {FAILURE, NOTE} & present.keys():
                self._client.delete_tag(run.run_id, tag)
        run.tags(tags)  # first: running in the name of a dead process, it could be closed by another
        self._client.update_run(run.run_id, status="RUNNING")

    def _close(self, run: RunLog, status: str, reason: str) -> None:
        run.check_owner()  # one that took it over while this process was away says how it ends
        note = f"**{status}**: {reason}"
        run.tags({FAILURE: reason[:5000], NOTE: note[:5000], PROCESS: _NOBODY})
        self._client.set_terminated(run.run_id, status)
        run.flush()

    def _point_to(self, found: str, name: str, parent: str | None) -> RunLog | None:
        tags = {REUSED: found, "kind": "reused", **({_PARENT: parent} if parent else {})}
        pointer = self._adopt(f"{name} (found)", tags)
        if pointer is not None:
            link = f"[{found}](#/experiments/{self.experiment_id}/runs/{found})"
            pointer.note(f"**{name}** is in run {link}, where it was found or begun.")
            pointer.flush()
        return pointer

    @contextmanager
    def _ended(self, run: RunLog) -> Iterator[RunLog]:
        """Give a run its status when the work on it ends, however it ends."""
        try:
            with run.beating(), measured_system(run.run_id):
                yield run
            run.flush()
        except LostRunError:
            raise
        except BaseException as error:
            killed = isinstance(error, KeyboardInterrupt)
            reason = "interrupted" if killed else without_password(f"{type(error).__name__}: {error}")
            # A store that is away now finds the run dead later; what is raised is why it ended.
            with self._client.in_a_hurry():
                within(LAST_WORDS_SECONDS, lambda: self._close(run, "KILLED" if killed else "FAILED", reason))
            raise
        try:
            self._client.set_terminated(run.run_id, "FINISHED")
        except MlflowException:
            if is_active(self.run(run.run_id)):  # else a user has just deleted it
                raise


def is_finished(run: Run) -> bool:
    """Say whether a run holds the whole result of its task."""
    return bool(run.info.status == "FINISHED") and LOST not in run.data.tags


def model_of(run: Run) -> str | None:
    """Return the id of the model that a run logged last; None if it logged none."""
    logged = run.outputs.model_outputs if run.outputs is not None else []
    return str(logged[-1].model_id) if logged else None


def is_active(run: Run) -> bool:
    """Say whether a run was not deleted."""
    return bool(run.info.lifecycle_stage == "active")


def is_busy(run: Run) -> bool:
    """Say whether another process that is alive is at the task of a run.

    At one that it finished it is not, though what it held may be lost. One that failed or was killed may be
    kept up a while longer; a process that lives on long after that, as a notebook does, is at other things.
    """
    tags, status = run.data.tags, run.info.status
    at_it = status in ("RUNNING", "SCHEDULED") or (status != "FINISHED" and is_heard_of(tags))
    return at_it and is_alive(tags) is True and not is_own(tags)


def _is_taken(run: Run) -> bool:
    """Say whether a run keeps all others from its task."""
    return is_finished(run) or is_busy(run)


def _unfinished(begun: Sequence[Run], wanted: Mapping[str, str]) -> str | None:
    """Return the latest run of a key that no process works on any more, and that did not finish.

    One that other bits were computed in, on another machine say, is left as it is; and for `fresh`, one
    that was not begun so.
    """
    for run in begun:
        if (
            _is_abandoned(run)
            and _begun_by(run, wanted) is None
            and (FRESH in run.data.tags or FRESH not in wanted)
        ):
            return str(run.info.run_id)
    return None


def _is_abandoned(run: Run) -> bool:
    tags, running = run.data.tags, run.info.status == "RUNNING"
    alive = is_alive(tags)
    abandoned = alive is False or (not running and (alive is None or is_own(tags)))
    return bool(run.info.status != "FINISHED" and abandoned)


def _begun_by(run: Run, wanted: Mapping[str, str]) -> str | None:
    """Return what computes a run, if its bits are others than are wanted."""
    begun_by = run.data.tags.get(COMPUTED_BY)
    return None if begun_by == wanted.get(COMPUTED_BY) else begun_by


def _why_dead(run: Run) -> str | None:
    """Return why no process can be at a run that is RUNNING; None if one may be."""
    if is_alive(run.data.tags) is False:
        return f"{described(run.data.tags)} is gone"
    return never_started(run)


def _why_kept(run: Run) -> str | None:
    """Return why no result may be written to a run, though MLFLOW_RUN_ID names it; None if one may.

    `mlflow run` makes a run that is RUNNING and empty. In a shell or a project of several commands the variable
    may name any other: what such a run holds must not be written over.
    """
    tags = run.data.tags
    if not is_active(run):
        return "was deleted"
    if run.info.status != "RUNNING":
        return f"is {run.info.status}"
    if is_alive(tags) and not is_own(tags):
        return f"{described(tags)} is writing"
    if tags.keys() & {KEY, REUSED, CLAIMED}:
        return "holds a result"
    return "holds numbers" if run.data.metrics else None


def is_for_us(run: Run) -> bool:
    """Say whether the run that MLFLOW_RUN_ID names is this command's, to end and to explain."""
    if is_own(run.data.tags):
        return bool(run.info.status == "RUNNING")
    return _why_kept(run) is None and not MlflowClient().list_artifacts(run.info.run_id)


def _lost_folder(of: str, said: Path, now: Path | None) -> str:
    """Return what is known of artifacts that are not where the store says, and what to do."""
    command = f"`{command_line('relocate')}`"
    sought = f"the artifacts of {of} are not in {said}, where the tracking store {store_name()} says they are"
    if now is not None:
        return f"{sought}, but in {now}: {command} corrects that"
    return (
        f"{sought}; if they were moved, {command} with -P folder=… of the folder that has them now corrects "
        f"that; if they were deleted, `mkdir -p {said}`, and what is needed is computed again"
    )


def _remedy(error: Exception) -> str:
    """Return what a user can do about a store that can't be opened."""
    if "out-of-date database schema" in str(error):
        return f"make a backup of it, then let `mlflow db upgrade {store_name()}` bring it up to date"
    if "filesystem tracking backend" in str(error):
        return (
            "MLflow takes its address for a folder of files; for a database, write sqlite:////path/to/mlflow.db"
        )
    if "Can't locate revision" in str(error):
        return "a later MLflow made it: install that, or a later one"
    return "start it, or correct MLFLOW_TRACKING_URI"


def explain_launched_run(reason: str) -> None:
    """Write why it failed on the run that `mlflow run` created for this process, unless it says so already."""
    run_id = launched_run_id()
    if run_id is None:
        return
    client = MlflowClient()
    run = client.get_run(run_id)
    if is_for_us(run) and FAILURE not in run.data.tags:
        entry_point = run.data.tags.get("mlflow.project.entryPoint", "run")
        client.update_run(run_id, name=f"{entry_point} (failed)")
        client.set_tag(run_id, FAILURE, reason[:5000])
        client.set_tag(run_id, NOTE, f"**FAILED**: {reason}")
