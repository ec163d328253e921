import pytest
import torch
from problems import random_mask
from torch import Tensor
from torch.func import functional_call, hessian
from torch.nn.functional import cross_entropy, huber_loss, mse_loss

from lth.data import Examples
from lth.measure.curvature.hessian import HessianOperator
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.training.evaluate import Evaluator
from lth.training.objective import Objective

STREAM = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(6, 4, generator=STREAM)
CLASSES = torch.tensor([0, 1, 2, 3, 0, 1])
TOKENS, TEXTS = torch.randn(6, 5, 4, generator=STREAM), torch.randint(4, (6, 5), generator=STREAM)
NUMBERS = torch.randn(6, 4, generator=STREAM)


OWN = Objective("own_training:huber")
CASES = {
    "classes": (Objective(), OUTPUTS, CLASSES, cross_entropy(OUTPUTS, CLASSES)),
    "smoothed": (
        Objective(label_smoothing=0.1),
        OUTPUTS,
        CLASSES,
        cross_entropy(OUTPUTS, CLASSES, label_smoothing=0.1),
    ),
    "tokens": (Objective(), TOKENS, TEXTS, cross_entropy(TOKENS.flatten(0, 1), TEXTS.flatten())),
    "numbers": (Objective("mse"), OUTPUTS, NUMBERS, mse_loss(OUTPUTS, NUMBERS)),
    "one number": (Objective("mse"), OUTPUTS[:, :1], NUMBERS[:, 0], mse_loss(OUTPUTS[:, 0], NUMBERS[:, 0])),
    "one-hot": (Objective("mse"), OUTPUTS, CLASSES, mse_loss(OUTPUTS, torch.eye(4)[CLASSES])),
    "own": (OWN, OUTPUTS, NUMBERS, huber_loss(OUTPUTS, NUMBERS)),
}


@pytest.mark.parametrize(("objective", "outputs", "targets", "expected"), CASES.values(), ids=CASES)
def test_a_mean_loss_is_that_of_torch_and_adds_up_over_chunks(objective, outputs, targets, expected):
    torch.testing.assert_close(objective.mean(outputs, targets), expected)
    torch.testing.assert_close(objective.total(outputs, targets), 6 * expected)
    torch.testing.assert_close(objective.each(outputs, targets).sum(), 6 * expected)
    chunks = zip(outputs.split([1, 3, 2]), targets.split([1, 3, 2]), strict=True)
    torch.testing.assert_close(sum(objective.total(*chunk) for chunk in chunks), 6 * expected)


def test_tokens_that_are_padding_count_for_nothing():
    padded = TEXTS.clone()
    padded[:, 3:] = -100
    found = Objective().mean(TOKENS, padded)
    torch.testing.assert_close(found, Objective().mean(TOKENS[:, :3], TEXTS[:, :3]))
    of_some = Objective().scorer(padded)(TOKENS, padded)
    torch.testing.assert_close(of_some, Objective().scorer(TEXTS)(TOKENS[:, :3], TEXTS[:, :3]))


@pytest.mark.parametrize(
    ("objective", "outputs", "targets", "expected"),
    [
        (Objective(), torch.eye(4)[CLASSES], CLASSES, 1.0),
        (Objective(), torch.eye(4)[TEXTS], TEXTS, 1.0),
        (Objective("mse"), torch.eye(4)[CLASSES], CLASSES, 1.0),
        (Objective("mse"), NUMBERS, NUMBERS, 1.0),
        (Objective("mse"), NUMBERS.mean(0).expand(6, 4), NUMBERS, 0.0),
        (Objective("mse", metric="own_training:within_a_half"), NUMBERS + 0.4, NUMBERS, 1.0),
        (Objective("mse", metric="own_training:within_a_half"), NUMBERS + 0.6, NUMBERS, 0.0),
    ],
)
def test_the_metric_of_a_perfect_and_a_useless_output_is_known(objective, outputs, targets, expected):
    assert float(objective.scorer(targets)(outputs, targets)) / 6 == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("objective", "targets", "message"),
    [
        (
            Objective("own_training:a_mean"),
            NUMBERS,
            "loss=own_training:a_mean returned .* return a value an example",
        ),
        (
            Objective("own_training:failing"),
            NUMBERS,
            "loss=own_training:failing raised RuntimeError: no loss today",
        ),
        (Objective("mse"), NUMBERS[:, :2], "loss=mse compares as many"),
    ],
)
def test_a_loss_that_is_no_value_an_example_is_refused(objective, targets, message):
    with pytest.raises(ValueError, match=message):
        objective.mean(OUTPUTS, targets)


@pytest.mark.parametrize(
    ("objective", "message"),
    [(Objective(), "choose loss=mse"), (Objective("mse", metric="accuracy"), "choose metric=r2")],
)
def test_targets_that_are_no_classes_are_refused_where_classes_are_meant(objective, message):
    with pytest.raises(ValueError, match=message):
        objective.check(NUMBERS)


@pytest.mark.parametrize("objective", [Objective(label_smoothing=0.2), Objective("mse"), OWN])
def test_curvature_and_evaluation_are_of_the_loss_that_is_trained_on(objective):
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 4)
    )
    targets = CLASSES if objective.loss != OWN.loss else torch.eye(4)[CLASSES]
    images = torch.randn(6, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    examples = Examples(images, targets, torch.zeros(1), torch.ones(1))
    weights = Weights.of(network)
    space = LevelSpace(random_mask(network, 0.5), weights)
    operator = HessianOperator(network, weights, space, examples, dtype=torch.float64, objective=objective)
    parameters = {name: p.double() for name, p in weights.parameters.items()}

    def loss(vector: Tensor) -> Tensor:
        moved = space.embed(vector)
        full = {name: tensor + moved[name] for name, tensor in parameters.items()}
        return objective.mean(functional_call(network, full, (images.double(),)), targets)

    dense = hessian(loss)(torch.zeros(space.dimension, dtype=torch.float64))
    found = torch.stack([operator(unit) for unit in torch.eye(space.dimension, dtype=torch.float64)])
    torch.testing.assert_close(found, dense, rtol=1e-6, atol=1e-9)
    evaluated = Evaluator(network, examples, objective=objective)(weights).loss
    assert evaluated == pytest.approx(float(loss(torch.zeros(space.dimension, dtype=torch.float64))), rel=1e-6)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_explained_variance_of_class_numbers_is_refused(loss):
    with pytest.raises(ValueError, match=r"metric=r2 is of numbers, .*choose metric=accuracy"):
        Objective(loss, metric="r2").check(torch.tensor([0, 2, 1]))
