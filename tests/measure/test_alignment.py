"""Permuted units leave a network's function as it is, and matching finds the order that they were put in."""

import functools

import pytest
import torch
from networks_with_units import NETWORKS

from lth.inputs import called
from lth.network.symmetry.activations import activation_pairs
from lth.network.symmetry.derive import traced
from lth.network.symmetry.matching import match, weight_pairs
from lth.network.weights import Weights

each = pytest.mark.parametrize("name", NETWORKS)


@functools.cache
def known(name):
    build, inputs, _ = NETWORKS[name]
    stream, network = torch.Generator().manual_seed(0), build().eval()
    for tensor in network.parameters():
        tensor.data = 0.4 * torch.randn(tensor.shape, generator=stream)
    graph = traced(network, inputs, 32)
    weights = Weights.of(network)
    return network, inputs, graph, weights, graph.spec.permute(weights, graph.spec.random(stream))


@each
def test_a_network_whose_units_are_permuted_computes_the_same(name):
    network, inputs, graph, weights, permuted = known(name)
    assert len(graph.spec.groups) == NETWORKS[name][2]
    found = []
    with torch.no_grad():
        for each_weights in (weights, permuted):
            each_weights.load_into(network)
            found.append(called(network, inputs))
    assert (found[0] - found[1]).abs().max() <= 1e-5 * found[0].abs().max()


@pytest.mark.parametrize("by", ["weights", "activations"])
@each
def test_matching_finds_the_order_that_units_were_put_in(name, by):
    _, inputs, graph, weights, permuted = known(name)
    pairs = (
        weight_pairs(graph.spec, weights, permuted)
        if by == "weights"
        else activation_pairs(graph, weights, permuted, inputs, seed=0)
    )
    back = graph.spec.permute(permuted, match(graph.spec, pairs, seed=0).permutations)
    assert all(torch.equal(back.parameters[key], tensor) for key, tensor in weights.parameters.items())
