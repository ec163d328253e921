"""Addresses that land on the runs, and a person's first look at them, in a real browser."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from mlflow.entities import Experiment
from servers import free_port
from tiny_problem import make_study

from lth.errors import InputError
from lth.study.record.views import RUNS, SOLUTIONS, views
from lth.tracking import ui
from lth.tracking.store import Store

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EXPERIMENT = Experiment("7", "lth", "/nowhere", "active")
WITH_VIEW = Experiment("7", "lth", "/nowhere", "active", tags=[])
WITH_VIEW.tags[ui.view_tag(RUNS)] = "{}"


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("sqlite:////tmp/mlflow.db", "http://127.0.0.1:5000"),
        ("http://lab:8080/", "http://lab:8080"),
        ("https://me:secret@lab/mlflow", "https://lab/mlflow"),
        ("postgresql://lab/lth", "http://127.0.0.1:5000"),
    ],
)
def test_an_address_lands_on_the_runs_of_a_server_or_of_a_ui_on_this_machine(monkeypatch, uri, server):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    landing = "#/experiments/7/runs?workflowType=machine_learning"
    assert ui.runs_address(EXPERIMENT, RUNS) == f"{server}/{landing}"
    assert ui.run_address("7", "a1").startswith(f"{server}/#/experiments/7/runs/a1?")


def test_an_address_names_a_view_only_where_the_experiment_has_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab")
    assert ui.runs_address(WITH_VIEW, RUNS).endswith("&viewStateShareKey=runs")
    assert "viewStateShareKey" not in ui.runs_address(WITH_VIEW, SOLUTIONS)


def test_views_are_offered_once_and_those_that_a_person_changed_stay(tracking):
    Store().offer_views({"mine": {"selectedColumns": []}})
    Store().offer_views({"mine": {"selectedColumns": ["other"]}, **views()})
    tags = Store()._experiment.tags
    assert json.loads(tags[ui.view_tag("mine")]) == {"selectedColumns": []}
    assert {ui.view_tag(RUNS), ui.view_tag(SOLUTIONS)} <= tags.keys()


def test_a_port_that_is_taken_is_refused_before_anything_starts(tracking):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of this machine can't be used"), ui.served(port):
            pass


def test_a_store_that_is_not_there_has_no_runs_to_open(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(InputError, match="there is no tracking store"):
        ui.experiment()


def seen(address: str, profile: Path) -> str:
    """Return the page at an address as Chromium has it, once its scripts have run."""
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += [
        "--window-size=1500,1000",
        "--timeout=30000",
        "--virtual-time-budget=20000",
        "--dump-dom",
        address,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout


@pytest.mark.nightly
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.usefixtures("without_pictures", "without_models")
def test_the_first_look_shows_runs_and_the_table_has_a_row_a_solution(tracking):
    """It starts a server, and opens two pages of MLflow's UI."""
    study = make_study(levels="1")
    study.complete()
    port = free_port()
    with ui.served(port):
        experiment = ui.experiment()
        page = seen(ui.runs_address(experiment, RUNS, port), tracking / "first")
        assert study.name[:12] in page
        assert "landscape/log_eig_product" in page
        table = seen(ui.runs_address(experiment, SOLUTIONS, port), tracking / "second")
    assert "level 1" in table
    assert "random_init at level 1" in table
    assert "No data" not in page + table
    assert os.environ["MLFLOW_TRACKING_URI"].startswith("sqlite:")
