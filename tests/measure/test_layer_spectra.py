"""The Hessian of layers: blocks of the whole, cheaper products, and the same in a study as in one call."""

import numpy as np
import pytest
import torch
from problems import DOUBLE, SPEC, random_examples, random_mask, random_state

from lth.errors import InputError
from lth.measure import library
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.layer_spectra import block_of
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights

NETWORK, EXAMPLES = build_network(SPEC, 0).eval(), random_examples(12)
WEIGHTS = random_state(Weights.of(NETWORK))
WEIGHTS.load_into(NETWORK)
GROUPS = (["conv1.weight"], ["bn1.weight", "bn1.bias"], ["fc.weight", "fc.bias"], ["conv2.weight", "fc.bias"])


def whole(mask: Mask, graph_budget_bytes: int | None = None) -> HessianOperator:
    weights = mask.apply(WEIGHTS)
    space = LevelSpace(mask, weights)
    return HessianOperator(
        NETWORK, weights, space, EXAMPLES, dtype=DOUBLE, graph_budget_bytes=graph_budget_bytes
    )


def columns(operator: HessianOperator, places: torch.Tensor) -> torch.Tensor:
    """Return the products with the unit vectors of these places, a row each."""
    units = torch.nn.functional.one_hot(places, operator.dimension).double()
    return torch.stack([operator(unit) for unit in units])


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
@pytest.mark.parametrize("budget", [None, 0], ids=["graphs kept", "graphs made anew"])
def test_a_block_is_that_of_the_whole_hessian(names, budget):
    mask = random_mask(NETWORK, 0.6)
    operator, weights = whole(mask, budget), mask.apply(WEIGHTS)
    sizes = {
        name: int(mask.keep[name].sum()) if name in mask.keep else tensor.numel()
        for name, tensor in weights.parameters.items()
    }
    ends = dict(zip(sizes, np.cumsum(list(sizes.values())).tolist(), strict=True))
    inside = torch.cat([torch.arange(ends[name] - sizes[name], ends[name]) for name in sizes if name in names])
    block = block_of(operator, weights, mask, names)
    assert block is not None
    some = torch.arange(0, len(inside), max(1, len(inside) // 6))
    of_whole = columns(operator, inside[some])[:, inside]
    torch.testing.assert_close(columns(block, some), of_whole, rtol=1e-9, atol=1e-12)


def test_a_block_leaves_the_operator_it_is_of_as_it_was():
    operator = whole(Mask.dense(NETWORK))
    vector = torch.ones(operator.dimension, dtype=DOUBLE)
    before = operator(vector).clone()
    block_of(operator, WEIGHTS, Mask.dense(NETWORK), ["fc.weight"])
    assert torch.equal(operator(vector), before)


def test_a_layer_that_is_pruned_whole_has_no_block():
    kept = {
        name: torch.full_like(keep, name != "conv2.weight")
        for name, keep in random_mask(NETWORK, 0.6).keep.items()
    }
    assert block_of(whole(Mask(kept)), WEIGHTS, Mask(kept), ["conv2.weight"]) is None
    data = (EXAMPLES.images, EXAMPLES.labels)
    assert list(library.layer_spectra(NETWORK, data, 2, mask=kept, probes=2)) == ["conv1", "fc"]


def test_layers_have_the_eigenvalues_and_traces_of_their_blocks():
    data = (EXAMPLES.images, EXAMPLES.labels)
    found = library.layer_spectra(NETWORK, data, 4, layers=["fc", "conv1+bn1"], probes=5)
    assert list(found) == ["fc", "conv1+bn1"]
    for name, layer in found.items():
        block = library.hessian(NETWORK, data, parameters=name.split("+"))
        entries = torch.stack([block(unit) for unit in torch.eye(block.dimension)]).double()
        truth = torch.linalg.eigvalsh((entries + entries.T) / 2).flip(0)[:4].numpy()
        spectrum = layer.spectrum
        assert layer.dimension == len(entries)
        assert (spectrum.eigenvalues - spectrum.noise <= truth + 1e-6).all()
        assert (truth <= spectrum.upper + spectrum.noise + 1e-6).all()
        far = 4 * layer.trace.standard_error + 1e-4 * float(entries.trace().abs())
        assert layer.trace.estimate == pytest.approx(float(entries.trace()), abs=far)


@pytest.mark.parametrize("layers", ["stem", ["each", "conv3"], "conv1+head"])
def test_a_layer_that_the_network_does_not_have_is_named(layers):
    with pytest.raises(InputError, match="is of no parameter that moves"):
        library.layer_spectra(NETWORK, (EXAMPLES.images, EXAMPLES.labels), layers=layers)


def test_the_block_of_one_parameter_passes_derivatives_through_no_other():
    """The gradient in the last bias depends on the logits alone, so no convolution is differentiated."""
    operator = whole(Mask.dense(NETWORK))
    block = block_of(operator, WEIGHTS, Mask.dense(NETWORK), ["fc.bias"])
    assert block is not None

    def convolutions(matrix: HessianOperator) -> list[str]:
        with torch.profiler.profile() as profile:
            matrix(torch.ones(matrix.dimension, dtype=DOUBLE))
        return [event.key for event in profile.key_averages() if "conv" in event.key]

    assert convolutions(operator)
    assert not convolutions(block)
