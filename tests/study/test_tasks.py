"""Measurements are tasks of their own: any order, any process, and an interruption loses only one."""

import random
import sqlite3
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from tiny_problem import images, make_problem, make_study

import lth.study.measuring
import lth.study.tasks
from lth.measure.kind.take import read
from lth.plan.jobs import level_jobs, study_jobs, successive_line
from lth.plan.place import Place
from lth.solution.problem import set_up
from lth.study.record.load import load_measurement, load_solution
from lth.study.record.measurement import MEASUREMENT
from lth.study.replication import Replication
from lth.study.study import COMPLETE, Study
from lth.tracking.store import Store
from lth.training.evaluate import Evaluator

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def numbers(run_id: str) -> bytes:
    return Path(MlflowClient().download_artifacts(run_id, MEASUREMENT)).read_bytes()


def finished_measurements() -> list[str]:
    runs = Store().search("tags.kind = 'measurement' AND attributes.status = 'FINISHED'")
    return sorted(run.info.run_name for run in runs)


def delete(filter_string: str) -> None:
    runs = Store().search(filter_string)
    assert runs
    for run in runs:
        MlflowClient().delete_run(run.info.run_id)


def forget_level_1() -> None:
    """Delete what was measured at level 1."""
    delete("tags.kind = 'measurement' AND tags.level = '1'")
    delete("tags.kind = 'analysis' AND tags.level = '1'")


def interrupt_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    take, taken = lth.study.measuring.take, []

    def interrupted(job, *rest):
        taken.append(job)
        if len(taken) == number:
            raise KeyboardInterrupt
        return take(job, *rest)

    monkeypatch.setattr(lth.study.measuring, "take", interrupted)


def test_an_analysis_interrupted_in_the_middle_goes_on_from_what_is_finished(finished, monkeypatch):
    forget_level_1()
    before = finished_measurements()
    with monkeypatch.context() as patched:
        interrupt_at(patched, 4)
        with pytest.raises(KeyboardInterrupt):
            make_study().analysis(1)
    (killed,) = Store().search("attributes.status = 'KILLED'")
    assert killed.data.tags["kind"] == "measurement"
    done = set(finished_measurements()) - set(before)
    assert len(done) == 3
    said: list[str] = []
    make_study(said).analysis(1)
    assert not any(line.startswith(f"measuring {name},") for line in said for name in done)
    assert finished_measurements() == sorted(set(finished_measurements()))
    assert Store().run(killed.info.run_id).info.status == "FINISHED"  # taken over, in the same run


