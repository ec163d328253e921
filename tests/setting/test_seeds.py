"""Seeds as people write them, one by one or from the first to the last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.errors import InputError
from lth.setting.seeds import parse_seeds, written_seeds


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        ("0,1,2", ["0", "1", "2"]),
        (" 3 , 1", ["3", "1"]),
        ("0-2", ["0", "1", "2"]),
        ("7, 0 - 1,4", ["7", "0", "1", "4"]),
        ("5-5", ["5"]),
        ("007", ["7"]),
        ([2, 0], ["2", "0"]),
        (range(2), ["0", "1"]),
    ],
)
def test_seeds_are_read_in_the_order_they_are_written(written, seeds):
    assert parse_seeds(written) == seeds


@pytest.mark.parametrize("written", ["", "0,", "0,x", "-1", "0-", "1.5", "0--2", "0-1-2", "٣", [0.5]])
def test_what_are_no_whole_numbers_is_refused_with_how_to_write_them(written):
    with pytest.raises(InputError, match="are not whole numbers; write 0,1,2 or 0-2"):
        parse_seeds(written)


def test_seeds_that_go_down_are_refused_with_the_range_the_other_way():
    with pytest.raises(InputError, match="go down from 2 to 0; write 0-2"):
        parse_seeds("7,2-0")


@pytest.mark.parametrize("written", ["1,1", "0-3,2", "1,01"])
def test_a_seed_is_named_once(written):
    with pytest.raises(InputError, match=r"names seed [12] twice; give each once"):
        parse_seeds(written)


@pytest.mark.parametrize("written", ["0-1000", "0-9999999999", "0-600,1000-1600"])
def test_a_typing_error_is_not_a_thousand_studies(written):
    with pytest.raises(InputError, match=r"are more than 1,000; give fewer at once"):
        parse_seeds(written)


def test_a_thousand_seeds_are_read():
    assert len(parse_seeds("0-999")) == 1000


@given(st.lists(st.integers(0, 30), min_size=1, unique=True))
def test_what_is_written_is_read_back(seeds):
    assert list(map(int, parse_seeds(written_seeds(seeds)))) == seeds


def test_three_in_a_row_are_written_as_a_range_two_are_not():
    assert written_seeds([0, 1, 2, 5, 6, 3]) == "0-2,5,6,3"
