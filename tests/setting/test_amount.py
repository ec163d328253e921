import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.setting.amount import Amount

FRACTIONS = st.floats(0, 1, exclude_min=True, allow_nan=False)
AMOUNTS = st.builds(Amount, st.none() | st.integers(1, 10**9) | FRACTIONS)


@given(AMOUNTS)
def test_an_amount_is_read_back_as_it_was_written(amount):
    again = Amount.parse(str(amount))
    assert again == amount
    assert type(again.value) is type(amount.value)


@pytest.mark.parametrize(
    ("written", "total", "expected"),
    [
        ("all", 7, 7),
        ("1.0", 7, 7),
        ("1", 7, 1),
        (1.0, 7, 7),
        (1, 7, 1),
        ("0.1", 50_000, 5000),
        ("0.05", 50_000, 2500),
        ("1e-9", 50, 1),
        (" 7 ", 7, 7),
    ],
)
def test_numbers_fractions_and_all_are_told_apart(written, total, expected):
    assert Amount.parse(written).of(total) == expected


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("0", "got 0"),
        ("-3", "got -3"),
        ("0.0", "got 0.0"),
        ("1.5", "got 1.5"),
        ("nan", "got nan"),
        ("inf", "got inf"),
    ],
)
def test_a_number_out_of_range_raises_and_shows_it(written, shown):
    with pytest.raises(ValueError, match=f"{shown}; write 0.1, 500 or all"):
        Amount.parse(written)


@pytest.mark.parametrize("written", ["", "half", "10%", "None", "1/2"])
def test_anything_else_raises_and_shows_the_value(written):
    with pytest.raises(ValueError, match="is not an amount of examples") as raised:
        Amount.parse(written)
    assert repr(written) in str(raised.value)


@given(st.text(max_size=8))
def test_any_text_is_read_or_refused_with_a_value_error(written):
    try:
        amount = Amount.parse(written)
    except ValueError:
        return
    assert amount.of(10**9) >= 1


@given(FRACTIONS, st.integers(1, 10**6))
def test_a_fraction_is_rounded_and_at_least_one_and_at_most_all(fraction, total):
    count = Amount(fraction).of(total)
    assert 1 <= count <= total
    assert count == max(1, round(fraction * total))


def test_more_than_there_are_raises_and_names_both():
    with pytest.raises(ValueError, match="501 examples were asked for, but there are 500; write `all`"):
        Amount(501).of(500)
    assert Amount(500).of(500) == 500
