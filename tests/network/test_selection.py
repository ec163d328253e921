import pytest
import torch
from torch import nn

from lth.network.mask import Mask
from lth.network.parts import described, prunable_names
from lth.network.prune import kept_by_layer, prune_smallest, prune_to
from lth.network.weights import Weights


class Mixed(nn.Module):
    """A layer of every kind that can be pruned, and a head that is tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.signal, self.volume = nn.Conv1d(2, 3, 3), nn.Conv3d(1, 2, 2)
        self.up = nn.ConvTranspose2d(2, 3, 2)
        self.memory = nn.GRU(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 7)
        self.tied = nn.Linear(4, 7)
        self.tied.weight = self.head.weight


NETWORK = Mixed()
DEFAULT = ("attention.out_proj.weight", "signal.weight", "volume.weight", "head.weight")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (["default"], DEFAULT),
        (["-first"], DEFAULT[1:]),
        (["-last"], DEFAULT[:-1]),
        (["-first", "-last"], DEFAULT[1:-1]),
        (["embedding"], ["table.weight"]),
        (["attention"], ["attention.in_proj_weight"]),
        (["transposed"], ["up.weight"]),
        (["recurrent"], ["memory.weight_ih_l0", "memory.weight_hh_l0"]),
        (["default", "embedding"], ["table.weight", *DEFAULT]),
        (["attention*"], ["attention.in_proj_weight", "attention.out_proj.weight"]),
        (["default", "-attention*"], DEFAULT[1:]),
        (["signal", "head.weight"], ["signal.weight", "head.weight"]),
    ],
)
def test_a_selection_is_of_what_its_words_and_patterns_say(selection, expected):
    assert prunable_names(NETWORK, selection) == tuple(expected)
    assert tuple(Mask.dense(NETWORK, selection).keep) == tuple(expected)


def test_a_tied_weight_is_one_parameter_and_counted_once():
    assert Mask.dense(NETWORK, ["head"]).num_prunable == 28


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (["haed"], "prune_layers: 'haed' is of no weight of the network; write some of default, "),
        (["norm*"], "is of no weight"),  # neither normalisation nor a bias is ever pruned
        (["*.bias"], "is of no weight"),
        (["head", "-head"], "leaves nothing to prune"),
    ],
)
def test_a_selection_of_nothing_is_refused(selection, message):
    with pytest.raises(ValueError, match=message):
        prunable_names(NETWORK, selection)


def test_what_a_selection_leaves_out_is_said():
    assert "28 left out by prune_layers (head.weight)" in described(NETWORK, ["-last"])


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_every_layer_loses_its_own_share_where_layers_are_pruned_apart(fraction):
    network = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 3))
    with torch.no_grad():
        network[1].weight.mul_(1000)  # globally, none of them would go
    weights, mask = Weights.of(network), Mask.dense(network)
    pruned = prune_to(
        kept_by_layer(mask, fraction), mask, lambda layer, count: prune_smallest(weights, layer, count)
    )
    for name, kept in pruned.keep.items():
        size = kept.numel()
        assert int(kept.sum()) == size - round(fraction * size)
        magnitudes = weights.parameters[name].abs()
        assert magnitudes[kept].min() > magnitudes[~kept].max()
