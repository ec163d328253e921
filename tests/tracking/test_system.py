"""What the machine does is measured on request alone, and only while a run is written."""

from typing import ClassVar

import pytest

from lth.tracking import system
from lth.tracking.store import KEY, Store


class Monitor:
    """Notes of which run it was started and ended."""

    said: ClassVar[list[str]] = []

    def __init__(self, run_id: str, **_: object) -> None:
        self.run_id = run_id

    def start(self) -> None:
        self.said.append(f"start {self.run_id}")

    def finish(self) -> None:
        self.said.append(f"finish {self.run_id}")


@pytest.fixture
def said(tracking, monkeypatch) -> list[str]:
    Monitor.said = []
    monkeypatch.setattr(system.system_metrics_monitor, "SystemMetricsMonitor", Monitor)
    return Monitor.said


@pytest.mark.parametrize("switch", [None, "false"])
def test_nothing_is_measured_unless_it_is_asked_for(said, monkeypatch, switch):
    monkeypatch.delenv(system.SWITCH, raising=False)
    if switch is not None:
        monkeypatch.setenv(system.SWITCH, switch)
    with Store().open("run", {KEY: "a"}):
        pass
    assert said == []


def test_it_is_measured_from_the_start_of_a_run_to_its_end_also_where_it_fails(said, monkeypatch):
    monkeypatch.setenv(system.SWITCH, "true")
    with Store().open("run", {KEY: "a"}) as run:
        assert said == [f"start {run.run_id}"]
    with pytest.raises(ZeroDivisionError), Store().open("other", {KEY: "b"}) as other:
        raise ZeroDivisionError
    assert said == [f"{what} {one.run_id}" for one in (run, other) for what in ("start", "finish")]
