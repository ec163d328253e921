"""What a user's function was called with is told in a few words."""

import pytest
import torch

from lth.errors import InputError
from lth.setting.reference import call_reference

LONG = {
    "parameters": [torch.nn.Parameter(torch.randn(50, 50)) for _ in range(4)],
    "a tensor": torch.randn(30, 30),
    "a text": "x" * 1000,
}


@pytest.mark.parametrize("argument", LONG.values(), ids=LONG)
def test_what_is_long_is_told_by_its_type_and_length(argument):
    with pytest.raises(InputError) as refused:
        call_reference("os:getcwd", argument)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 150
    assert f"{type(argument).__name__} of {len(argument)}" in str(refused.value)


def test_what_is_short_is_told_as_it_is():
    with pytest.raises(InputError, match=r"os:getcwd can't be called with \(3, 'a'\)"):
        call_reference("os:getcwd", 3, "a")
