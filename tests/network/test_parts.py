"""What can be pruned of a network, what is frozen, and what is said of the rest."""

import pytest
import torch
from problems import SPEC
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from lth.errors import InputError
from lth.network import build_network
from lth.network.parts import check_hooks, coordinates_to_name, described, frozen_names, parts, prunable_names
from lth.network.resnet import CifarResNet


class Tied(nn.Module):
    """A weight of a layer that can be pruned and of one that can't, registered in either order."""

    def __init__(self, first: str, layer: type[nn.Module] = nn.Linear, other: type[nn.Module] = nn.Embedding):
        super().__init__()
        made = {"layer": layer(4, 5, bias=False), "other": other(5, 4)}
        made["layer"].weight = made["other"].weight
        for name in sorted(made, key=lambda name: name != first):
            setattr(self, name, made[name])


class OwnLinear(nn.Linear):
    """A user's own."""


def lazy() -> nn.Module:
    network = nn.Sequential(nn.LazyLinear(3))
    network(torch.zeros(1, 2))
    return network


def twice() -> nn.Module:
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.ReLU(), layer)


@pytest.mark.parametrize("first", ["layer", "other"])
def test_a_tied_weight_is_prunable_in_whatever_order_its_layers_are_registered(first):
    assert prunable_names(Tied(first)) == (f"{first}.weight",)


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (lazy(), ("0.weight",)),
        (twice(), ("0.weight",)),
        (nn.Sequential(OwnLinear(2, 2)), ("0.weight",)),
        (nn.Sequential(nn.Linear(2, 2), parametrizations.weight_norm(nn.Linear(2, 2))), ("0.weight",)),
        (
            nn.TransformerEncoderLayer(4, 2, 8),
            ("self_attn.out_proj.weight", "linear1.weight", "linear2.weight"),
        ),
    ],
)
def test_prunable_are_weights_of_layers_under_the_name_that_the_network_gives_them(network, names):
    assert prunable_names(network) == names


KINDS = [
    (nn.Conv2d(1, 2, 3), {"weight": "prunable", "bias": "bias"}),
    (nn.BatchNorm2d(2), {"weight": "normalisation", "bias": "normalisation"}),
    (nn.RMSNorm(2), {"weight": "normalisation"}),
    (nn.LSTM(2, 2), {"weight_ih_l0": "recurrent", "bias_hh_l0": "bias"}),
    (nn.GRUCell(2, 2), {"weight_hh": "recurrent"}),
    (nn.ConvTranspose2d(1, 2, 3), {"weight": "transposed convolution"}),
    (nn.MultiheadAttention(4, 2), {"in_proj_weight": "packed attention", "out_proj.weight": "prunable"}),
    (nn.MultiheadAttention(4, 2, kdim=3), {"k_proj_weight": "packed attention"}),
    (nn.EmbeddingBag(3, 2), {"weight": "embedding"}),
    (nn.PReLU(), {"weight": "own of PReLU"}),
    (parametrizations.weight_norm(nn.Linear(2, 2)), {"parametrizations.weight.original0": "parametrised"}),
    (parametrizations.spectral_norm(nn.Linear(2, 2)), {"parametrizations.weight.original": "parametrised"}),
    (torch.jit.script(nn.Sequential(nn.Linear(2, 2))), {"0.weight": "scripted"}),
    (nn.Linear(2, 2).requires_grad_(False), {"weight": "frozen", "bias": "frozen"}),
]


@pytest.mark.parametrize(("layer", "expected"), KINDS, ids=lambda given: type(given).__name__)
def test_of_every_parameter_it_is_said_what_it_is(layer, expected):
    found = {part.name: part.kind for part in parts(layer)}
    assert found.keys() == dict(layer.named_parameters()).keys()
    assert {name: found[name] for name in expected} == expected


def test_what_is_said_of_a_network_counts_every_parameter_once():
    network = nn.Sequential(
        nn.Linear(10, 16), nn.LSTM(16, 4), Tied("other"), nn.LayerNorm(4).requires_grad_(False)
    )
    assert described(network) == (
        "prunable: 180 of 556 parameters (32.4%), in 2 layers; never pruned: 320 recurrent (1.weight_ih_l0, "
        "1.weight_hh_l0), 48 bias; neither pruned nor moved nor measured: 8 frozen (3.weight, 3.bias)"
    )


@pytest.mark.parametrize("frozen", ["conv1", "fc", "bn1"])
def test_a_frozen_layer_is_not_prunable(frozen):
    network = build_network(SPEC, 0)
    layer = network.get_submodule(frozen).requires_grad_(False)
    assert frozen_names(network) == {f"{frozen}.{name}" for name, _ in layer.named_parameters()}
    assert not frozen_names(network) & set(prunable_names(network))


@pytest.mark.parametrize(
    "network",
    [
        nn.Linear(2, 2).requires_grad_(False),
        nn.Sequential(nn.Conv2d(1, 1, 3).requires_grad_(False), nn.BatchNorm2d(1)),
        Tied("other").requires_grad_(False),
    ],
)
def test_a_network_whose_every_layer_is_frozen_has_nothing_to_prune(network):
    with pytest.raises(
        InputError, match=r"is frozen \(.*weight\), so nothing can be pruned; leave requires_grad"
    ):
        prunable_names(network)


def test_keys_name_coordinates_only_where_they_are_not_what_they_always_were():
    assert coordinates_to_name(build_network(SPEC, 0)) is None
    assert coordinates_to_name(CifarResNet(8, 4, 3, 10)) is None
    for usual in (lazy(), twice(), nn.TransformerEncoderLayer(4, 2, 8), Tied("layer")):
        assert coordinates_to_name(usual) is None
    assert coordinates_to_name(Tied("other")) == {"prunable": ["other.weight"], "frozen": []}
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False).requires_grad_(False))
    assert coordinates_to_name(network) == {"prunable": ["0.weight"], "frozen": ["1.weight"]}


def test_a_parameter_that_the_loss_does_not_use_is_as_prunable_as_others():
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    assert prunable_names(Unused()) == ("used.weight", "unused.weight")


@pytest.mark.parametrize("register", ["register_hook", "register_post_accumulate_grad_hook"])
def test_a_hook_on_a_gradient_that_copies_would_lose_is_refused(register):
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    check_hooks(network)
    getattr(network[1].weight, register)(lambda _gradient: None)
    with pytest.raises(InputError, match=r"1\.weight has a hook on its gradient .* requires_grad_\(False\)"):
        check_hooks(network)
