"""A whole study of a tiny problem: what its runs hold, seen through MLflow's own client."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from finished_study import FinishedStudy
from mlflow import MlflowClient
from store_calls import StoreCalls
from tiny_problem import make_problem, make_study

import lth
from lth.errors import InputError, MendableError
from lth.plan.jobs import study_jobs, successive_line
from lth.plan.place import BASELINES, Place, Point
from lth.report.part import parse_figures
from lth.study.record.report import earlier_reports
from lth.study.record.row import geometry
from lth.study.replication import Replication
from lth.study.results import MissingEvidenceError
from lth.tracking.store import KEY, Store


@pytest.fixture
def whole(finished_for_all: FinishedStudy) -> str:
    """Give the study's run."""
    return finished_for_all.begun


def num_runs() -> int:
    return len(Store().search(f"tags.`{KEY}` LIKE '%'"))


def test_every_run_carries_its_place_as_tags_and_numbers_as_metrics(whole):
    for kind, level in [("imp", 0), ("imp", 2), ("one_shot", 2), ("analysis", 1)]:
        (run,) = Store().search(f"tags.kind = '{kind}' AND tags.level = '{level}'")
        tags, metrics = run.data.tags, run.data.metrics
        assert (tags["seed"], tags["network"], tags["dataset"]) == ("0", "tiny_problem:network", "tiny")
        assert metrics["level"] == level
        assert "seed" not in metrics  # MLflow would draw its first chart over it
        assert run.data.params["seed"] == "0"
        assert metrics["density"] == pytest.approx({0: 1.0, 1: 38 / 48, 2: 30 / 48}[level])
        assert run.info.status == "FINISHED"


def test_all_runs_of_a_study_are_under_one_run_and_measurements_one_deeper(whole):
    found = Store().search(f"tags.`{KEY}` LIKE '%'")
    runs = {run.info.run_id: run for run in found if run.data.tags["kind"] != "report"}
    measurements = next(run for run in runs.values() if run.data.tags["kind"] == "measurements")
    below: dict[str, list[str]] = {whole: [], measurements.info.run_id: []}
    for run_id, run in runs.items():
        if run_id != whole:
            below[run.data.tags["mlflow.parentRunId"]].append(run.data.tags["kind"])
    assert sorted(below[whole]) == sorted([*["imp"] * 3, *BASELINES, *["analysis"] * 3, "measurements"])
    jobs = study_jobs(2, make_study().problem.setting.analysis)
    assert below[measurements.info.run_id] == ["measurement"] * len(jobs)


def test_the_study_carries_each_trend_with_level_as_step(whole):
    parent = whole
    client = MlflowClient()
    for name, steps in {
        "train/loss": [0, 1, 2],
        "test/accuracy": [0, 1, 2],
        "density": [0, 1, 2],
        "landscape/log_eig_product": [0, 1, 2],
        "landscape/barrier_loss": [1, 2],
        "versus/one_shot_test_accuracy": [2],
    }.items():
        assert sorted(m.step for m in client.get_metric_history(parent, name)) == steps, name


def test_a_study_that_was_begun_level_by_level_is_completed_in_the_same_run(whole):
    run = MlflowClient().get_run(whole)
    assert run.info.status == "FINISHED"
    assert "| level 2 |" in run.data.tags["mlflow.note.content"]


def test_a_finished_study_trains_and_measures_nothing_when_asked_for_again(whole):
    parent = whole
    before = num_runs()
    said: list[str] = []
    assert make_study(said).complete() == parent
    assert num_runs() == before
    assert all("nothing to compute" in line for line in said)


def test_what_a_finished_study_holds_is_found_by_one_search(whole, monkeypatch):
    study, calls = make_study(), StoreCalls(monkeypatch)
    study.complete()
    assert calls.total <= 2, calls.counts
    calls.reset()
    assert len(study.rows()) == 10
    assert calls.total <= 2, calls.counts
    calls.reset()
    results = study.tasks.results()
    study.evidence()
    assert calls.total <= 2 + len(results), calls.counts  # a download for the numbers of each


def test_a_solution_has_all_that_is_known_of_it_on_its_own_run(whole):
    for kind, level, known in [
        ("imp", 0, ["landscape/log_eig_product", "landscape/radius_mean"]),
        ("imp", 2, ["landscape/log_eig_product_reverse", "landscape/barrier_loss", "solver/radius_cutoff"]),
        ("one_shot", 2, ["landscape/log_eig_product", "landscape/hessian_trace"]),
        ("random_init", 2, ["landscape/log_eig_product", "landscape/barrier_error_from_imp"]),
    ]:
        (run,) = Store().search(f"tags.kind = '{kind}' AND tags.level = '{level}'")
        assert {*known, "test/accuracy", "density", "mask/0", "mask/5"} <= run.data.metrics.keys()
    (analysis,) = Store().search("tags.kind = 'analysis' AND tags.level = '2'")
    (level,) = Store().search("tags.kind = 'imp' AND tags.level = '2'")
    for name, value in geometry(analysis.data.metrics).items():
        assert level.data.metrics[name] == value, name


