"""How many processes a command has, and the table of what they do."""

import io
from contextlib import redirect_stdout
from types import SimpleNamespace

import click
import pytest

from lth.command.workers import Table, parse, parse_retries, table
from lth.plan.place import Place
from lth.plan.tasks import Task
from lth.study.rates import Rates
from lth.study.scheduler import Progress

DENSE = Task("w0", Place.imp(0), ())
ONE = Task("w1", Place.imp(1), (DENSE,))
BASELINE = Task("b1", Place("random_init", 1), (DENSE,))


NOW = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    for module in ("lth.command.workers", "lth.study.scheduler"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: NOW))


def progress(**changes: object) -> Progress:
    given = {
        "done": 1,
        "running": {ONE: ("worker 2", NOW - 10)},
        "elsewhere": 0,
        "waiting": 1,
        "failed": 0,
        "targets": [ONE, BASELINE],
        "unfinished": {ONE, BASELINE},
        "rates": Rates(took=[("rewound", 40.0)]),
        "count": 2,
        **changes,
    }
    return Progress(**given)


@pytest.mark.parametrize(("written", "count"), [("auto", None), ("1", 1), ("12", 12)])
def test_a_number_of_processes_is_read(written, count):
    assert parse(None, None, written) == count


@pytest.mark.parametrize("written", ["0", "-1", "two", "1.5", "", "257"])
def test_what_is_no_number_of_processes_is_refused(written):
    with pytest.raises(click.BadParameter, match="write auto, or 1 to 256"):
        parse(None, None, written)


@pytest.mark.parametrize("written", ["-1", "two", "1.5", ""])
def test_what_is_no_number_of_retries_is_refused(written):
    with pytest.raises(click.BadParameter, match="write a whole number"):
        parse_retries(None, None, written)


def test_the_table_says_who_is_at_what_and_how_long_the_rest_takes():
    heading, *lines = table(progress())
    assert heading == "1 of 3 tasks done, 1 running, 1 waiting, about 40 s left"
    assert [line.split() for line in lines] == [["worker", "2", "10", "s", "level", "1"]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"elsewhere": 2}, "2 at other commands"),
        ({"failed": 3}, "3 failed or skipped"),
        ({"failed": 3}, "1 of 6 tasks done"),
    ],
)
def test_the_table_says_what_is_elsewhere_and_what_failed(changes, said):
    assert said in table(progress(**changes))[0]


def test_nothing_is_foretold_where_nothing_was_measured():
    assert "left" not in table(progress(rates=Rates()))[0]


def drawn(*, is_watched: bool) -> str:
    text = io.StringIO()
    with redirect_stdout(text):
        shown = Table(is_watched=is_watched)
        shown.say("first")
        shown.show(progress())
        shown.say("second")
        shown.show(progress(done=2))
        shown.close()
    return text.getvalue()


def test_on_a_terminal_the_table_stands_below_what_is_said_and_is_taken_away_in_the_end():
    screen: list[str] = []
    for line in drawn(is_watched=True).splitlines():
        while line.startswith("\x1b["):
            count, rest = line[2:].split("F\x1b[J", 1)
            del screen[-int(count) :]
            line = rest
        if line:
            screen.append(line)
    assert screen == ["first", "second"]


def test_elsewhere_it_is_a_line_now_and_then():
    assert drawn(is_watched=False).splitlines() == ["first", table(progress())[0], "second"]
