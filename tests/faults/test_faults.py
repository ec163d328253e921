"""What goes wrong around lth: nothing finished is lost, nothing half written is taken for whole.

Every test runs the commands as a user types them, on a real sqlite store with local artifacts. Disks that are
full or can't be written are made by letting MLflow's writing of artifacts raise what such a disk does.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from tiny_problem import OPTIONS, make_problem, make_study

import lth
from lth.command import analyze, imp_level, train_dense
from lth.evidence.summary import text_table
from lth.plan.place import Place
from lth.sealed import step_of
from lth.solution.progress_file import KIND
from lth.tracking.store import FAILURE, Store

QUICK = [*OPTIONS, "--patience=0"]


pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def call(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command.main, [*QUICK, *arguments])


def said(result: Result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback is no message"
    return " ".join(result.output.split())


def solutions() -> list[Run]:
    return Store().search("tags.kind = 'imp'")


def statuses() -> list[str]:
    return sorted(run.info.status for run in solutions())


class Artifacts:
    """Lets the writing of artifacts fail, for those whose path says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, fails: Callable[[str], bool]) -> None:
        self.failed = 0
        self._mended = False
        one = LocalArtifactRepository.log_artifact

        def check(path: str) -> None:
            if not self._mended and fails(path):
                self.failed += 1
                raise OSError(number, os.strerror(number), path)

        def log_artifact(repository, local: str, folder: str | None = None) -> None:
            check(f"{folder or ''}/{Path(local).name}")
            one(repository, local, folder)

        monkeypatch.setattr(LocalArtifactRepository, "log_artifact", log_artifact)

    def mend(self) -> None:
        self._mended = True


def is_checkpoint(path: str) -> bool:
    return path == "checkpoint/manifest.json"


# Disks


def test_a_solution_that_a_full_disk_did_not_take_is_kept_and_logged_by_the_same_command(tracking, monkeypatch):
    artifacts = Artifacts(monkeypatch, errno.ENOSPC, is_checkpoint)
    first = call(train_dense)
    assert first.exit_code == 1
    assert "the disk of the artifacts is full" in said(first)
    assert "make room there" in said(first)
    assert "the same command, here, logs it" in said(first)
    (run,) = solutions()
    assert run.info.status == "FAILED"
    assert "disk of the artifacts is full" in run.data.tags[FAILURE]
    artifacts.mend()
    monkeypatch.setattr("lth.study.training.solve", None)  # it is not trained again
    second = call(train_dense)
    assert second.exit_code == 0, second.output
    assert "it was trained before and is not logged yet" in said(second)
    (again,) = solutions()
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert FAILURE not in again.data.tags
    assert not (tracking / "lth-unsent").exists()
    losses = MlflowClient().get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in losses] == [0, 1, 2, 3]
    assert sorted(lth.load_solution(run.info.run_id).trajectory) == [1, 2, 3]


def test_what_is_kept_of_a_full_disk_has_the_bits_of_an_undisturbed_run(tracking, monkeypatch):
    artifacts = Artifacts(monkeypatch, errno.ENOSPC, is_checkpoint)
    call(train_dense)
    artifacts.mend()
    call(train_dense)
    kept = solutions()[0].info.run_id
    call(train_dense, "--fresh=true")
    undisturbed = solutions()[0].info.run_id
    assert undisturbed != kept
    one, other = lth.load_solution(kept), lth.load_solution(undisturbed)
    assert one.history == other.history
    for name, tensor in one.weights.parameters.items():
        assert tensor.equal(other.weights.parameters[name]), name


def test_a_disk_that_is_full_for_a_while_is_waited_for(tracking, monkeypatch):
    artifacts = Artifacts(monkeypatch, errno.ENOSPC, is_checkpoint)
    monkeypatch.setattr("lth.tracking.client.time.sleep", lambda _seconds: artifacts.mend())
    result = call(train_dense, "--patience=60")
    assert result.exit_code == 0, result.output
    assert artifacts.failed == 1
    assert "trying again for up to 60 s" in said(result)
    assert "answers again" in said(result)
    assert statuses() == ["FINISHED"]


def test_snapshots_that_a_full_disk_did_not_take_do_not_end_the_training(tracking, monkeypatch):
    full = iter([True, True])  # has room again after the last epoch
    artifacts = Artifacts(
        monkeypatch, errno.ENOSPC, lambda path: "trajectory/epoch-0001" in path and next(full, False)
    )
    result = call(train_dense)
    assert result.exit_code == 0, result.output
    assert artifacts.failed == 2
    assert "the weights after epoch 1 could not be logged yet" in said(result)
    assert sorted(lth.load_solution(solutions()[0].info.run_id).trajectory) == [1, 2, 3]


