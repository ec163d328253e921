import gc
import itertools
import sys
from contextlib import suppress

import pytest
import tqdm.std

from lth.bar import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by so many seconds whenever it is read."""

    def start(seconds: float) -> None:
        readings = itertools.count(0.0, seconds)
        monkeypatch.setattr(tqdm.std, "time", lambda: next(readings))

    return start


def test_a_log_gets_a_line_a_minute_and_no_more(capsys, clock):
    clock(10)
    for _ in progress(range(30), "level 3", unit="epoch"):
        pass
    shown = capsys.readouterr().err
    lines = shown.splitlines()
    assert 3 <= len(lines) <= 6  # of five minutes
    assert all(line.startswith("  level 3: ") and " of 30 epochs, " in line for line in lines)
    assert "\r" not in shown


def test_a_line_says_what_is_known_of_the_work(capsys, clock):
    clock(70)
    bar = progress(range(4), "dense", unit="epoch")
    for epoch in bar:
        bar.set_postfix_str(f"loss {epoch / 8}", refresh=False)
    shown = capsys.readouterr().err
    assert "loss 0.125" in shown
    assert " to go" in shown


def test_work_without_a_known_end_is_counted(capsys, clock):
    clock(70)
    with progress(None, "curvature", unit="product") as bar:
        for _ in range(3):
            bar.update()
    shown = capsys.readouterr().err
    assert "curvature: 2 products" in shown
    assert "?" not in shown


def test_work_that_goes_on_is_counted_from_where_it_stopped(capsys, clock):
    clock(70)
    for _ in progress(range(6, 8), "level 1", total=8, initial=6, unit="epoch"):
        pass
    assert capsys.readouterr().err.splitlines()[-1].startswith("  level 1: 8 of 8 epochs")


@pytest.mark.parametrize("watched", [False, True])
def test_work_of_a_moment_shows_nothing(watched, capsys, clock, monkeypatch):
    clock(0.001)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    assert list(progress(range(20), "lines")) == list(range(20))
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_with_its_unit_that_goes_when_the_work_is_done(capsys, clock, monkeypatch):
    clock(1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for _ in progress(range(9), "level 3", unit="epoch"):
        pass
    shown = capsys.readouterr().err
    assert "level 3" in shown
    assert "epoch" in shown
    assert not shown.rstrip("\r").endswith("epoch/s]")


@pytest.mark.parametrize("half", ["_get_free_pos", "status_printer", "refresh"])
@pytest.mark.parametrize("is_watched", [False, True])
def test_a_bar_that_is_interrupted_half_built_says_nothing(capsys, monkeypatch, half, is_watched):
    def interrupt(*_: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_watched, raising=False)
    monkeypatch.setattr("lth.bar._DELAY", 0)
    monkeypatch.setattr("lth.bar._LINE_EVERY", 0)
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with monkeypatch.context() as built:
        built.setattr(tqdm.std.tqdm, half, interrupt)
        with suppress(KeyboardInterrupt):
            progress(range(3), "dense")
    gc.collect()
    assert told == []
    assert "Traceback" not in capsys.readouterr().err
