from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.setting.step import Step

COUNTS = st.builds(Step, st.integers(0, 10**12 - 1), st.sampled_from(["it", "ep"]))
SHARES = st.builds(Step, st.decimals(0, Decimal("99.9"), places=1), st.just("%"))
STEPS = COUNTS | SHARES


@given(STEPS)
def test_a_step_is_read_back_as_it_was_written(step):
    assert Step.parse(str(step)) == step


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("500", Step(500)),
        ("500it", Step(500)),
        (500, Step(500)),
        (" 2 ep ", Step(2, "ep")),
        ("0", Step(0)),
        (Step(3, "ep"), Step(3, "ep")),
    ],
)
def test_iterations_and_epochs_are_read(written, expected):
    assert Step.parse(written) == expected


@pytest.mark.parametrize(
    "written", ["", "ep", "-1", -1, "1.5", "1e3", "2epochs", "2 ep ep", "none", "٣", "9" * 13]
)
def test_anything_else_raises_and_shows_the_value(written):
    with pytest.raises(
        ValueError, match=r"is not a step; write iterations as `500` or epochs as `2ep`"
    ) as raised:
        Step.parse(written)
    assert repr(written) in str(raised.value)


@given(st.text(max_size=8))
def test_any_text_is_read_or_refused_with_a_value_error(written):
    try:
        step = Step.parse(written)
    except ValueError:
        return
    assert step.count >= 0


def test_a_negative_count_raises():
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        Step(-1)


@given(COUNTS, st.integers(1, 1000), st.integers(1, 1000))
def test_epochs_become_iterations_by_the_length_of_an_epoch(step, length, epochs):
    assert step.iterations(length, epochs) == (step.count * length if step.unit == "ep" else step.count)


@given(SHARES, st.integers(1, 1000), st.integers(1, 1000))
def test_a_share_lies_within_the_training_and_as_near_to_it_as_it_was_written(share, length, epochs):
    end = length * epochs
    found = share.iterations(length, epochs)
    assert 0 <= found <= end
    assert abs(found - float(share.count) / 100 * end) <= max(0.5, 0.0005 * end) + 1e-6


@pytest.mark.parametrize(
    ("written", "epochs", "meant"),
    [("50%", 160, "80ep"), ("75%", 160, "120ep"), ("77%", 30, "23ep"), ("7%", 30, "2ep"), ("50%", 3, "50%")],
)
def test_a_share_that_means_the_end_of_an_epoch_is_that(written, epochs, meant):
    assert str(Step.parse(written).of(epochs)) == meant


@pytest.mark.parametrize("written", ["100%", "250%"])
def test_a_share_of_all_or_more_is_not_before_the_end(written):
    with pytest.raises(ValueError, match="not before the end"):
        Step.parse(written)
