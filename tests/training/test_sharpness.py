"""Sharpness-aware steps, against a few lines that share nothing with ours."""

import pytest
import torch
from problems import SPEC, dense_solution, random_mask, training_data
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from lth.network import build_network
from lth.network.weights import Weights
from lth.training.optimiser import Recipe
from lth.training.schedule import Schedule
from lth.training.sharpness import at_highest_nearby
from lth.training.train import Procedure, TrainingState, train

NETWORK = build_network(SPEC, 0)


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_a_sharpness_aware_training_of_a_masked_network_is_its_algorithm_in_a_few_lines(rho):
    mask, data = random_mask(NETWORK, 0.4), training_data()
    start = TrainingState(mask.apply(dense_solution().initial), {}, 0)
    schedule = Schedule(40, 1, 6, 0.1, 0.9, 1e-2, (), recipe=Recipe(sam_rho=rho))
    ours = train(NETWORK, start, mask, data, schedule, Procedure("none", "fp32", 0)).final

    network = build_network(SPEC, 0)
    start.weights.load_into(network)
    network.train()
    inputs = data.train.normalise(data.train.images)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(6):
        optimiser.zero_grad()
        cross_entropy(network(inputs), data.train.labels).backward()
        keep = {name: mask.keep.get(name, torch.ones(())) for name, _ in network.named_parameters()}
        gradients = {name: p.grad * keep[name] for name, p in network.named_parameters()}
        norm = torch.sqrt(sum((g**2).sum() for g in gradients.values()))
        there = {
            name: (p.detach() + rho * gradients[name] / norm).requires_grad_()
            for name, p in network.named_parameters()
        }
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        loss = cross_entropy(functional_call(network, {**there, **buffers}, (inputs,)), data.train.labels)
        found = torch.autograd.grad(loss, list(there.values()))
        for (name, parameter), gradient in zip(network.named_parameters(), found, strict=True):
            parameter.grad = gradient * keep[name]
        optimiser.step()
    theirs = Weights.of(network)
    for name, tensor in ours.parameters.items():
        torch.testing.assert_close(tensor, theirs.parameters[name], rtol=1e-3, atol=1e-4)
    for name, buffer in ours.buffers.items():
        torch.testing.assert_close(buffer, theirs.buffers[name], rtol=1e-3, atol=1e-4)
    for name, kept in mask.keep.items():
        assert (ours.parameters[name][~kept] == 0).all()


def test_steps_that_are_not_sharpness_aware_have_the_bits_they_had():
    dense = dense_solution()
    schedule = Schedule(8, 5, 20, 0.05, 0.9, 1e-4, ())
    start, procedure = TrainingState(dense.initial, {}, 0), Procedure("none", "fp32", 0)
    zero = Schedule(8, 5, 20, 0.05, 0.9, 1e-4, (), recipe=Recipe(sam_rho=0.0))
    finals = [
        train(NETWORK, start, dense.mask, training_data(), each, procedure).final for each in (schedule, zero)
    ]
    assert all(torch.equal(t, finals[1].parameters[name]) for name, t in finals[0].parameters.items())


@pytest.mark.parametrize("gradient", [None, torch.zeros(2), torch.tensor([3e-30, 4e-30])])
def test_weights_and_buffers_come_back_to_the_bit_also_where_there_is_hardly_a_gradient(gradient):
    weights = [nn.Parameter(torch.tensor([0.1, -0.0])), nn.Parameter(torch.tensor([1e-45]))]
    weights[0].grad, weights[1].grad = gradient, torch.tensor([1.0])
    buffer = torch.tensor([7.0])
    before = [tensor.detach().clone() for tensor in (*weights, buffer)]
    with at_highest_nearby(weights, [buffer], rho=0.5):
        buffer.add_(1)
        assert all(tensor.isfinite().all() for tensor in weights)
    for tensor, value in zip((*weights, buffer), before, strict=True):
        assert torch.equal(tensor.detach().view(torch.int32), value.view(torch.int32))