def test_a_measurement_that_a_full_disk_did_not_take_is_kept_and_logged_by_the_same_command(
    tracking, monkeypatch
):
    assert call(train_dense).exit_code == 0
    artifacts = Artifacts(monkeypatch, errno.ENOSPC, lambda path: "measurement.npz" in path)
    first = call(analyze, "--level=0", "--measures=spectra")
    assert first.exit_code == 1
    assert "the disk of the artifacts is full" in said(first)
    artifacts.mend()
    monkeypatch.setattr("lth.study.measuring.take", None)  # it is not measured again
    second = call(analyze, "--level=0", "--measures=spectra")
    assert second.exit_code == 0, second.output
    assert "it was measured before and is not logged yet" in said(second)
    (run,) = Store().search("tags.kind = 'measurement'")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["landscape/hessian_trace"] != 0
    assert not (tracking / "lth-unsent").exists()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES], ids=["read-only", "forbidden"])
def test_artifacts_that_cannot_be_written_are_said_before_the_training(tracking, monkeypatch, number):
    Artifacts(monkeypatch, number, lambda _path: True)
    monkeypatch.setattr("lth.study.training.solve", None)
    result = call(train_dense, "--patience=300")  # which this does not wait for
    assert result.exit_code == 1
    assert "make their folder writable" in said(result)
    assert solutions() == []
    assert [run.info.status for run in Store().search("tags.kind = 'study'")] == ["FAILED"]


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a file system that no one can write to")
def test_a_real_folder_that_cannot_be_written_is_said_before_the_training(tracking, monkeypatch):
    MlflowClient().create_experiment("lth", artifact_location="/sys/kernel/lth")
    monkeypatch.setattr("lth.study.training.solve", None)
    result = call(train_dense)
    assert result.exit_code == 1
    assert "/sys/kernel/lth" in said(result)
    assert "make their folder writable" in said(result)
    assert solutions() == []
    assert [run.info.status for run in Store().search("tags.kind = 'study'")] == ["FAILED"]


# The database


