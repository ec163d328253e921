"""A whole study of a tiny problem: what its runs hold, seen through MLflow's own client."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import use_fresh_store
from mlflow import MlflowClient
from tiny_problem import make_study

from lth.recipe import BASELINES
from lth.tracking.store import KEY, Store


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[str]:
    """Run the study once for all tests of this module, which only read it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_fresh_store(monkeypatch, tmp_path_factory.mktemp("whole"), empty_database)
        yield make_study().complete()


def num_runs() -> int:
    return len(Store().search(f"tags.`{KEY}` LIKE '%'"))


def test_every_run_carries_its_place_as_tags_and_numbers_as_metrics(whole, tmp_path):
    for kind, level in [("imp", 0), ("imp", 2), ("one_shot", 2), ("analysis", 1), ("surface", 2)]:
        (run,) = Store().search(f"tags.kind = '{kind}' AND tags.level = '{level}'")
        tags, metrics = run.data.tags, run.data.metrics
        assert (tags["seed"], tags["network"], tags["dataset"]) == ("0", "tiny_problem:network", "tiny")
        assert metrics["level"] == level
        assert metrics["seed"] == 0
        assert metrics["density"] == pytest.approx({0: 1.0, 1: 38 / 48, 2: 30 / 48}[level])
        assert run.info.status == "FINISHED"


def test_all_runs_of_a_study_are_children_of_one_run(whole, tmp_path):
    parent = whole
    runs = Store().search(f"tags.`{KEY}` LIKE '%'")
    children = [run for run in runs if run.info.run_id != parent]
    assert len(children) == 3 + len(BASELINES) + 3 + 1  # levels, baselines, analyses, surface
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent}


def test_the_study_carries_each_trend_with_level_as_step(whole, tmp_path):
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


def test_a_finished_study_trains_and_measures_nothing_when_asked_for_again(whole, tmp_path):
    parent = whole
    before = num_runs()
    said: list[str] = []
    assert make_study(said).complete() == parent
    assert num_runs() == before
    assert all("nothing to compute" in line for line in said)


def test_the_table_has_every_level_with_its_geometry_and_every_baseline(whole, tmp_path):
    rows = make_study().rows()
    assert [row.name for row in rows[:3]] == ["dense", "level 1", "level 2"]
    assert [row.kind for row in rows[3:]] == list(BASELINES)
    for row in rows[1:3]:
        assert None not in (row.log_eig_product, row.radius_mean, row.barrier_loss, row.barrier_error)
    assert rows[0].barrier_loss is None


def test_the_line_starts_and_ends_at_the_logged_losses(whole, tmp_path):
    client = MlflowClient()
    (analysis,) = Store().search("tags.kind = 'analysis' AND tags.level = '2'")
    path = client.download_artifacts(analysis.info.run_id, "analysis.npz", dst_path=str(tmp_path))
    with np.load(path) as raw:
        losses, errors = raw["line_train_loss"], raw["line_test_error"]
    for level, loss, error in ((1, losses[0], errors[0]), (2, losses[-1], errors[-1])):
        (run,) = Store().search(f"tags.kind = 'imp' AND tags.level = '{level}'")
        # The same sums in another memory layout: float32 rounding only.
        assert loss == pytest.approx(run.data.metrics["train/loss"], rel=1e-5)
        assert error == pytest.approx(1 - run.data.metrics["test/accuracy"], abs=1e-9)


def test_plots_and_raw_numbers_are_artifacts(whole, tmp_path):
    parent = whole
    client = MlflowClient()
    expected = {
        "analysis": {"analysis.npz", "spectra.png", "radii.png", "interpolation.png"},
        "surface": {"surface.npz", "surface.json", "surface.png"},
    }
    for kind, names in expected.items():
        (run,) = Store().search(f"tags.kind = '{kind}' AND tags.level = '2'")
        found = {file.path: file.file_size for file in client.list_artifacts(run.info.run_id)}
        assert names <= set(found)
        assert all(found[name] > 0 for name in names)
    assert {"trend.png", "results.md", "results.json"} <= {f.path for f in client.list_artifacts(parent)}


def test_the_surface_names_every_solution_with_true_loss_and_distance(whole, tmp_path):
    (run,) = Store().search("tags.kind = 'surface'")
    path = MlflowClient().download_artifacts(run.info.run_id, "surface.json", dst_path=str(tmp_path))
    content = json.loads(Path(path).read_text())
    markers = {marker["name"]: marker for marker in content["markers"]}
    assert {"dense", "level 1", "level 2", *(f"{kind} at level 2" for kind in BASELINES)} <= set(markers)
    for corner in content["corners"]:
        assert markers[corner]["distance"] == pytest.approx(0, abs=1e-6)  # float64 geometry of float32 weights