def test_an_interrupted_study_completes_with_the_same_command(finished, monkeypatch):
    delete("tags.kind = 'one_shot'")
    delete("tags.measure = 'lines' AND tags.level = '1'")
    delete("tags.measure = 'distances'")
    with monkeypatch.context() as patched:
        interrupt_at(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            make_study().complete()
    (study,) = Store().search("tags.kind = 'study'")
    assert study.info.status == "KILLED"
    assert make_study().complete() == study.info.run_id
    assert MlflowClient().get_run(study.info.run_id).info.status == "FINISHED"
    jobs = study_jobs(2, make_study().problem.setting.analysis)
    assert finished_measurements() == sorted(job.name for job in jobs)


def test_tasks_done_in_any_order_by_separate_workers_give_the_same_numbers(finished_study, tracking):
    """Those of one process, which did them in their own order."""
    make_study().solution(Place.imp(1))
    jobs = [*level_jobs(0), *level_jobs(1)]
    random.Random(3).shuffle(jobs)
    runs = {job: make_study().measurement(job) for job in jobs}  # each worker shares nothing but the store
    ours = {job: numbers(run) for job, run in runs.items()}
    finished_study.copy(tracking)
    for job, run in runs.items():
        other = Store().find(make_problem().keys.measurement(job))
        assert other != run
        assert ours[job] == numbers(other), job.name


def test_measures_can_be_taken_in_parts_that_a_whole_analysis_then_finds(finished):
    forget_level_1()
    before = finished_measurements()
    make_study().analysis(1, ("radii",))
    radii = set(finished_measurements()) - set(before)
    assert radii
    assert all("radii" in name for name in radii)
    said: list[str] = []
    make_study(said).analysis(1)
    assert sum(line.startswith("filter radii") and "found in run" in line for line in said) == 2


def test_baselines_at_every_level_are_trained_and_measured_on_request(finished):
    study = make_study(every_level="lr_rewind")
    study.measure_all(("spectra",))
    assert {"curvature at lr_rewind at level 1", "curvature at lr_rewind at level 2"} <= set(
        finished_measurements()
    )
    assert not any("one_shot at level 1" in name for name in finished_measurements())


def test_a_measurement_whose_numbers_are_damaged_is_refused_with_its_run(finished, tracking):
    (measured,) = Store().search("tags.measure = 'distances'")
    run = measured.info.run_id
    path = next(tracking.rglob(f"{run}/artifacts/measurement.npz"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(
        ValueError, match=f"the numbers of run {run} are not usable.*runs delete --run-id {run}"
    ):
        load_measurement(Store(), run)


def test_a_report_is_not_found_while_something_it_shows_is_lost(finished):
    said: list[str] = []
    (report,) = Store().search("tags.kind = 'report'")
    delete("tags.measure = 'distances'")
    assert Replication([make_study(said)], said.append).complete() == report.info.run_id
    assert len(Store().search("tags.measure = 'distances'")) == 1
    assert make_study().evidence().distances.places


def test_a_report_is_judged_as_the_look_at_the_study_that_it_is(finished, monkeypatch):
    class DrawnError(Exception):
        pass

    def drawn(_evidences, _link, _resolved, earlier, _declared, **_rest):
        raise DrawnError(earlier)

    monkeypatch.setattr("lth.study.replication.write_report", drawn)
    with pytest.raises(DrawnError) as caught:
        Replication([make_study()], [].append).report()
    assert caught.value.args[0] == [[0]]


def test_line_ends_are_those_of_the_examples_the_line_is_measured_on(tracking):
    run = make_study().solution(Place.imp(1))
    given = load_solution(Store(), run)
    few = make_problem(train_examples="24", seed="3").setting
    study = Study(set_up(few, images(None), torch.device("cpu"), given), Store(), [].append, {given.key: run})
    job = successive_line(1)
    line = read(load_measurement(study.store, study.measurement(job)), job).stored
    evaluate = Evaluator(study.problem.network, study.problem.data.train)
    assert line.train_loss[-1] == evaluate(given.final).loss
    assert line.train_loss[-1] != given.history[-1].train.loss


def test_the_next_larger_band_must_exist_at_every_level_before_anything_is_trained(tracking):
    with pytest.raises(ValueError, match=r"prune_fraction=0.6 prunes 29 of 48 weights at level 1.*at most 0.5"):
        make_study(prune_fraction="0.6").complete()
    assert Store().search("tags.kind = 'imp'") == []


def test_a_level_without_the_measure_asked_for_is_refused(tracking):
    with pytest.raises(ValueError, match="dense has no lines of its own"):
        make_study().analysis(0, ("lines",))


def test_trends_that_a_killed_process_could_not_write_are_written_when_the_study_is_completed(
    finished, tracking
):
    with sqlite3.connect(tracking / "mlflow.db") as database:
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND step >= 1", (finished.begun,))
        database.execute("DELETE FROM tags WHERE run_uuid = ? AND key = ?", (finished.begun, COMPLETE))
    database.close()
    study = make_study().complete()
    steps = Store().steps
    assert steps(study, "train/loss") == steps(study, "landscape/log_eig_product") == {0, 1, 2}
    assert steps(study, "landscape/barrier_loss") == {1, 2}
    assert steps(study, "versus/one_shot_train_loss") == {2}


def test_a_complete_study_of_which_a_run_was_deleted_is_completed_again(finished):
    delete("tags.measure = 'lines' AND attributes.run_name = 'line from dense to level 1'")
    said: list[str] = []
    make_study(said).complete()
    assert [line for line in said if line.startswith("measuring")] != []
    make_study().evidence()


# The study's run, deleted by a user who tidies up


class Tidying:
    """Deletes the study's run when something is said."""

    def __init__(self, at: str) -> None:
        self._at, self.deleted = at, ""

    def __call__(self, line: str) -> None:
        if self._at in line and not self.deleted:
            (parent,) = Store().search("tags.kind = 'study'")
            self.deleted = parent.info.run_id
            MlflowClient().delete_run(self.deleted)


@pytest.mark.parametrize("at", ["training level 1", "measuring"])
def test_a_study_whose_run_is_deleted_while_it_works_goes_on_under_another(experiment, at):
    said = Tidying(at)
    study = Study(make_problem(), Store(), say=said)
    study.solution(Place.imp(1))
    study.analysis(0)
    (parent,) = Store().search("tags.kind = 'study'")
    assert parent.info.run_id != said.deleted != ""
    assert "landscape/hessian_trace" in parent.data.metrics


def test_a_whole_study_whose_run_is_deleted_while_it_works_is_completed_under_another(finished):
    for kind in ("measurement", "analysis"):
        delete(f"tags.kind = '{kind}' AND tags.level = '1'")
    said = Tidying("measuring")
    study = Study(make_problem(), Store(), say=said)
    parent = study.complete()
    assert parent != said.deleted != ""
    run = MlflowClient().get_run(parent)
    assert run.data.tags[COMPLETE]
    assert {point.step for point in MlflowClient().get_metric_history(parent, "train/loss")} == {0, 1, 2}
