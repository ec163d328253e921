import pytest
import torch
from problems import (
    NUM_CLASSES,
    SPEC,
    LogisticRegression,
    assert_same_weights,
    dense_hessian,
    free_coordinates,
    random_examples,
    random_mask,
    random_state,
)
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, dropout

from lth.measure.curvature import hessian
from lth.measure.curvature.hessian import HessianOperator
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

DOUBLE = torch.float64
NETWORK = build_network(SPEC, 3)
POINT = random_state(Weights.of(NETWORK))
EXAMPLES = random_examples(30)


def materialised(operator: HessianOperator) -> Tensor:
    return torch.stack([operator(unit) for unit in torch.eye(operator.dimension, dtype=DOUBLE)], dim=1)


def operator(mask: Mask, point: Weights = POINT, **options: object) -> HessianOperator:
    return HessianOperator(NETWORK, point, LevelSpace(mask, point), EXAMPLES, dtype=DOUBLE, **options)


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_product_is_that_of_the_principal_submatrix_of_the_dense_hessian(density):
    mask = random_mask(NETWORK, density)
    point = mask.apply(POINT)
    free = free_coordinates(mask, point)
    expected = dense_hessian(point, EXAMPLES)[free][:, free]
    assert expected.abs().max() > 0.1  # not a comparison of zeros
    # float64 on both sides; entries of order one, so the absolute tolerance is for those that cancel to zero
    torch.testing.assert_close(materialised(operator(mask, point)), expected, rtol=1e-8, atol=1e-11)