def test_no_metric_is_named_by_a_level_or_has_a_space_and_claims_are_a_table(whole):
    runs = Store().search(f"tags.`{KEY}` LIKE '%'")
    names = {name for run in runs for name in run.data.metrics}
    assert not [name for name in names if " " in name or "level-" in name or name.startswith("claims")]
    assert {"landscape/filter_radius_mean_projected", "landscape/plain_radius_mean_previous"} <= names
    (report,) = Store().search("tags.kind = 'report'")
    assert report.data.metrics == {}
    assert "claims.csv" in artifacts(report.info.run_id)


def test_results_are_a_row_a_solution_with_what_its_run_says(whole, tmp_path):
    frame = lth.results()
    assert list(frame["solution"][:3]) == ["dense", "level 1", "level 2"]
    assert len(frame) == 3 + len(BASELINES)
    for row in frame.to_dict("records"):
        metrics = Store().run(row["run_id"]).data.metrics
        assert row["test_accuracy"] == metrics["test/accuracy"]
        assert row["log_eig_product"] == metrics["landscape/log_eig_product"]
        assert row["radius_mean"] == pytest.approx(metrics.get("landscape/radius_mean", np.nan), nan_ok=True)
    assert list(lth.results(kind="imp", level=[1, 2])["level"]) == [1, 2]
    assert list(lth.results(lr="0.10", seed=0, kind=["one_shot"])["solution"]) == ["one_shot at level 2"]
    assert len(lth.results(seed=7)) == 0
    client, stored = MlflowClient(), {}
    for name in ("results.csv", "results.json"):
        stored[name] = Path(client.download_artifacts(whole, name, str(tmp_path))).read_text()
    rows = list(csv.DictReader(stored["results.csv"].splitlines()))
    assert [row["solution"] for row in rows[:3]] == ["dense", "level 1", "level 2"]
    for row, column, found in zip(rows, json.loads(stored["results.json"]), make_study().rows(), strict=True):
        assert float(row["test_accuracy"]) == column["test_accuracy"] == found.test_accuracy
        assert column["log_eig_product"] == found.log_eig_product


@pytest.mark.parametrize("name", ["learning_rate", "solutions", "Seed"])
def test_results_can_be_chosen_by_parameters_alone(whole, name):
    with pytest.raises(InputError, match=f"{name} is no parameter"):
        lth.results(**{name: 1})


def test_what_each_layer_keeps_is_a_trend_and_a_table(whole, tmp_path):
    assert {m.step for m in MlflowClient().get_metric_history(whole, "mask/5")} == {0, 1, 2}
    table = Path(MlflowClient().download_artifacts(whole, "mask.csv", str(tmp_path))).read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) == 2 * (3 + len(BASELINES))
    kept = {
        name: sum(
            float(row["density"]) * int(row["prunable_weights"]) for row in rows if row["solution"] == name
        )
        for name in ("dense", "level 1", "level 2")
    }
    assert [round(weights, 3) for weights in kept.values()] == [48, 38, 30]


def test_the_table_has_every_level_with_its_geometry_and_every_baseline(whole):
    rows = make_study().rows()
    assert [row.name for row in rows[:3]] == ["dense", "level 1", "level 2"]
    assert [row.kind for row in rows[3:]] == list(BASELINES)
    for row in rows[1:3]:
        assert None not in (row.log_eig_product, row.radius_mean, row.barrier_loss, row.barrier_error)
    assert rows[0].barrier_loss is None


def test_the_line_starts_and_ends_at_the_logged_losses(whole, tmp_path):
    line = make_study().evidence().lines[successive_line(2)].stored
    losses, errors = line.train_loss, line.test_error
    for level, loss, error in ((1, losses[0], errors[0]), (2, losses[-1], errors[-1])):
        (run,) = Store().search(f"tags.kind = 'imp' AND tags.level = '{level}'")
        # The same sums in another memory layout: float32 rounding only.
        assert loss == pytest.approx(run.data.metrics["train/loss"], rel=1e-5)
        assert error == pytest.approx(1 - run.data.metrics["test/accuracy"], abs=1e-9)


def artifacts(run_id: str) -> dict[str, int]:
    return {file.path: file.file_size for file in MlflowClient().list_artifacts(run_id)}


def test_plots_and_raw_numbers_are_artifacts(whole):
    (analysis,) = Store().search("tags.kind = 'analysis' AND tags.level = '2'")
    (surface,) = Store().search("tags.measure = 'surface'")
    found = artifacts(analysis.info.run_id) | artifacts(surface.info.run_id) | artifacts(whole)
    expected = {"spectra.png", "radii.png", "interpolation.png"}
    expected |= {"measurement.npz", "surface.png", "surface.html"}
    expected |= {"trend.png", "results.md", "results.json", "results.csv", "mask.png", "mask.csv"}
    assert all(found[name] > 0 for name in expected)


