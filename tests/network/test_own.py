"""A user's own network is used where it can be, and else refused in one line that says why."""

from collections.abc import Callable

import own_networks
import pytest
import torch
from own_networks import (
    BUFFERS,
    FAILING,
    FROZEN_ALWAYS,
    FROZEN_AT_TIMES,
    HARMLESS,
    HOLDING,
    REFUSED,
    RETURNS,
    UNCLEAR,
    UNCOPIED,
    WRAPPED,
    assert_told,
    built,
)
from torch import nn

from lth.errors import InputError
from lth.network import build_network
from lth.network.folded import Folded
from lth.network.parts import frozen_names
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

SPEC = NetworkSpec("own_networks:under_test", (1, 6, 6), 3)
IMAGES = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], nn.Module]], nn.Module]:
    """Give the test a function that builds a network as lth does."""

    def build(chosen: Callable[[], nn.Module]) -> nn.Module:
        monkeypatch.setattr(own_networks, "chosen", chosen)
        return build_network(SPEC, 0)

    return build


@pytest.mark.parametrize("returned", RETURNS.values(), ids=RETURNS)
@pytest.mark.parametrize("training", [False, True])
def test_the_logits_are_taken_out_of_what_a_network_returns(build, returned, training):
    plain, network = build(built()), build(built(returned=returned))
    assert list(network.state_dict()) == list(plain.state_dict())
    assert torch.equal(network.train(training)(IMAGES), plain.train(training)(IMAGES))


def test_a_network_whose_logits_are_taken_out_can_be_handed_weights_and_exported(build):
    network = build(built(returned=RETURNS["a_named_tuple"]))
    folded, weights = Folded(network, torch.device("cpu")), Weights.of(network)
    assert torch.equal(folded(folded.state(weights), IMAGES), network(IMAGES))
    assert torch.equal(torch.export.export(network, (IMAGES,)).module()(IMAGES), network(IMAGES))


@pytest.mark.parametrize(("returned", "said"), UNCLEAR.values(), ids=UNCLEAR)
def test_a_network_that_does_not_say_which_are_its_logits_is_refused(build, returned, said):
    with pytest.raises(InputError, match=f"own_networks:under_test maps 2 images to .*{said}"):
        build(built(returned=returned))


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapped_network_computes_the_same_and_keeps_its_names(build, wrapped):
    with torch.random.fork_rng():
        names = list(wrapped().state_dict())
    network = build(wrapped)
    assert list(network.state_dict()) == names
    assert not any(isinstance(module, nn.DataParallel) for module in network.modules())
    assert torch.equal(network(IMAGES), build(built())(IMAGES))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("part", ["", "fc", "bn"])
def test_a_scripted_module_with_parameters_is_refused(build, part):
    def scripted() -> nn.Module:
        network = own_networks.Net()
        if part:
            setattr(network, part, torch.jit.script(network.get_submodule(part)))
        return network if part else torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)))

    with pytest.raises(InputError, match=r"scripted module with parameters.*without torch\.jit"):
        build(scripted)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_scripted_module_without_parameters_is_no_matter(build):
    assert build(lambda: nn.Sequential(own_networks.Net(), torch.jit.script(nn.ReLU())))(IMAGES).shape == (5, 3)


@pytest.mark.parametrize(("value", "said"), UNCOPIED.values(), ids=UNCOPIED)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_an_attribute_that_cannot_be_copied_is_named(build, value, said):
    with pytest.raises(InputError, match=f"can't be copied: {said}"):
        build(
            built(made=lambda self: setattr(self.bn, "odd", value(self)) or setattr(self, "odd", value(self)))
        )


@pytest.mark.parametrize("holding", HOLDING.values(), ids=HOLDING)
def test_a_network_whose_copies_would_compute_with_its_own_weights_is_refused(build, holding):
    with pytest.raises(InputError, match=r"a copy of it computes with fc\.\w+ of the original"):
        build(holding)


@pytest.mark.parametrize("value", HARMLESS.values(), ids=HARMLESS)
def test_what_a_copy_shares_without_computing_with_it_is_no_matter(build, value):
    build(built(made=lambda self: setattr(self, "odd", value(self))))


@pytest.mark.parametrize("made", BUFFERS.values(), ids=BUFFERS)
def test_buffers_of_every_type_and_layout_are_handed_on_as_they_are(build, made):
    network, other = build(built(made=made)), build(built(made=made))
    weights = Weights.of(network)
    for name, buffer in other.named_buffers():
        if name.startswith(("a", "b")) and "." not in name:
            buffer.zero_()
    weights.load_into(other)
    for name, buffer in network.named_buffers():
        loaded = other.get_buffer(name)
        assert (loaded.dtype, loaded.shape) == (buffer.dtype, buffer.shape)
        assert torch.equal(
            torch.nan_to_num(loaded.to(torch.complex64)), torch.nan_to_num(buffer.to(torch.complex64))
        )


@pytest.mark.parametrize(("made", "said"), REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_cannot_be_trained_or_stored_are_named(build, made, said):
    with pytest.raises(InputError, match=said):
        build(built(made=made))


@pytest.mark.parametrize(("methods", "said"), FROZEN_AT_TIMES.values(), ids=FROZEN_AT_TIMES)
def test_a_parameter_that_is_frozen_in_one_mode_alone_is_named(build, methods, said):
    with pytest.raises(InputError, match=f"{said} only .*freeze it in __init__"):
        build(built(**methods))


def test_a_parameter_that_a_network_freezes_in_both_modes_is_frozen(build):
    assert frozen_names(build(built(**FROZEN_ALWAYS))) == {"conv.weight"}


def test_weights_of_a_finer_type_are_not_rounded_on_the_way_into_a_network(build):
    finer = Weights.of(build(built(made=BUFFERS["float64"])))
    network = build(built(made=lambda self: self.register_buffer("a", torch.zeros(3))))
    with pytest.raises(
        InputError, match=r"a is torch\.float64, and the network's torch\.float32 would round it"
    ):
        finer.load_into(network)


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("when", ["always", "in training"])
def test_whatever_a_forward_raises_is_one_line_with_theirs(build, failing, when):
    def returned(self: nn.Module, y: torch.Tensor) -> object:
        return failing(self, y) if when == "always" or self.training else y

    with pytest.raises(InputError) as raised:
        build(built(returned=returned))
    assert_told(raised.value)


def test_an_interruption_in_a_forward_passes(build):
    def interrupted(_self: nn.Module, _y: torch.Tensor) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(built(returned=interrupted))