def test_reverse_projection_sees_the_pruned_coordinates_of_the_same_point():
    sparse, dense = random_mask(NETWORK, 0.5), random_mask(NETWORK, 1.0)
    point = sparse.apply(POINT)
    expected = dense_hessian(point, EXAMPLES)
    torch.testing.assert_close(materialised(operator(dense, point)), expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", ["resnet8-w4", "vgg11-w4"])
def test_folding_batchnorm_and_our_convolutions_change_no_product(name):
    spec = NetworkSpec(name, (3, 32, 32), 10)
    network = build_network(spec, 0)
    kernels = {key: tensor for key, tensor in Weights.of(network).parameters.items() if tensor.dim() > 1}
    drawn = random_state(Weights.of(network))  # BatchNorms far from the identity
    point = Weights({**drawn.parameters, **kernels}, drawn.buffers).map(
        lambda tensor: tensor.double() if tensor.is_floating_point() else tensor
    )
    mask = random_mask(network, 0.5)
    space = LevelSpace(mask, point)
    examples = random_examples(5, (3, 32, 32))
    vector = torch.randn(space.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    parameters = {key: tensor.clone().requires_grad_() for key, tensor in point.parameters.items()}
    inputs = examples.normalise(examples.images).double()
    logits = functional_call(network.double(), {**parameters, **point.buffers}, (inputs,))
    gradient = torch.autograd.grad(
        cross_entropy(logits, examples.labels), parameters.values(), create_graph=True
    )
    along = tuple(space.embed(vector).values())
    product = torch.autograd.grad(gradient, parameters.values(), along)
    expected = space.restrict(dict(zip(parameters, product, strict=True)))
    for budget in (0, 2**32):
        operator = HessianOperator(
            build_network(spec, 1), point, space, examples, dtype=DOUBLE, graph_budget_bytes=budget
        )
        torch.testing.assert_close(operator(vector), expected, rtol=1e-9, atol=1e-12 * float(expected.norm()))


def test_logistic_regression_has_the_hessian_on_paper():
    """H = mean_i (diag(p_i) - p_i p_i^T) ⊗ x_i x_i^T for softmax regression with weights (classes, inputs)."""
    examples = random_examples(17, (1, 2, 2))
    network = LogisticRegression(4, NUM_CLASSES)
    torch.nn.init.normal_(network.fc.weight, generator=torch.Generator().manual_seed(0))
    point = Weights.of(network)
    space = LevelSpace(Mask.dense(network), point)
    x = examples.images.flatten(1).double()
    p = (x @ point.parameters["fc.weight"].double().T).softmax(1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]  # (n, classes, classes)
    expected = torch.einsum("nab,ni,nj->aibj", inner, x, x).reshape(12, 12) / 17
    operator = HessianOperator(network, point, space, examples, dtype=DOUBLE)
    torch.testing.assert_close(materialised(operator), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("budget", [0, 1])
def test_keeping_or_rebuilding_graphs_gives_the_same_products(budget):
    mask = random_mask(NETWORK, 0.5)
    kept, rebuilt = operator(mask), operator(mask, graph_budget_bytes=budget)
    vector = torch.randn(kept.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(kept(vector), rebuilt(vector))
    assert torch.equal(kept(vector), kept(vector))  # a kept graph can be used again


@pytest.mark.parametrize("chunk", [1, 7, 29, 30])
@pytest.mark.parametrize("budget", [0, 2**32])
def test_the_size_of_chunks_changes_only_rounding(monkeypatch, chunk, budget):
    mask = random_mask(NETWORK, 0.5)
    whole = operator(mask)
    monkeypatch.setitem(hessian._CHUNK, "cpu", chunk)
    chunked = operator(mask, graph_budget_bytes=budget)
    vector = torch.randn(whole.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(chunked(vector), whole(vector), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("count", [2, 3, 50])
@pytest.mark.parametrize("budget", [0, 2**30])
def test_devices_that_share_the_examples_change_only_rounding(count, budget):
    """Shares of unequal size, and more devices than there are examples; the same device stands for all here."""
    mask = random_mask(NETWORK, 0.6)
    point = mask.apply(POINT)
    alone = operator(mask, point)
    shared = operator(mask, point, others=[torch.device("cpu")] * (count - 1), graph_budget_bytes=budget)
    vector = torch.randn(alone.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shared(vector), alone(vector), rtol=1e-11, atol=1e-12)


def test_some_graphs_are_kept_and_others_rebuilt_within_the_budget(monkeypatch):
    monkeypatch.setitem(hessian._CHUNK, "cpu", 10)
    monkeypatch.setattr("lth.measure.curvature.hessian._graph_bytes_per_example", lambda *_: 100)
    mask = random_mask(NETWORK, 0.5)
    of_weights = 5 * 8 * sum(tensor.numel() for tensor in POINT.parameters.values())
    of_inputs = 8 * EXAMPLES.images[0].numel()  # which a graph holds in float64, too
    mixed = operator(mask, graph_budget_bytes=2 * (10 * (100 + of_inputs) + of_weights))
    (share,) = mixed._shares
    assert (len(share._kept), len(share._rebuilt)) == (2, 1)
    vector = torch.randn(mixed.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixed(vector), operator(mask)(vector), rtol=1e-10, atol=1e-12)


def test_float32_products_are_close_to_float64_ones_and_keep_the_vectors_dtype():
    mask = random_mask(NETWORK, 0.5)
    space = LevelSpace(mask, POINT)
    single = HessianOperator(NETWORK, POINT, space, EXAMPLES)
    vector = torch.randn(space.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    exact, product = operator(mask)(vector), single(vector)
    assert product.dtype == DOUBLE
    assert single(vector.float()).dtype == torch.float32
    # float32 through two backward passes of a three-layer network: about a hundred ulps of the largest entry
    torch.testing.assert_close(product, exact, rtol=0, atol=1e-5 * float(exact.abs().max()))
    assert not torch.equal(product, exact)


@pytest.mark.parametrize("budget", [0, 2**32])
@pytest.mark.parametrize(("from_density", "to_density"), [(0.5, 1.0), (1.0, 0.5)])
def test_an_operator_moved_to_another_space_is_the_one_made_there(budget, from_density, to_density):
    here, there = random_mask(NETWORK, from_density), random_mask(NETWORK, to_density)
    point = random_mask(NETWORK, 0.5).apply(POINT)
    original = operator(here, point, graph_budget_bytes=budget)
    moved = original.in_space(LevelSpace(there, point))
    fresh = operator(there, point)
    assert moved.dimension == fresh.dimension != original.dimension
    for seed in range(3):
        vector = torch.randn(fresh.dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(moved(vector), fresh(vector))


def test_an_operator_moved_to_another_space_leaves_the_first_as_it_was():
    mask = random_mask(NETWORK, 0.5)
    original, vector = operator(mask), torch.ones(operator(mask).dimension, dtype=DOUBLE)
    expected = original(vector)
    moved = original.in_space(LevelSpace(random_mask(NETWORK, 1.0), POINT))
    assert (original.num_products, moved.num_products) == (1, 0)
    for _ in range(2):
        moved(torch.ones(moved.dimension, dtype=DOUBLE))
    assert (original.num_products, moved.num_products) == (1, 2)
    assert torch.equal(original(vector), expected)
    assert original.dimension == len(vector)


def test_an_operator_moved_to_another_space_builds_no_graph_again(monkeypatch):
    original = operator(random_mask(NETWORK, 0.5))

    def refuse(*_: object) -> None:
        raise AssertionError("a gradient graph was built again")

    monkeypatch.setattr("lth.measure.curvature.hessian._Share._gradient", refuse)
    moved = original.in_space(LevelSpace(random_mask(NETWORK, 1.0), POINT))
    assert moved(torch.ones(moved.dimension, dtype=DOUBLE)).isfinite().all()


def test_products_are_counted():
    counted = operator(random_mask(NETWORK, 0.5))
    vector = torch.ones(counted.dimension, dtype=DOUBLE)
    for _ in range(3):
        counted(vector)
    assert counted.num_products == 3


def test_a_parameter_the_loss_does_not_depend_on_has_zero_curvature():
    class WithSpare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(36, 3)
            self.spare = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x.flatten(1))

    network = WithSpare()
    point = Weights.of(network)
    space = LevelSpace(Mask.dense(network), point)
    operator = HessianOperator(network, point, space, EXAMPLES, dtype=DOUBLE)
    product = operator(torch.ones(operator.dimension, dtype=DOUBLE))
    assert product[:111].abs().max() > 0
    assert not product[111:].any()


def test_the_network_may_pass_tuples_between_its_layers():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(6, 4, batch_first=True)
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.rnn(x.flatten(1, 2))[0][:, -1])

    network = Recurrent()
    point = Weights.of(network)
    space = LevelSpace(Mask.dense(network), point)
    operator = HessianOperator(network, point, space, EXAMPLES)
    assert operator(torch.ones(operator.dimension)).isfinite().all()


def test_measuring_leaves_network_weights_mode_gradients_and_random_state_alone():
    network = build_network(SPEC, 3).train()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, point = Weights.of(network), POINT.map(torch.clone)
    random_before = torch.get_rng_state()
    space = LevelSpace(random_mask(network, 0.5), point)
    operator = HessianOperator(network, point, space, EXAMPLES)
    operator(torch.ones(operator.dimension))
    assert network.training
    assert_same_weights(Weights.of(network), before)
    assert_same_weights(point, POINT)
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
    assert not any(tensor.requires_grad for tensor in point.parameters.values())
    assert torch.equal(torch.get_rng_state(), random_before)


class Odd(nn.Module):
    """A network whose loss is no mean over examples, in evaluation mode too."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.fc = how, nn.Linear(36, 3)
        self.norm = nn.BatchNorm1d(3, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.fc(x.flatten(1))
        return dropout(logits, training=True) if self.how == "dropout" else self.norm(logits)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("dropout", "same images different logits .* let its dropout follow `self.training`"),
        ("batch", "depend on the others of its batch .* keep BatchNorm's track_running_stats=True"),
    ],
)
def test_a_network_whose_loss_is_no_mean_over_examples_is_refused_with_the_remedy(how, message):
    torch.manual_seed(0)
    network = Odd(how)
    point = Weights.of(network)
    with pytest.raises(ValueError, match=message):
        HessianOperator(network, point, LevelSpace(Mask.dense(network), point), EXAMPLES)
