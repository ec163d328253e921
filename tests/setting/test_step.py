import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.setting.step import Step

STEPS = st.builds(Step, st.integers(0, 10**12 - 1), st.sampled_from(["it", "ep"]))


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


@given(STEPS, st.integers(1, 1000))
def test_epochs_become_iterations_by_the_length_of_an_epoch(step, length):
    assert step.iterations(length) == (step.count * length if step.unit == "ep" else step.count)
