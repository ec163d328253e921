"""A store that was moved or copied, and results whose files were deleted: each has a way out, and it works."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from finished_study import FinishedStudy
from mlflow import MlflowClient
from tiny_problem import OPTIONS

import lth
from lth.command import analyze, imp_level, relocate, report, study, train_dense
from lth.errors import InputError
from lth.tracking.process import HEARTBEAT
from lth.tracking.store import KEY, LOST, FoundRun, Store

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def call(command: object, *arguments: str) -> Result:
    options = [] if command is relocate else OPTIONS
    return CliRunner().invoke(command.main, [*options, *arguments])


def said(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def the(tags: str) -> FoundRun:
    return Store().search(tags)[0]


def artifacts(run: FoundRun) -> Path:
    return Path(run.info.artifact_uri)


def trained(level: int) -> FoundRun:
    return the(f"tags.kind = 'imp' AND tags.level = '{level}'")


# A store that is somewhere else now


@pytest.fixture
def moved(finished: FinishedStudy, tracking, monkeypatch) -> Path:
    """Move the finished study's store, and return where it is now."""
    now = tracking / "now"
    now.mkdir()
    for part in ("mlflow.db", "mlruns"):
        (tracking / part).rename(now / part)
    monkeypatch.chdir(now)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{now}/mlflow.db")
    return now


def test_a_store_that_was_moved_is_told_with_both_places_and_one_command_mends_it(moved, tracking):
    refused = said(call(imp_level, "--level=1"), 2)
    assert f"are not in {tracking}/mlruns/" in refused
    assert f"but in {moved}/mlruns/" in refused
    assert "`lth relocate` corrects that" in refused
    looked = said(call(relocate, "--dry_run=true"))
    assert "would be given their new place" in looked
    assert said(call(imp_level, "--level=1"), 2) == refused, "looking changes nothing"
    mended = said(call(relocate))
    assert f"the store as it was is {moved}/mlflow.db.before-relocation-1" in mended
    assert "nothing to compute" in said(call(imp_level, "--level=1"))
    assert lth.load_solution(trained(1).info.run_id).level == 1
    assert "drawing the report" in said(call(report))
    assert "nothing to change" in said(call(relocate))
    assert not (tracking / "mlruns").exists()


def test_artifacts_that_are_not_beside_the_store_are_found_in_the_folder_that_is_named(moved):
    (moved / "mlruns").rename(moved / "kept")
    refused = said(call(train_dense), 2)
    assert "with -P folder=… of the folder that has them now" in refused
    said(call(relocate, f"--folder={moved}/kept"))
    assert "nothing to compute" in said(call(train_dense))


def test_a_copy_of_a_store_is_given_its_own_artifacts(finished, tracking, monkeypatch):
    copy = tracking / "copy"
    copy.mkdir()
    shutil.copy(tracking / "mlflow.db", copy)
    shutil.copytree(tracking / "mlruns", copy / "mlruns")
    monkeypatch.chdir(copy)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}/mlflow.db")
    assert "if this store is a copy, let `lth relocate` give it its own" in said(call(train_dense))
    said(call(relocate))
    assert artifacts(trained(0)).is_relative_to(copy)
    assert "is a copy" not in said(call(train_dense))


@pytest.mark.parametrize(
    ("uri", "folder", "told"),
    [
        ("sqlite:////nowhere/mlflow.db", [], "is no SQLite store that is there"),
        ("http://127.0.0.1:9", [], "is no SQLite store that is there"),
        (None, ["--folder=/nowhere"], "'/nowhere' is no folder"),
        (None, ["--dry_run=maybe"], "is neither true nor false"),
    ],
)
def test_what_cannot_be_relocated_is_refused(tracking, monkeypatch, uri, folder, told):
    if uri is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    result = call(relocate, *folder)
    assert result.exit_code in (1, 2)
    assert told in " ".join(result.output.split())


def test_a_store_whose_artifacts_were_all_deleted_computes_again_once_their_folder_is_made(finished, tracking):
    shutil.rmtree(tracking / "mlruns")
    (made,) = [word for word in said(call(train_dense), 2).split() if word.endswith("`,") and "mlruns" in word]
    Path(made.strip("`,")).mkdir(parents=True)
    assert "it is computed again" in said(call(train_dense))
    assert artifacts(trained(0)).is_dir()


# Results whose files are gone


def test_a_process_that_is_alive_is_not_waited_for_where_what_it_finished_is_lost(store, child):
    with store.open("level 1", {KEY: "key"}) as run:
        pass
    for name, value in child.tags.items():
        MlflowClient().set_tag(run.run_id, name, value)
    store.mark_lost(run.run_id, "where it was")
    assert store.alive("key") is None
    with store.open_alone("level 1", {KEY: "key"}) as again:
        assert again is not None
        assert again.run_id != run.run_id


