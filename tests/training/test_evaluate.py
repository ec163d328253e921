import math

import numpy as np
import pytest
import torch
from problems import SPEC, assert_same_weights, random_examples, random_state
from torch.nn.functional import log_softmax

from lth.network import build_network
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec
from lth.training.evaluate import Evaluation, Evaluator

NETWORK = build_network(SPEC, 0)
WEIGHTS = random_state(Weights.of(NETWORK))
EXAMPLES = random_examples(31)


@pytest.mark.parametrize("together", [1, 2, 3, 50])
@pytest.mark.parametrize("name", [SPEC.name, "resnet8-w8"])
def test_several_points_are_evaluated_as_each_of_them_alone(name, together):
    """Also where their weights go through the network together, as they do on a GPU where examples are few."""
    network = build_network(NetworkSpec(name, SPEC.input_shape, SPEC.num_classes), 0)
    scales = (1.0, 0.5, 2.0, -1.0, math.nan)
    weights = random_state(Weights.of(network))
    points = [
        Weights({each: scale * tensor for each, tensor in weights.parameters.items()}, weights.buffers)
        for scale in scales
    ]
    evaluate = Evaluator(network, EXAMPLES, batch_size=10, together=together)
    alone = [Evaluator(network, EXAMPLES, batch_size=10)(point) for point in points]
    for found, expected in zip(evaluate.many(iter(points)), alone, strict=True):
        np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-6)
        np.testing.assert_allclose(found.accuracy, expected.accuracy)
    assert evaluate.many([]) == []


@pytest.mark.parametrize("batch_size", [1, 7, 30, 31, 500])
def test_mean_over_ragged_batches_is_that_of_one_batch(batch_size):
    whole = Evaluator(NETWORK, EXAMPLES, batch_size=31)(WEIGHTS)
    ragged = Evaluator(NETWORK, EXAMPLES, batch_size=batch_size)(WEIGHTS)
    # Sums are float64, but logits come from float32 convolutions whose order depends on the batch.
    assert ragged.loss == pytest.approx(whole.loss, rel=1e-5)
    assert ragged.accuracy == whole.accuracy


def test_loss_is_the_mean_negative_log_likelihood_and_accuracy_a_share_of_all():
    network = build_network(SPEC, 0)
    WEIGHTS.load_into(network)
    with torch.no_grad():
        logits = network(EXAMPLES.images).double()
    expected = -log_softmax(logits, 1)[torch.arange(31), EXAMPLES.labels].mean()
    evaluation = Evaluator(NETWORK, EXAMPLES)(WEIGHTS)
    assert evaluation.loss == pytest.approx(float(expected), rel=1e-6)
    assert evaluation.accuracy == int((logits.argmax(1) == EXAMPLES.labels).sum()) / 31
    assert 0 < evaluation.accuracy < 1


def test_error_is_the_rest_of_accuracy():
    assert Evaluation(1.0, 0.75).error == 0.25


def test_statistics_are_those_of_the_weights_and_not_of_the_batch():
    shifted = WEIGHTS.map(torch.clone)
    shifted.buffers["bn1.running_mean"].add_(1)
    evaluate = Evaluator(NETWORK, EXAMPLES)
    assert evaluate(shifted).loss != evaluate(WEIGHTS).loss


def test_evaluating_changes_nothing_of_the_callers():
    network = build_network(SPEC, 0).train()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, weights, state = Weights.of(network), WEIGHTS.map(torch.clone), torch.get_rng_state()
    Evaluator(network, EXAMPLES)(weights)
    assert network.training
    assert_same_weights(Weights.of(network), before)
    assert_same_weights(weights, WEIGHTS)
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_an_evaluator_ignores_later_changes_of_the_network():
    network = build_network(SPEC, 0)
    evaluate = Evaluator(network, EXAMPLES)
    before = evaluate(WEIGHTS)
    network.fc.weight.data.fill_(5)
    network.train()
    assert evaluate(WEIGHTS) == before


def test_same_weights_give_the_same_bits():
    assert Evaluator(NETWORK, EXAMPLES)(WEIGHTS) == Evaluator(build_network(SPEC, 9), EXAMPLES)(WEIGHTS)


def test_a_loss_that_is_not_finite_is_returned_as_it_is():
    broken = WEIGHTS.map(torch.clone)
    broken.parameters["fc.weight"].fill_(float("nan"))
    assert math.isnan(Evaluator(NETWORK, EXAMPLES)(broken).loss)
