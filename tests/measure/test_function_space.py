"""Distances between functions against torch's own divergences, of images, tokens and numbers."""

import numpy as np
import pytest
import torch
from problems import SPEC, random_examples, random_state
from torch import nn
from torch.distributions import Categorical, kl_divergence

from lth.data import Examples
from lth.measure.function_space import Differences, compare_functions, compare_layers
from lth.measure.library import cka, functions
from lth.measure.similarity import linear_cka
from lth.network import build_network
from lth.network.weights import Weights
from lth.training.objective import Objective

STREAM = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=STREAM)


def of(outputs: torch.Tensor, targets: torch.Tensor, loss: str = "cross_entropy") -> Differences:
    """Return the differences, added in two batches."""
    found = Differences(len(outputs), Objective(loss))
    found.add(outputs[:, :3], targets[:3])
    found.add(outputs[:, 3:], targets[3:])
    return found


def test_predictions_diverge_as_those_of_torch_do_in_either_direction():
    outputs, targets = 3 * drawn(3, 8, 5), torch.arange(8) % 5
    found = of(outputs, targets)
    for row in range(3):
        for column in range(3):
            pair = [Categorical(logits=outputs[index].double()) for index in (row, column)]
            assert found.kl[row, column] == pytest.approx(float(kl_divergence(*pair).mean()), abs=1e-12)
            differ = outputs[row].argmax(1) != outputs[column].argmax(1)
            assert found.disagreement[row, column] == float(differ.double().mean())
    assert found.kl[0, 1] != found.kl[1, 0]


def test_of_tokens_those_of_an_example_count_as_one_and_ignored_ones_nothing():
    outputs, targets = drawn(2, 6, 4, 3), torch.zeros(6, 4, dtype=torch.long)
    targets[0, 1:] = targets[5] = -100
    found = of(outputs, targets)
    differ = (outputs[0].argmax(2) != outputs[1].argmax(2)).double()
    kept = (targets != -100).double()
    expected = (differ * kept).sum(1) / kept.sum(1).clamp_min(1)
    assert found.disagreement[0, 1] == pytest.approx(float(expected.mean()))
    assert np.isfinite(found.kl).all()


@pytest.mark.parametrize("shape", [(), (2,), (3, 2)])
def test_of_numbers_there_is_the_distance_of_outputs_alone(shape):
    outputs, targets = drawn(2, 8, *shape), drawn(8, *shape)
    found = of(outputs, targets, "mse") if shape else of(outputs[..., None], targets, "mse")
    expected = float((outputs[0] - outputs[1]).square().mean().sqrt())
    assert found.rms[0, 1] == pytest.approx(expected, rel=1e-6)
    assert np.isnan(found.disagreement).all()
    assert np.isnan(found.kl).all()


def test_classes_under_another_loss_disagree_but_are_no_logits():
    found = of(drawn(2, 8, 3), torch.arange(8) % 3, "mse")
    assert np.isfinite(found.disagreement).all()
    assert np.isnan(found.kl).all()


def test_a_solution_is_itself_and_its_layers_are_those_of_its_own_forward_pass():
    network, examples = build_network(SPEC, 0).eval(), random_examples(30)
    solutions = [random_state(Weights.of(network), seed) for seed in (0, 1)]
    found = compare_functions(network, [*solutions, solutions[0]], examples)
    assert found.layers == ("conv1", "bn1", "conv2", "bn2", "fc")
    assert found.disagreement[0, 2] == found.kl[0, 2] == found.rms[0, 2] == 0
    np.testing.assert_allclose(found.cka[:, 0, 2], 1, rtol=1e-9)
    outputs = []
    for solution in solutions:
        solution.load_into(network)
        outputs.append(network(examples.normalise(examples.images)).detach())
    assert found.cka[-1, 0, 1] == pytest.approx(linear_cka(*outputs), rel=1e-5)


def test_batches_of_a_random_order_estimate_what_all_examples_together_do():
    first, second = nn.Linear(6, 3), nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 2))
    inputs = drawn(1000, 6)
    found = cka(first, second, (inputs, torch.zeros(1000)))
    with torch.no_grad():
        whole = linear_cka(first(inputs), second[:1](inputs))
    assert set(found) == {("network", "0"), ("network", "2")}
    assert found["network", "0"] == pytest.approx(whole, abs=0.02)


def test_too_few_examples_are_refused():
    few = random_examples(3)
    network = build_network(SPEC, 0)
    with pytest.raises(ValueError, match="can't be compared on 3 examples; give at least 4"):
        compare_functions(network, [Weights.of(network)], few)
    with pytest.raises(ValueError, match="can't be compared on 3 examples; give at least 4"):
        compare_layers(network, network, few)


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit:FutureWarning", "ignore:The .grad attribute"
)  # of scripted ones
def test_networks_that_show_no_layer_have_functions_and_no_cka():
    plain = nn.Sequential(nn.Linear(3, 2)).eval()
    for silent in (torch.jit.script(plain), nn.Sequential(nn.Flatten(), nn.Softmax(1))):
        examples = random_examples(5, (1, 1, 3), 2)
        with pytest.raises(ValueError, match="a network shows no layer"):
            compare_layers(plain, silent, Examples(examples.images.flatten(1), examples.labels, None, None))
    of_none = compare_functions(nn.Flatten(), [Weights({}, {})] * 2, random_examples(5, (1, 1, 3), 3))
    assert of_none.layers == ()
    assert of_none.cka.shape == (0, 2, 2)
    assert of_none.kl[0, 1] == 0


def test_models_of_other_shapes_have_layers_to_compare_and_no_functions():
    models = {"a": nn.Linear(2, 3), "b": nn.Linear(2, 4)}
    with pytest.raises(ValueError, match="in one model and"):
        functions(models, (drawn(8, 2), torch.zeros(8, dtype=torch.long)))
