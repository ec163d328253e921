"""A store that holds what was written is told to; what is damaged in it is found, each kind by itself."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from finished_study import FinishedStudy
from mlflow import MlflowClient
from stored_store import WRITTEN_IN, unpack
from tiny_problem import make_problem

from lth.command import verify
from lth.study.record.load import load_solution
from lth.study.record.solution import log_solution_model
from lth.tracking.store import FoundRun, Store

MEASURED = "measurement.npz"
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def run_called(name: str) -> FoundRun:
    return Store().search(f"attributes.run_name = '{name}' AND attributes.status = 'FINISHED'")[0]


def artifact(name: str, path: str) -> Path:
    return Path(run_called(name).info.artifact_uri) / path


def flip(path: Path, at: float = 0.5) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def reword(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def change_metric(tracking: Path, run: str, metric: str, *, step: int | None = None) -> None:
    """Make another number of a metric, as only a hand in the database can."""
    with sqlite3.connect(tracking / "mlflow.db") as database:
        for table in ("metrics", "latest_metrics") if step is None else ("metrics",):
            changed = database.execute(
                f"UPDATE {table} SET value = 9 WHERE run_uuid = ? AND key = ? AND step = IFNULL(?, step)",
                (run_called(run).info.run_id, metric, step),
            )
            assert changed.rowcount
    database.close()


def forget_metrics(tracking: Path, run: str) -> None:
    with sqlite3.connect(tracking / "mlflow.db") as database:
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_called(run).info.run_id,))
    database.close()


def model_of(name: str) -> Path:
    """Log the model of a solution, and return its folder."""
    store, run_id = Store(), run_called(name).info.run_id
    solution = load_solution(store, run_id)
    assert log_solution_model(store.append(run_id), solution, make_problem(), step=1) is None
    experiment = store.experiment_id
    (model,) = MlflowClient().search_logged_models([experiment], f"source_run_id = '{run_id}'")
    return Path(model.artifact_location)


def verified() -> Result:
    return CliRunner().invoke(verify.main)


def test_a_store_that_holds_what_was_written_is_sound(finished, tracking):
    model_of("dense")
    before = (tracking / "mlflow.db").read_bytes()
    done = verified()
    assert done.exit_code == 0, done.output
    assert "all as they were written" in done.output
    for what in ("10 checkpoints, 1 model, ", "measurements", "numbers", "files"):
        assert what in done.output
    assert (tracking / "mlflow.db").read_bytes() == before


Damaging = Callable[[Path], None]

DAMAGES: dict[str, tuple[str, Damaging, str]] = {
    "weights": (
        "level 1",
        lambda _: flip(artifact("level 1", "checkpoint/final.safetensors")),
        "final.safetensors is not what was written (its SHA-256 differs)",
    ),
    "snapshot": (
        "lr_rewind at level 2",
        lambda _: flip(next(artifact("lr_rewind at level 2", "checkpoint/trajectory").iterdir()), 0.9),
        "is not what was written (its SHA-256 differs)",
    ),
    "manifest": (
        "level 2",
        lambda _: reword(artifact("level 2", "checkpoint/manifest.json"), '"density": 0', '"density": 1'),
        "its digest differs",
    ),
    "missing file": (
        "fine_tune at level 2",
        lambda _: artifact("fine_tune at level 2", "checkpoint/rewind.safetensors").unlink(),
        "No such artifact: 'checkpoint/rewind.safetensors'",
    ),
    "missing checkpoint": (
        "random_init at level 2",
        lambda _: shutil.rmtree(artifact("random_init at level 2", "checkpoint")),
        "is gone",
    ),
    "accuracy": (
        "one_shot at level 2",
        lambda tracking: change_metric(tracking, "one_shot at level 2", "test/accuracy", step=2),
        "metric test/accuracy is",
    ),
    "numbers": (
        "curvature at dense",
        lambda _: flip(artifact("curvature at dense", MEASURED)),
        "the results are damaged",
    ),
    "half of the numbers": (
        "curvature at level 1",
        lambda _: cut(artifact("curvature at level 1", MEASURED)),
        "the results are damaged",
    ),
    "missing numbers": (
        "line from level 1 to level 2",
        lambda _: artifact("line from level 1 to level 2", MEASURED).unlink(),
        "is gone",
    ),
    "number of a measurement": (
        "curvature at level 2",
        lambda tracking: change_metric(tracking, "curvature at level 2", "landscape/hessian_trace"),
        "metric landscape/hessian_trace is",
    ),
    "number of an analysis": (
        "analysis of level 2",
        lambda tracking: change_metric(tracking, "analysis of level 2", "landscape/radius_mean"),
        "and a measurement says",
    ),
    "all numbers of a measurement": (
        "line from dense to level 1",
        lambda tracking: forget_metrics(tracking, "line from dense to level 1"),
        "has none of the numbers that measurement.npz says",
    ),
    "picture": (
        "prune_larger at level 2",
        lambda _: cut(artifact("prune_larger at level 2", "trajectory.png")),
        "trajectory.png is damaged",
    ),
    "document": (
        "random_prune at level 2",
        lambda _: cut(artifact("random_prune at level 2", "setting.json")),
        "setting.json is damaged",
    ),
    "model": (
        "dense",
        lambda _: flip(model_of("dense") / "data" / "model.pt2"),
        "model m-",
    ),
    "model without its program": (
        "prune_larger at level 2",
        lambda _: shutil.rmtree(model_of("prune_larger at level 2") / "data"),
        "its program is gone from data",
    ),
    "missing model": (
        "random_prune_one_shot at level 2",
        lambda _: shutil.rmtree(model_of("random_prune_one_shot at level 2")),
        "is gone: it has no files",
    ),
}


@pytest.fixture(scope="module")
def damaged(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, finished_study: FinishedStudy
) -> Result:
    """Damage a copy of the finished study in every way at once, and look through it."""
    from conftest import use_fresh_store

    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("damaged")
        use_fresh_store(patched, folder, empty_database)
        finished_study.copy(folder)
        for _, damage, _ in DAMAGES.values():
            damage(folder)
        return verified()


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_damaged_is_told_with_its_run(kind, damaged):
    run, _, told = DAMAGES[kind]
    assert any(line.startswith(f"{run}, run ") and told in line for line in damaged.output.splitlines())


def test_damage_ends_with_status_1_and_nothing_whole_is_told(damaged):
    assert damaged.exit_code == 1
    told = [line.split(", run ")[0] for line in damaged.output.splitlines() if ", run " in line]
    assert set(told) == {run for run, _, _ in DAMAGES.values()}
    assert f"{len(told)} damaged" in damaged.output


def test_a_store_of_an_earlier_version_lacks_its_models_alone(tmp_path, monkeypatch):
    store = unpack(tmp_path)
    with sqlite3.connect(store / "mlflow.db") as database:
        for table, column in ADDRESSES:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (WRITTEN_IN, str(store)))
    database.close()
    monkeypatch.chdir(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    done = verified()
    told = [line for line in done.output.splitlines() if ", run " in line]
    assert len(told) == 12, done.output  # which were left out where it was kept
    assert all(line.endswith("is gone: it has no files") for line in told)
    assert "12 checkpoints" in done.output


def test_a_damaged_database_is_told(finished, tracking):
    with (tracking / "mlflow.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 5)
    done = verified()
    assert done.exit_code == 1
    assert "is damaged" in done.output


def test_a_store_that_is_not_there_is_neither_made_nor_sound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    done = verified()
    assert done.exit_code == 1
    assert "there is no tracking store" in done.output
    assert list(tmp_path.iterdir()) == []


def test_runs_of_other_projects_are_left_alone(tracking):
    client = MlflowClient()
    run = client.create_run(Store().experiment_id)
    client.log_text(run.info.run_id, "{", "broken.json")
    client.set_terminated(run.info.run_id)
    done = verified()
    assert done.exit_code == 0, done.output
    assert "nothing; all as they were written" in done.output