def test_a_solution_whose_checkpoint_is_gone_is_trained_again_where_it_is_needed(finished):
    before = trained(0)
    weights = lth.load_solution(before.info.run_id).weights.parameters
    shutil.rmtree(artifacts(before) / "checkpoint")
    MlflowClient().delete_run(trained(1).info.run_id)
    told = said(call(imp_level, "--level=1"))
    assert f"what run {before.info.run_id} held is gone from {artifacts(before)}/checkpoint" in told
    after = trained(0)
    assert after.info.run_id != before.info.run_id
    again = lth.load_solution(level=0, changes=before.data.tags["changes"], preset="digits").weights.parameters
    assert all(tensor.equal(again[name]) for name, tensor in weights.items())
    assert MlflowClient().get_run(before.info.run_id).data.tags[LOST]
    assert "gone" not in said(call(imp_level, "--level=1"))


@pytest.mark.parametrize("level", [0, 1])
def test_a_solution_that_is_asked_for_and_gone_is_trained_again(finished, level):
    before = trained(level)
    shutil.rmtree(artifacts(before))
    told = said(call(imp_level, "--level=1") if level else call(train_dense))
    assert "it is computed again" in told
    assert (artifacts(trained(level)) / "checkpoint" / "manifest.json").is_file()


def test_numbers_that_are_gone_are_measured_again_for_an_analysis(finished):
    MlflowClient().delete_run(the("tags.kind = 'analysis' AND tags.level = '1'").info.run_id)
    (artifacts(the("tags.measure = 'radii' AND tags.level = '1'")) / "measurement.npz").unlink()
    told = said(call(analyze, "--level=1"))
    assert told.count("it is computed again") == 1


def test_numbers_that_are_gone_are_missing_in_a_report_and_a_study_measures_them_again(finished):
    MlflowClient().delete_run(the("tags.kind = 'report'").info.run_id)
    (artifacts(the("tags.measure = 'surface'")) / "measurement.npz").unlink()
    told = said(call(report))
    assert "lacks 1 of 47 results: surface through dense" in told
    assert "To complete it: lth study -P preset=digits" in told
    assert "measuring surface through dense" in said(call(study))


def test_a_solution_that_is_gone_is_refused_with_its_place_and_the_command_that_trains_it_again(finished):
    run = trained(1)
    shutil.rmtree(artifacts(run) / "checkpoint")
    with pytest.raises(InputError) as refused:
        lth.load_solution(run.info.run_id)
    assert f"{artifacts(run)}/checkpoint" in str(refused.value)
    assert "`lth imp_level -P level=1 -P fresh=true`" in str(refused.value)
    assert "held is gone" in said(call(imp_level, "--level=2", f"--from_run={run.info.run_id}"), 2)


@pytest.mark.parametrize("name", ["final.safetensors", "mask.safetensors", "manifest.json"])
def test_a_checkpoint_that_lacks_a_file_is_refused_with_that_file_and_the_command(finished, name):
    run = trained(1)
    (artifacts(run) / "checkpoint" / name).unlink()
    with pytest.raises(InputError) as refused:
        lth.load_solution(run.info.run_id)
    told = str(refused.value)
    assert f"{artifacts(run)}/checkpoint" in told
    assert name in told
    assert "`lth imp_level -P level=1 -P fresh=true`" in told


def test_a_solution_of_another_study_that_shares_it_is_trained_again_where_it_is_gone(finished):
    run = trained(0)
    shutil.rmtree(artifacts(run) / "checkpoint")
    told = said(CliRunner().invoke(train_dense.main, [*OPTIONS, "--levels=1", "--prune_fraction=0.5"]))
    assert f"what run {run.info.run_id} held is gone" in told
    assert trained(0).info.run_id != run.info.run_id


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
@pytest.mark.parametrize(("silent_minutes", "waited_for"), [(1, True), (6, False), (600, False)])
def test_a_process_that_lives_on_long_after_it_gave_a_task_up_is_not_waited_for(
    store, child, status, silent_minutes, waited_for
):
    with store.open("level 1", {KEY: "key"}) as run:
        pass
    client = MlflowClient()
    seen = (datetime.now(UTC) - timedelta(minutes=silent_minutes)).isoformat(timespec="seconds")
    for name, value in {**child.tags, HEARTBEAT: seen}.items():
        client.set_tag(run.run_id, name, value)
    client.set_terminated(run.run_id, status)
    with store.open_alone("level 1", {KEY: "key"}) as again:
        assert (again is None) == waited_for
