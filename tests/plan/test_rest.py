import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.plan.rest import Rest, roughly

TASKS = {"a": 10.0, "b": 30.0, "c": 60.0}


def clock(*readings: float):
    return itertools.chain(readings, itertools.repeat(readings[-1])).__next__


def test_at_first_the_rest_is_what_was_predicted():
    assert Rest(TASKS, clock=clock(5.0)).seconds == pytest.approx(100)
    assert Rest(TASKS, ["c"], clock=clock(5.0)).seconds == pytest.approx(40)


@pytest.mark.parametrize("times", [0.2, 1.0, 7.0])
def test_the_rest_follows_what_tasks_take_here(times):
    rest = Rest(TASKS, clock=clock(0.0, 40 * times))
    rest.note(["a", "b"])
    between = sorted((60, 60 * times))
    assert between[0] <= rest.seconds <= between[1]
    assert rest.seconds == pytest.approx(60 * (40 + 40 * times) / 80)


def test_what_was_there_before_says_nothing_of_how_fast_it_goes():
    fresh, resumed = Rest(TASKS, clock=clock(0.0, 9.0)), Rest({**TASKS, "d": 1e9}, ["d"], clock=clock(0.0, 9.0))
    for rest in (fresh, resumed):
        rest.note(["a"])
    assert fresh.seconds == pytest.approx(resumed.seconds)
    assert (fresh.num_done, resumed.num_done) == (1, 2)


def test_tasks_of_others_do_not_count():
    rest = Rest(TASKS, ["x"], clock=clock(0.0))
    rest.note(["y", "a"])
    assert str(rest).startswith("1 of 3 done, about ")


@pytest.mark.parametrize("tasks", [{}, TASKS, {"free": 0.0}])
def test_nothing_is_left_where_all_is_done(tasks):
    rest = Rest(tasks, clock=clock(0.0, 50.0))
    rest.note(tasks)
    assert rest.seconds == 0


@given(st.dictionaries(st.text(min_size=1), st.floats(0.1, 1e6)), st.floats(0, 1e7))
def test_a_rest_is_never_negative(tasks, elapsed):
    rest = Rest(tasks, clock=clock(0.0, elapsed))
    for key in tasks:
        assert rest.seconds >= 0
        rest.note([key])


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_what_is_longer_is_never_said_to_be_shorter(one, other):
    units = {"s": 1, "min": 60, "h": 3600}
    said = [roughly(seconds).split() for seconds in sorted((one, other))]
    short, long = (float(number) * units[unit] for _, number, unit in said)
    assert short <= long
