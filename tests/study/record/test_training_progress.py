"""The progress of a training among the artifacts of a real run: kept, found again, or refused with a word."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils.file_utils import local_file_uri_to_path
from problems import assert_same_state, dense_solution

from lth.sealed import step_of
from lth.solution.checkpoint import TRAJECTORY
from lth.solution.progress_file import KIND, KeptProgress, write_progress
from lth.study.record.load import CHECKPOINT
from lth.study.record.training_progress import ProgressKeeper
from lth.tracking import folder
from lth.tracking.client import PatientClient
from lth.tracking.folder import PROGRESS, clear_progress
from lth.tracking.process import PROCESS, ownership
from lth.tracking.run import LostRunError, RunLog
from lth.tracking.store import Store
from lth.training.train import Progress, TrainingState

WK = dense_solution().rewind
HISTORY = dense_solution().history


class Clock:
    """A time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(folder, "time", clock)
    monkeypatch.setattr("lth.study.record.training_progress.time", clock)
    return clock


class Kept:
    """A run, and a keeper of it for every process that trains on it."""

    def __init__(self, directory: Path) -> None:
        store = Store()
        info = MlflowClient().create_run(store.experiment_id).info
        self.run_id = info.run_id
        self._artifacts = Path(local_file_uri_to_path(info.artifact_uri))
        self.log = RunLog(PatientClient(), self.run_id, "")
        self.said: list[str] = []
        self._directory = directory
        self._processes = 0

    def keeper(self, key: str = "key", environment: str = "here", every: float = 30.0) -> ProgressKeeper:
        """Return the keeper of a process that begins now."""
        self._processes += 1
        directory = self._directory / str(self._processes)
        directory.mkdir()
        return ProgressKeeper(self.log, directory, key, environment, every, self.said.append)

    def find(self, keeper: ProgressKeeper) -> Progress | None:
        self.said.clear()
        return keeper.find()

    def found_step(self, **options: str) -> int | None:
        """Return the step that a process which begins now goes on from."""
        found = self.find(self.keeper(**options))
        return None if found is None else found.state.step

    def artifact(self, pattern: str) -> Path:
        """Return where the store has the one artifact of this pattern."""
        (path,) = self._artifacts.rglob(pattern)
        return path

    def progress_at(self, step: int) -> Path:
        return self.artifact(f"{PROGRESS}/step-{step:09d}-*.safetensors")

    def steps(self) -> list[int]:
        return sorted(step_of(name, KIND) for name in self.log.files(PROGRESS))

    def trajectory(self) -> dict[str, bytes]:
        """Return the snapshots that the latest process has where it builds the checkpoint."""
        folder = self._directory / str(self._processes) / TRAJECTORY
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def kept(experiment, tmp_path) -> Kept:
    return Kept(tmp_path)