def test_a_database_that_another_program_locks_for_a_moment_is_waited_for(tracking, monkeypatch):
    """SQLite itself waits for 20 s; the lock ends when the first step is taken."""
    from lth.study.training import solve

    def locked(*arguments: object, **named: object) -> object:
        lock = sqlite3.connect(tracking / "mlflow.db")
        lock.execute("BEGIN EXCLUSIVE")
        try:
            return solve(*arguments, **named)
        finally:
            lock.rollback()
            lock.close()

    monkeypatch.setattr("lth.study.training.solve", locked)
    result = call(train_dense, "--trajectory=none")
    assert result.exit_code == 0, result.output
    assert statuses() == ["FINISHED"]
    losses = MlflowClient().get_metric_history(solutions()[0].info.run_id, "train/loss")
    assert [point.step for point in losses] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////proc/lth/mlflow.db",
        "nonsense://lab",
        "http://127.0.0.1:9",
        "http://lab:secret@127.0.0.1:9",
        "postgresql://lab:secret@127.0.0.1:9/lth",
    ],
)
def test_a_store_that_is_not_there_is_said_with_the_remedy_and_without_its_password(tracking, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = call(train_dense)
    assert result.exit_code == 1
    assert "the tracking store" in said(result)
    assert "correct MLFLOW_TRACKING_URI" in said(result)
    assert "secret" not in result.output


def test_ctrl_c_while_a_store_is_waited_for_keeps_what_was_trained(tracking, monkeypatch):
    artifacts = Artifacts(monkeypatch, errno.ENOSPC, is_checkpoint)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lth.tracking.client.time.sleep", interrupt)
        assert call(train_dense, "--patience=60").exit_code == 130
    assert statuses() == ["KILLED"]
    artifacts.mend()
    monkeypatch.setattr("lth.study.training.solve", None)
    assert call(train_dense).exit_code == 0
    assert statuses() == ["FINISHED"]


# What was written, and is no more what it was


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip_in_archive(path: Path) -> None:
    """Alter a bit of what the first member of an archive holds; others, as of a date, mean nothing."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    begin = first.header_offset + 30 + len(first.filename) + content[first.header_offset + 28]
    content[begin + first.compress_size // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {"deleted": Path.unlink, "truncated": truncate, "altered by a bit": flip}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", ["final", "manifest"])
def test_a_damaged_checkpoint_is_named_with_its_run_and_the_remedy_and_not_gone_on_from(tracking, name, how):
    assert call(train_dense).exit_code == 0
    (run,) = solutions()
    (path,) = tracking.rglob(f"checkpoint/{name}.*")
    DAMAGE[how](path)
    result = call(imp_level, "--level=1")
    assert result.exit_code == 1
    assert f"the checkpoint of run {run.info.run_id} is not usable" in said(result)
    assert "train it again with fresh=true" in said(result)
    assert len(solutions()) == 1, "no level was begun"


def test_the_remedy_for_a_damaged_checkpoint_works(tracking):
    call(train_dense)
    (path,) = tracking.rglob("checkpoint/final.*")
    flip(path)
    assert call(imp_level, "--level=1").exit_code == 1
    assert call(train_dense, "--fresh=true").exit_code == 0
    assert call(imp_level, "--level=1").exit_code == 0


@pytest.mark.parametrize("how", ["truncated", "altered by a bit"])
def test_a_damaged_measurement_is_named_with_its_run_and_the_remedy(tracking, how):
    arguments = ("--level=0", "--measures=radii")
    assert call(analyze, *arguments).exit_code == 0
    path = min(tracking.rglob("measurement.npz"))
    (run_id,) = [part for part in path.parts if len(part) == 32]
    {**DAMAGE, "altered by a bit": flip_in_archive}[how](path)
    (analysis,) = Store().search("tags.kind = 'analysis'")
    MlflowClient().delete_run(analysis.info.run_id)
    result = call(analyze, *arguments)
    assert result.exit_code == 1
    assert f"the numbers of run {run_id} are not usable" in said(result)
    assert f"mlflow runs delete --run-id {run_id}" in said(result)
    MlflowClient().delete_run(run_id)
    assert call(analyze, *arguments).exit_code == 0, "the remedy works"


def test_a_checkpoint_that_was_not_written_to_its_end_is_not_taken_for_one(tracking, monkeypatch):
    artifacts = Artifacts(monkeypatch, errno.ENOSPC, is_checkpoint)
    call(train_dense)
    (run,) = solutions()
    with pytest.raises(ValueError, match="is FAILED; only finished runs hold a solution"):
        lth.load_solution(run.info.run_id)
    assert Store().find(make_problem().keys.solution(Place.imp(0))) is None
    artifacts.mend()


def test_a_run_that_was_deleted_in_the_ui_is_computed_again(tracking):
    call(imp_level, "--level=1")
    for run in solutions():
        MlflowClient().delete_run(run.info.run_id)
    result = call(imp_level, "--level=1")
    assert result.exit_code == 0, result.output
    assert "level 1 needs dense, which is missing" in said(result)
    assert statuses() == ["FINISHED", "FINISHED"]


# Numbers and memory


def test_a_loss_that_is_not_finite_stops_the_run_with_step_and_cause_and_keeps_the_last_good_state(
    tracking, monkeypatch
):
    # Kept once: what is kept is looked at first, and how often depends on how quick the machine is.
    monkeypatch.setattr("lth.tracking.folder._SHARE", 1e-9)
    result = call(train_dense, "--network=odd_problem:breaking_network", "--keep_every=0")
    assert result.exit_code == 1
    (run,) = solutions()
    assert run.info.status == "FAILED"
    for text in (said(result), run.data.tags[FAILURE]):
        assert "became nan by step 9" in text, "found where the loss is looked at: at the epoch's end"
        assert "lower lr" in text
    kept = [Path(file.path).name for file in MlflowClient().list_artifacts(run.info.run_id, "progress")]
    steps = [step_of(name, KIND) for name in kept]
    assert steps
    assert max(steps) <= 6, "the steps that were good"
    again = call(train_dense, "--network=odd_problem:breaking_network", "--keep_every=0")
    assert f"going on after step {max(steps)} of 9" in said(again)


def test_too_little_memory_is_one_line_with_the_remedy(tracking, monkeypatch):
    def exhausted(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("lth.study.training.solve", exhausted)
    result = call(train_dense)
    assert result.exit_code == 1
    assert "the memory did not suffice" in said(result)
    assert "lower batch_size" in said(result)
    assert statuses() == ["FAILED"]


def test_what_does_not_exist_or_is_only_a_bound_is_a_result_that_the_table_flags(tracking):
    """Of the 49 dimensions of level 1 not all are curved upwards, and no loss is that high."""
    result = call(analyze, "--level=1", "--k=45", "--cutoff_margin=1e30")
    assert result.exit_code == 0, result.output
    table = text_table(make_study(k="45", cutoff_margin="1e30").rows())
    (level,) = [line for line in table.splitlines() if line.startswith("level 1 ")]
    assert "of 45 eigenvalues positive" in level
    assert "radius a lower bound" in level
    (analysis,) = Store().search("tags.kind = 'analysis' AND tags.level = '1'")
    assert "log_eig_product does not exist" in analysis.data.tags["lth.warnings"]
    assert analysis.data.metrics["solver/radius_censored"] == 2
