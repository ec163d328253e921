"""Processes beside a command, with a small program in place of a study."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import MagicMock

import click
import pytest
from click.testing import CliRunner

from lth.command import workers
from lth.command.line import main
from lth.command.workers import number, parse, working

PROGRAM = """
import os, sys
from lth.command.workers import number
print("number", number(), sys.argv[1], "MLFLOW_RUN_ID" in os.environ, flush=True)
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return the module of a program that workers can run."""
    (tmp_path / "worked.py").write_text(PROGRAM)
    (tmp_path / "waiting.py").write_text("print('waiting', flush=True); import signal; signal.pause()")
    path = os.pathsep.join([str(tmp_path), str(Path(workers.__file__).parents[2])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("MLFLOW_RUN_ID", "of the command itself")
    return "worked"


def test_the_command_itself_is_number_zero():
    assert number() == 0


@pytest.mark.parametrize("count", [1, 2, 4])
def test_there_are_as_many_processes_as_asked_for_and_each_line_is_told_with_its_number(count, program):
    said = []
    with working(count, [program, "given", "0"], said.append):
        pass
    assert sorted(said) == [f"[worker {n}] number {n} given False" for n in range(1, count)]


def test_a_worker_that_fails_ends_nobody_else(program):
    said = []
    with working(2, [program, "given", "3"], said.append):
        pass
    assert said[-1] == "worker 1 ended with status 3; what it left undone, the others do"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_workers_are_asked_to_end_where_the_command_ends_early(error, program):
    with pytest.raises(error), working(3, ["waiting"], lambda _line: None):
        raise error


@pytest.mark.parametrize(("written", "count"), [("auto", None), ("1", 1), ("12", 12)])
def test_a_number_of_processes_is_read(written, count):
    assert parse(None, None, written) == count


@pytest.mark.parametrize("written", ["0", "-1", "two", "1.5", "", "257"])
def test_what_is_no_number_of_processes_is_refused(written):
    with pytest.raises(click.BadParameter, match="write auto, or 1 to 256"):
        parse(None, None, written)


def test_a_worker_stops_when_the_command_it_belongs_to_is_killed(tmp_path, program):
    """The command starts one, says its pid, and is killed."""
    (tmp_path / "follower.py").write_text(
        "import os, signal\n"
        "from lth.command.options import _follow_launcher\n"
        "_follow_launcher()\nprint(os.getpid(), flush=True)\nsignal.pause()\n"
    )
    (tmp_path / "command.py").write_text(
        "from lth.command.workers import working\n"
        "with working(2, ['follower'], lambda line: print(line, flush=True)):\n    input()\n"
    )
    command = subprocess.Popen(
        [sys.executable, "-m", "command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid = int(command.stdout.readline().split()[-1])
    import psutil

    worker = psutil.Process(pid)
    command.send_signal(signal.SIGKILL)
    command.communicate()
    gone, alive = psutil.wait_procs([worker], timeout=30)
    assert (gone, alive) == ([worker], [])


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["study", "--workers=2", "--levels", "1"], ["--workers=2", "--levels", "1"]),
        (["study", "-P", "workers=2", "-P", "k=3"], ["--workers=2", "--k=3"]),
        (["main", "--workers", "2"], ["--workers", "2"]),
    ],
)
def test_workers_are_given_what_was_typed_behind_the_command_whatever_it_was_called(typed, given, monkeypatch):
    handed: list[list[str]] = []

    @contextmanager
    def nobody(_count, arguments, _say):
        handed.append(list(arguments))
        yield

    monkeypatch.setattr(workers, "working", nobody)
    monkeypatch.setattr("lth.command.study.opened_replication", lambda *_, **__: nullcontext(MagicMock()))
    monkeypatch.setattr("lth.command.study.tell_report", lambda *_: None)
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0, done.output
    assert handed == [["lth.command.study", *given]]
