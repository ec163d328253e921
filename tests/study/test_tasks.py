"""Measurements are tasks of their own: any order, any process, and an interruption loses only one."""

import random

import pytest
import torch
from conftest import use_fresh_store
from mlflow import MlflowClient
from tiny_problem import images, make_problem, make_study

import lth.study.measuring
import lth.study.tasks
from lth.measure.kind.survey import line_from
from lth.plan.jobs import places, study_jobs, successive_line
from lth.plan.place import Place, Point
from lth.solution.problem import set_up
from lth.study.record.load import load_measurement, load_solution
from lth.study.replication import Replication
from lth.study.study import Study
from lth.tracking.store import Store
from lth.training.evaluate import Evaluator

QUICK = {"levels": "1"}


def finished_measurements() -> list[str]:
    runs = Store().search("tags.kind = 'measurement' AND attributes.status = 'FINISHED'")
    return sorted(run.info.run_name for run in runs)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    perform, taken = lth.study.measuring.perform, []

    def interrupted(job, *rest):
        taken.append(job)
        if len(taken) == number:
            raise KeyboardInterrupt
        return perform(job, *rest)

    monkeypatch.setattr(lth.study.measuring, "perform", interrupted)


def test_an_analysis_interrupted_in_the_middle_goes_on_from_what_is_finished(tracking, monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, 4)
        with pytest.raises(KeyboardInterrupt):
            make_study(**QUICK).analysis(1)
    (killed,) = Store().search("attributes.status = 'KILLED'")
    assert killed.data.tags["kind"] == "measurement"
    done = finished_measurements()
    assert len(done) == 3
    said: list[str] = []
    make_study(said, **QUICK).analysis(1)
    assert not any(line.startswith(f"measuring {name},") for line in said for name in done)
    assert finished_measurements() == sorted(set(finished_measurements()))
    assert Store().run(killed.info.run_id).info.status == "FINISHED"  # taken over, in the same run


def test_an_interrupted_study_completes_with_the_same_command(tracking, monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, 8)
        with pytest.raises(KeyboardInterrupt):
            make_study(**QUICK).complete()
    (study,) = Store().search("tags.kind = 'study'")
    assert study.info.status == "KILLED"
    assert make_study(**QUICK).complete() == study.info.run_id
    assert MlflowClient().get_run(study.info.run_id).info.status == "FINISHED"
    jobs = study_jobs(1, make_study(**QUICK).problem.setting.analysis)
    assert finished_measurements() == sorted(job.name for job in jobs)


def test_tasks_done_in_any_order_by_separate_workers_give_the_same_numbers(
    tmp_path, monkeypatch, empty_database
):
    def measured(order: int | None) -> list[tuple[str, float]]:
        folder = tmp_path / str(order)
        folder.mkdir()
        use_fresh_store(monkeypatch, folder, empty_database)
        for place in places(1):
            make_study(**QUICK).solution(place)
        jobs = study_jobs(1, make_study(**QUICK).problem.setting.analysis)
        if order is not None:
            random.Random(order).shuffle(jobs)
        for job in jobs:
            make_study(**QUICK).measurement(job)  # a worker of its own: it shares nothing but the store
        evidence = make_study(**QUICK).evidence()
        numbers = [
            (point.name, value)
            for point in (Point.at(Place.imp(0)), Point.projection(1))
            if (value := evidence.log_eig_product(point))
        ]
        numbers += [(job.name, line.stored.barrier_loss) for job, line in evidence.lines.items()]
        return [*numbers, ("trace", evidence.curvature[Point.at(Place.imp(1))].trace.estimate)]

    assert measured(None) == measured(3)


def test_measures_can_be_taken_in_parts_that_a_whole_analysis_then_finds(tracking):
    make_study().analysis(1, ("radii",))
    radii = finished_measurements()
    assert radii
    assert all("radii" in name for name in radii)
    said: list[str] = []
    make_study(said).analysis(1)
    assert sum(line.startswith("filter radii") and "found in run" in line for line in said) == 2


def test_baselines_at_every_level_are_trained_and_measured_on_request(tracking):
    study = make_study(levels="2", every_level="lr_rewind")
    study.measure_all(("spectra",))
    assert {"curvature at lr_rewind at level 1", "curvature at lr_rewind at level 2"} <= set(
        finished_measurements()
    )
    assert not any("one_shot at level 1" in name for name in finished_measurements())


def test_a_measurement_whose_numbers_are_damaged_is_refused_with_its_run(tracking):
    study = make_study(**QUICK)
    run = study.measurement(study_jobs(1, study.problem.setting.analysis)[0])
    path = next(tracking.rglob(f"{run}/artifacts/measurement.npz"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(
        ValueError, match=f"the numbers of run {run} are not usable.*runs delete --run-id {run}"
    ):
        load_measurement(study.store, run)


def test_a_report_is_not_found_while_something_it_shows_is_lost(tracking):
    said: list[str] = []
    first = Replication([make_study(said, **QUICK)], said.append).complete()
    (lost,) = Store().search("tags.measure = 'distances'")
    MlflowClient().delete_run(lost.info.run_id)
    assert Replication([make_study(said, **QUICK)], said.append).complete() == first
    assert len(Store().search("tags.measure = 'distances'")) == 1
    assert make_study(**QUICK).evidence().distances.names


def test_line_ends_are_those_of_the_examples_the_line_is_measured_on(tracking):
    run = make_study().solution(Place.imp(1))
    given = load_solution(Store(), run)
    few = make_problem(train_examples="24", seed="3").setting
    study = Study(set_up(few, images(None), torch.device("cpu"), given), Store(), [].append, {given.key: run})
    line = line_from(load_measurement(study.store, study.measurement(successive_line(1)))).stored
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
    tracking, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(lth.study.tasks, "log_solution_trend", lambda *_: None)
        patched.setattr(lth.study.tasks, "log_analysis_trend", lambda *_: None)
        make_study(**QUICK).solution(Place.imp(1))
        make_study(**QUICK).analysis(1)
    study = make_study(**QUICK).complete()
    steps = Store().steps
    assert steps(study, "train/loss") == steps(study, "landscape/log_eig_product") == {0, 1}
    assert steps(study, "landscape/barrier_loss") == steps(study, "versus/one_shot_train_loss") == {1}


def test_a_complete_study_of_which_a_run_was_deleted_is_completed_again(tracking):
    make_study(**QUICK).complete()
    (line,) = [
        run
        for run in Store().search("tags.measure = 'lines'")
        if run.info.run_name == "line from dense to level 1"
    ]
    MlflowClient().delete_run(line.info.run_id)
    said: list[str] = []
    make_study(said, **QUICK).complete()
    assert [line for line in said if line.startswith("measuring")] != []
    make_study(**QUICK).evidence()