def at(step: int) -> Progress:
    """Return the progress at a step, told from that at another by its weights too."""
    moved = WK.weights.map(lambda tensor: tensor + step)
    state = TrainingState(moved, {name: tensor + step for name, tensor in WK.momentum.items()}, step)
    return Progress(state, WK if step > WK.step else None, HISTORY[: step // 5])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_run_without_progress_begins_at_the_start_and_says_nothing(kept):
    assert kept.found_step() is None
    assert kept.said == []


def test_the_latest_progress_is_gone_on_from(kept):
    keeper = kept.keeper()
    for step in (3, 8, 12):
        keeper.keep(at(step))
    found = kept.find(kept.keeper())
    assert_same_state(found.state, at(12).state)
    assert_same_state(found.captured, WK)
    assert found.history == HISTORY[:2]
    assert kept.said == []


def test_the_latest_step_counts_and_not_the_first_digit_of_its_name(kept):
    keeper = kept.keeper()
    for step in (9, 10):
        keeper.keep(at(step))
    assert kept.found_step() == 10


def test_at_most_two_files_are_kept_and_they_are_the_latest(kept):
    keeper = kept.keeper()
    for step in (3, 8, 12, 13, 100):
        keeper.keep(at(step))
        assert len(kept.steps()) <= 2
    assert kept.steps() == [13, 100]


def test_at_most_two_files_are_kept_of_the_start_too(kept):
    """A training interrupted before its first step is over keeps its start."""
    keeper = kept.keeper()
    for step in (0, 1, 2):
        keeper.keep(at(step))
    assert kept.steps() == [1, 2]


def test_progress_kept_twice_at_one_step_is_gone_on_from(kept):
    keeper = kept.keeper()
    for history in ((), HISTORY[:1], HISTORY[:2]):
        keeper.keep(replace(at(5), history=history))
    assert kept.steps() == [5, 5]
    assert kept.found_step() == 5


@pytest.mark.parametrize("spoil", [damage, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_where_the_latest_is_damaged_the_one_before_is_gone_on_from_and_that_is_said(kept, spoil):
    keeper = kept.keeper()
    for step in (3, 8):
        keeper.keep(at(step))
    name = kept.progress_at(8).name
    spoil(kept.progress_at(8))
    assert kept.found_step() == 3
    if kept.steps() == [3]:
        return  # what is not there needs no word
    (said,) = kept.said
    assert f"can't go on from {name}" in said
    assert "SHA-256 differs" in said


def test_where_the_latest_was_cut_at_any_length_the_one_before_is_gone_on_from(kept):
    keeper = kept.keeper()
    for step in (3, 8):
        keeper.keep(at(step))
    path = kept.progress_at(8)
    content = path.read_bytes()
    for length in (1, 8, 500, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert kept.found_step() == 3, length
        assert len(kept.said) == 1


def test_where_both_are_damaged_the_training_begins_at_the_start_and_both_are_said(kept):
    keeper = kept.keeper()
    for step in (3, 8):
        keeper.keep(at(step))
        damage(kept.progress_at(step))
    assert kept.found_step() is None
    assert ["step-000000008" in kept.said[0], "step-000000003" in kept.said[1]] == [True, True]


def test_the_progress_of_another_solution_is_not_used(kept):
    kept.keeper(key="another").keep(at(8))
    assert kept.found_step() is None
    assert "it is of another solution" in kept.said[0]
    assert kept.found_step(key="another") == 8


def test_the_progress_of_another_environment_is_not_used_and_both_are_named(kept):
    kept.keeper(environment="torch 9 on a GPU").keep(at(8))
    assert kept.found_step() is None
    assert "it was trained by torch 9 on a GPU; here is here" in kept.said[0]
    assert kept.found_step(environment="torch 9 on a GPU") == 8


@pytest.mark.parametrize("refused", ["another environment", "damaged"])
def test_progress_that_is_not_used_does_not_push_out_what_is_kept_after_it(kept, refused):
    keeper = kept.keeper(environment="here" if refused == "damaged" else "elsewhere")
    for step in (100, 200):
        keeper.keep(at(step))
        if refused == "damaged":
            damage(kept.progress_at(step))
    keeper = kept.keeper()
    assert kept.find(keeper) is None
    for step in (3, 8):
        keeper.keep(at(step))
        assert kept.found_step() == step


def test_other_files_beside_the_progress_are_left_alone(kept):
    kept.log.file(f"{PROGRESS}/notes.txt", b"mine")
    keeper = kept.keeper()
    for step in (3, 8, 12):
        keeper.keep(at(step))
    assert kept.found_step() == 12
    assert kept.said == []
    assert kept.log.read(f"{PROGRESS}/notes.txt") == b"mine"


def test_a_store_that_does_not_answer_is_said_and_the_training_begins_at_the_start(kept, monkeypatch):
    kept.keeper().keep(at(3))
    keeper = kept.keeper()

    def fail(_path: str) -> bytes:
        raise MlflowException("no answer")

    monkeypatch.setattr(kept.log, "read", fail)
    assert kept.find(keeper) is None
    assert "no answer" in kept.said[0]


def test_a_store_that_cannot_delete_keeps_more(kept, monkeypatch):
    def refuse(_self: object, _path: str) -> None:
        raise NotImplementedError

    monkeypatch.setattr(LocalArtifactRepository, "delete_artifacts", refuse)
    keeper = kept.keeper()
    for step in (3, 8, 12):
        keeper.keep(at(step))
    assert kept.said == []
    assert kept.steps() == [3, 8, 12]
    assert kept.found_step() == 12
    clear_progress(kept.log)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("file", OSError("disk full")),
        ("flush", MlflowException("no answer")),
        ("remove", RuntimeError("odd")),
    ],
)
def test_a_store_that_does_not_take_the_progress_is_said_and_asked_again_later(
    kept, clock, monkeypatch, call, error
):
    def fail(*_arguments: object) -> None:
        clock.now += 5.0
        raise error

    keeper = kept.keeper(every=30.0)
    for step in (3, 5):
        keeper.keep(at(step))
    with monkeypatch.context() as patched:
        patched.setattr(kept.log, call, fail)
        keeper.keep(at(8))
    (said,) = kept.said
    assert "step 8 could not be kept" in said
    assert str(error) in said
    clock.now += 49.0  # ten times the five seconds that it took, less the float rounding of times
    assert not keeper.is_due()
    clock.now += 1.1
    assert keeper.is_due()
    assert kept.found_step() == (8 if call == "remove" else 5)
    keeper.keep(at(12))
    assert kept.found_step() == 12
    assert len(kept.steps()) <= 2


@pytest.mark.parametrize("owner", ["machine 17 0.00", "nobody any more"])
def test_a_run_that_another_process_took_over_is_left_to_it(kept, owner):
    keeper = kept.keeper()
    kept.log.tags(ownership())
    keeper.keep(at(3))
    kept.log.tags({PROCESS: owner})
    kept.log.metrics({"loss": 0.5}, 3)
    with pytest.raises(LostRunError, match="was taken over by process"):
        keeper.keep(at(8))
    assert kept.steps() == [3]
    assert MlflowClient().get_run(kept.run_id).data.metrics == {}


def test_what_was_logged_before_is_sent_before_the_progress(kept):
    """Else metrics that the progress is beyond would be missing for ever."""
    kept.log.metrics({"loss": 0.5}, 3)
    kept.keeper().keep(at(15))
    assert MlflowClient().get_run(kept.run_id).data.metrics == {"loss": 0.5}


def test_snapshots_come_back_where_the_checkpoint_is_built_and_are_carried_on(kept):
    keeper = kept.keeper()
    for epoch in (1, 2):
        keeper.snapshot(epoch, at(5 * epoch).state.weights)
    keeper.keep(at(12))
    written = kept.trajectory()
    assert sorted(written) == ["epoch-0001.safetensors", "epoch-0002.safetensors"]
    for step in (
        13,
        14,
    ):  # the second process goes on from what the first one kept, the third from the second's
        keeper = kept.keeper()
        assert kept.find(keeper) is not None
        assert kept.trajectory() == written
        keeper.keep(at(step))


def test_snapshots_since_the_progress_are_not_taken_for_its_own(kept):
    keeper = kept.keeper()
    keeper.snapshot(1, WK.weights)
    keeper.keep(at(7))
    keeper.snapshot(2, WK.weights)
    assert kept.found_step() == 7
    assert list(kept.trajectory()) == ["epoch-0001.safetensors"]


@pytest.mark.parametrize("spoil", [damage, Path.unlink], ids=["altered", "deleted"])
def test_progress_whose_snapshot_is_altered_or_gone_is_not_gone_on_from(kept, spoil):
    keeper = kept.keeper()
    keeper.keep(at(3))
    keeper.snapshot(1, WK.weights)
    keeper.keep(at(8))
    spoil(kept.artifact("epoch-0001.safetensors"))
    assert kept.found_step() == 3
    assert "epoch-0001.safetensors" in kept.said[0]


@pytest.mark.parametrize("name", ["../evil", "../../evil", "/tmp/evil", "a/evil", "..", ".", ""])
def test_a_snapshot_that_lies_elsewhere_is_refused(kept, tmp_path, monkeypatch, name):
    """The store would give its content, under the digest that fits: only its place is wrong."""
    content = b"evil"
    snapshots = {name: hashlib.sha256(content).hexdigest()}
    file, written = write_progress(KeptProgress(at(8), "key", "here", 0.0, snapshots))
    kept.log.file(f"{PROGRESS}/{file}", written)
    monkeypatch.setattr(kept.log, "read", lambda path: written if path.startswith(PROGRESS) else content)
    assert kept.found_step() is None
    assert f"can't go on from {file}" in kept.said[0]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not Path("/tmp/evil").exists()


def test_clearing_leaves_nothing_to_go_on_from_and_the_snapshots(kept):
    keeper = kept.keeper()
    keeper.snapshot(1, WK.weights)
    for step in (3, 8):
        keeper.keep(at(step))
    clear_progress(kept.log)
    assert kept.log.files(PROGRESS) == []
    assert [Path(file.path).name for file in MlflowClient().list_artifacts(kept.run_id)] == [CHECKPOINT]
    assert kept.log.files(f"{CHECKPOINT}/{TRAJECTORY}") == ["epoch-0001.safetensors"]
    assert kept.found_step() is None
    clear_progress(kept.log)


def test_it_is_due_when_so_many_seconds_have_passed_since_it_began_or_kept(kept, clock):
    keeper = kept.keeper(every=30.0)
    for _ in range(2):
        assert not keeper.is_due()
        clock.now += 29.9
        assert not keeper.is_due()
        clock.now += 0.1
        assert keeper.is_due()
        assert keeper.is_due(), "until it is kept"
        keeper.keep(at(3))


def test_every_step_is_due_where_no_time_need_pass(kept, clock):
    keeper = kept.keeper(every=0.0)
    assert keeper.is_due()
    keeper.keep(at(3))
    assert keeper.is_due()


@pytest.mark.parametrize(("took", "pause"), [(0.1, 30.0), (0.3, 30.0), (0.5, 50.0), (3.0, 300.0)])
def test_keeping_that_takes_long_is_done_less_often(kept, clock, monkeypatch, took, pause):
    def slow(write: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        def file(path: str, content: bytes) -> None:
            write(path, content)
            clock.now += took

        return file

    keeper = kept.keeper(every=30.0)
    monkeypatch.setattr(kept.log, "file", slow(kept.log.file))
    keeper.keep(at(3))
    clock.now += pause - 0.001  # of the sum of floating-point times
    assert not keeper.is_due()
    clock.now += 0.002
    assert keeper.is_due()
    monkeypatch.undo()
    monkeypatch.setattr(folder, "time", clock)
    keeper.keep(at(8))  # was fast
    clock.now += 30.0
    assert keeper.is_due()


def test_the_seconds_that_keeping_takes_are_summed(kept, clock, monkeypatch):
    def slow(*_arguments: object) -> None:
        clock.now += 3.0

    keeper = kept.keeper()
    clock.now += 100
    monkeypatch.setattr(kept.log, "file", slow)
    keeper.keep(at(3))
    keeper.snapshot(1, WK.weights)
    assert keeper.spent == 6.0


def test_the_seconds_of_all_processes_are_counted_and_not_those_between(kept, clock):
    keeper = kept.keeper()
    clock.now += 100
    keeper.keep(at(3))
    clock.now += 50  # lost with the process
    assert keeper.seconds == 150
    clock.now += 1000
    keeper = kept.keeper()
    kept.find(keeper)
    clock.now += 7
    assert keeper.seconds == 107
    keeper.keep(at(8))
    keeper = kept.keeper()
    kept.find(keeper)
    assert keeper.seconds == 107


def test_a_training_that_begins_at_the_start_counts_its_own_seconds_only(kept, clock):
    keeper = kept.keeper(key="another")
    clock.now += 100
    keeper.keep(at(3))
    keeper = kept.keeper()
    kept.find(keeper)
    clock.now += 7
    assert keeper.seconds == 7
