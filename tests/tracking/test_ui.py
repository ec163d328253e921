"""Addresses that land on the runs, and a person's first look at them, in a real browser."""

import json
import socket

import pytest
from browser import BROWSER, opened
from mlflow.entities import Experiment
from servers import free_port

from lth.errors import InputError
from lth.study.record.views import RUNS, SOLUTIONS, views
from lth.tracking import ui
from lth.tracking.store import Store

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


def shows(*texts: str) -> str:
    """Return the condition that a page shows all of these."""
    return f"{json.dumps(texts)}.every((text) => document.body.innerText.includes(text))"


def has_come_to(name: str) -> str:
    """Return the condition that one sees the element of this name at the top, and whole where it is folded."""
    return (
        f"(at => Math.abs(at.getBoundingClientRect().top) < 40 && !at.closest('details:not([open])'))"
        f"(document.getElementById({name!r}))"
    )


@pytest.fixture
def look(finished, tracking):
    """A browser, and the server of a finished study's store."""
    port = free_port()
    with ui.served(port), opened(tracking / "profile") as tab:
        yield tab, port, ui.experiment()


@pytest.mark.nightly
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_the_first_look_is_a_list_of_runs_with_rows_and_the_table_has_one_a_solution(look):
    tab, port, experiment = look
    tab.go(ui.runs_address(experiment, RUNS, port))
    tab.waits(shows("seed 0", "report", "landscape/log_eig_product"))
    tab.go(ui.runs_address(experiment, SOLUTIONS, port))
    tab.waits(shows("dense", "level 1", "random_init at level", "test/accuracy"))
    assert not tab.value(shows("No data"))


@pytest.mark.nightly
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_the_links_of_a_report_lead_where_they_say_within_mlflow(look):
    tab, port, experiment = look
    (report,) = Store().search("tags.kind = 'report'")
    address = ui.run_address(experiment.experiment_id, report.info.run_id, "report.html")
    tab.go(address.replace(":5000/", f":{port}/"))
    tab.waits("document.querySelector('iframe')")
    tab.enter_frame()
    tab.waits("document.readyState === 'complete' && document.getElementById('contents')")
    assert tab.value("window.origin") == "null"  # a frame without rights
    for name in ("levels", "claim-R1a", "figures", "setting"):
        tab.value(f"document.querySelector('a[href=\"#{name}\"]').click()")
        assert tab.value(has_come_to(name)), name
    assert tab.value("document.getElementById('claim-R1a').open")
