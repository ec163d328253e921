"""The UI ends with the command that started it, whichever way that is ended, and leaves no process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest
from click.testing import CliRunner

from lth.command import ui as command
from lth.signals import ENDING
from lth.tracking import ui

_CHILD = "import signal, time; {}; print(flush=True); time.sleep(600)"
_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE, start_new_session={own})
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("has_own_session", [False, True])
@pytest.mark.parametrize("habit", ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_what_a_process_started_ends_with_it(monkeypatch, has_own_session, habit):
    monkeypatch.setattr(ui, "_SECONDS_TO_END", 0.2)
    parent = _PARENT.format(child=_CHILD.format(habit), own=has_own_session)
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    child = psutil.Process(int(process.stdout.readline()))
    ui.end_family(process)
    process.stdout.close()
    assert process.poll() is not None
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_has_ended_already_is_no_fault():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    ui.end_family(process)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("number", ENDING)
def test_each_signal_that_ends_the_command_ends_the_ui(monkeypatch, number):
    ended = []

    @contextmanager
    def served(_port: int) -> Iterator[SimpleNamespace]:
        try:
            yield SimpleNamespace(wait=lambda: os.kill(os.getpid(), number))
        finally:
            ended.append(True)

    monkeypatch.setattr(ui, "served", served)
    monkeypatch.setattr(ui, "experiment", lambda: None)
    monkeypatch.setattr(ui, "runs_address", lambda *_: "http://here")
    result = CliRunner().invoke(command.main, ["--browser=false"])
    assert result.exit_code == 0, result.output
    assert result.output == "the runs are at http://here (Ctrl-C ends it)\n"
    assert ended == [True]
