"""Which parameters a group of layers holds, by what a user calls it."""

import pytest
from torch import nn

from lth.errors import InputError
from lth.network.layer_groups import is_called, layer_groups
from lth.network.mask import Mask


class Nested(nn.Module):
    """Blocks with BatchNorm, a head whose weight is also the embedding's, and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 3)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)) for _ in range(11))
        self.head = nn.Linear(3, 4)
        self.head.weight = self.embedding.weight
        self.scale = nn.Parameter(self.head.bias.detach().clone())


NETWORK = Nested()
FROZEN = frozenset({"blocks.2.0.bias", "blocks.3.0.weight", "blocks.3.0.bias"})
PRUNABLE = Mask.dense(NETWORK).keep.keys() - FROZEN


def groups(*written: str) -> dict[str, tuple[str, ...]]:
    return layer_groups(NETWORK, written, PRUNABLE, FROZEN)


def test_each_is_every_layer_with_weights_that_can_be_pruned_and_move():
    found = groups("each")
    expected = ["embedding", *(f"blocks.{index}.0" for index in range(11) if index != 3)]
    assert list(found) == expected
    assert found["blocks.1.0"] == ("blocks.1.0.weight", "blocks.1.0.bias")
    assert found["blocks.2.0"] == ("blocks.2.0.weight",)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("blocks.1", 4),  # and not blocks.10
        ("blocks.1.*", 4),
        ("blocks.1*", 8),
        ("blocks.?.1", 20),
        ("*.bias", 21),
        ("head", 2),  # its weight goes by the embedding's name
        ("scale + head.bias", 2),
        ("blocks.1+blocks.1.0.weight", 4),
    ],
)
def test_a_name_is_of_a_parameter_or_of_all_in_a_module(written, count):
    (found,) = groups(written).values()
    assert len(found) == count
    assert not FROZEN & set(found)


@pytest.mark.parametrize("written", ["stem", "blocks.3.0", "blocks.11", "head+", "head+stem", "weight", "EACH"])
def test_what_is_of_no_parameter_that_moves_is_refused(written):
    with pytest.raises(
        InputError, match="is of no parameter that moves; write each, or some of scale, embedding"
    ):
        groups("each", written)


@pytest.mark.parametrize(("pattern", "called"), [("a", True), ("a.b", True), ("a.b.c", True), ("b", False)])
def test_a_parameter_is_called_by_all_that_it_is_in(pattern, called):
    assert is_called("a.b.c", pattern) == called


def test_a_parameter_of_the_network_itself_is_a_layer_by_its_own_name():
    network = nn.Linear(2, 2)
    assert layer_groups(network, ["each"], ["weight"], []) == {"weight": ("weight", "bias")}