def test_the_surface_names_every_solution_with_true_loss_and_distance(whole):
    surface = make_study().evidence().surface
    markers = {marker.place: marker for marker in surface.surface.markers}
    assert set(markers) == {*map(Place.imp, range(3)), *(Place(kind, 2) for kind in BASELINES)}
    assert surface.corners == (Place.imp(0), Place.imp(2), Place("random_init", 2))
    for corner in surface.corners:
        assert markers[corner].distance == pytest.approx(0, abs=1e-6)  # float64 geometry of float32 weights


def test_evidence_holds_what_the_runs_logged(whole):
    evidence = make_study().evidence()
    for level in range(3):
        (run,) = Store().search(f"tags.kind = 'imp' AND tags.level = '{level}'")
        assert evidence.attained[Place.imp(level)].train_loss == run.data.metrics["train/loss"]
        (analysis,) = Store().search(f"tags.kind = 'analysis' AND tags.level = '{level}'")
        logged = analysis.data.metrics
        assert evidence.log_eig_product(Point.at(Place.imp(level))) == logged["landscape/log_eig_product"]
        assert evidence.radii_at(level, Point.at(Place.imp(level))).mean == logged["landscape/radius_mean"]
    assert evidence.runs["level 2"] == run.info.run_id


def test_evidence_took_as_long_as_its_trainings_and_measurements_did(whole):
    evidence = make_study().evidence()
    runs = [Store().run(run_id).data.metrics for run_id in evidence.runs.values()]
    took = [run.get("time/training_seconds", run.get("time/measuring_seconds")) for run in runs]
    assert evidence.seconds == pytest.approx(sum(took))
    assert evidence.seconds > 0


def test_where_plotly_is_not_all_is_done_but_the_report_and_the_command_says_so(whole, monkeypatch):
    monkeypatch.setattr("lth.study.replication.has_plotly", lambda: False)
    with pytest.raises(MendableError, match=r"all is trained and measured.*same command on this store"):
        Replication([make_study()], lambda _line: None).complete()


@pytest.mark.usefixtures("without_pictures")
def test_the_report_redrawn_from_stored_numbers_is_identical_and_measures_nothing(finished, tmp_path):
    said: list[str] = []
    (drawn,) = Store().search("tags.kind = 'report'")
    first, before = drawn.info.run_id, num_runs()
    again = Replication([make_study(said)], said.append).report()
    assert num_runs() == before + 1
    folders = []
    for run_id in (first, again):
        folder = tmp_path / run_id
        folder.mkdir()
        MlflowClient().download_artifacts(run_id, "", dst_path=str(folder))
        folders.append(
            {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        )
    assert folders[0] == folders[1]
    assert Path("seed_0/fig12_lines_successive.png") in folders[0]
    assert Replication([make_study(said)], said.append).complete() == again
    assert not any(line.startswith(("training", "measuring")) for line in said)
    tags = MlflowClient().get_run(again).data.tags
    assert (tags["kind"], tags["seeds"]) == ("report", "0")
    assert "| R0a " in tags["mlflow.note.content"]


@pytest.mark.usefixtures("without_pictures")
def test_a_report_of_what_is_not_measured_shows_the_rest_names_it_and_is_no_look_at_the_study(
    finished, tmp_path
):
    replication = Replication([make_study(k="2")], [].append)
    run_id = replication.report()
    tags = MlflowClient().get_run(run_id).data.tags
    assert "seed 0 lacks" in tags["mlflow.note.content"]
    assert "-P k=2" in tags["mlflow.note.content"]
    assert earlier_reports(Store(), [make_problem(k="2")]) == []
    assert replication.report_run() is None
    MlflowClient().download_artifacts(run_id, "report.html", dst_path=str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "curvature at dense" in page
    assert 'id="fig06_radii_projection"' in page


@pytest.mark.usefixtures("without_pictures")
def test_figures_drawn_again_are_a_run_of_their_own_with_nothing_else(finished):
    replication = Replication([make_study()], [].append)
    run_id = replication.report(parse_figures("5,table1"))
    assert {"report.html", "report.md", "seed_0"} == set(artifacts(run_id))
    assert replication.report_run() not in (None, run_id)


def test_a_report_of_a_study_that_has_not_begun_says_so(whole):
    with pytest.raises(MissingEvidenceError, match=r"lacks dense, .* and \d+ more"):
        Replication([make_study(seed="7")], [].append).report()


def test_the_report_says_where_it_comes_from(whole, tmp_path):
    (drawn, *_) = Store().search("tags.kind = 'report'")
    MlflowClient().download_artifacts(drawn.info.run_id, "report.md", dst_path=str(tmp_path))
    footer = (tmp_path / "report.md").read_text().split("## Where it comes from")[1]
    for name in ("lth", "when", "hours", "hardware", "drawn with", "network", "data", "results"):
        assert f"- {name}: " in footer
    assert "parameters, of which 48 can be pruned" in footer
    assert "48 training and 24 test images" in footer


def test_evidence_of_what_is_not_measured_names_it_and_the_remedy(whole):
    with pytest.raises(MissingEvidenceError, match=r"lacks curvature at dense, .* and \d+ more; `lth study`"):
        make_study(k="2").evidence()
