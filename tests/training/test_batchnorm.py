import copy
from collections.abc import Callable

import pytest
import torch
from problems import (
    SPEC,
    assert_same_weights,
    dropout_network,
    image_data,
    random_examples,
    random_state,
    training_data,
)
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from lth.data import Examples
from lth.network import build_network
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec
from lth.training.batchnorm import StatisticsEstimator
from lth.training.evaluate import Evaluator

NETWORK = build_network(SPEC, 3)
POINT = random_state(Weights.of(NETWORK))
EXAMPLES = random_examples(30)


class OneNorm(nn.Module):
    """BatchNorm of the two pixels of an image, as two features, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(2)
        self.fc = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bn(x.flatten(1)))


def two_pixels(*rows: tuple[float, float]) -> Examples:
    images = torch.tensor(rows).reshape(-1, 1, 1, 2)
    labels = torch.arange(len(rows)) % 3
    return Examples(images, labels, torch.zeros(1, 1, 1), torch.ones(1, 1, 1))


def batches_seen(
    monkeypatch: pytest.MonkeyPatch, network: nn.Module, weights: Weights, examples: Examples, batch: int
) -> tuple[Weights, list[Tensor]]:
    """Return what is estimated in batches of at most `batch`, and the inputs of each."""
    monkeypatch.setattr("lth.training.batchnorm._BATCH", batch)
    seen: list[Tensor] = []
    handle = network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    try:
        return StatisticsEstimator(network, examples, seed=0)(weights), seen
    finally:
        handle.remove()


def test_statistics_of_one_batch_are_its_mean_and_its_unbiased_variance():
    network = OneNorm().eval()
    examples = two_pixels((1, 10), (2, 10), (6, 40))
    found = StatisticsEstimator(network, examples, seed=0)(Weights.of(network)).buffers
    # means (1+2+6)/3 and 60/3; variances (4+1+9)/2 and (100+100+400)/2: by hand, exact but for float32
    torch.testing.assert_close(found["bn.running_mean"], torch.tensor([3.0, 20.0]), rtol=1e-6, atol=0.0)
    torch.testing.assert_close(found["bn.running_var"], torch.tensor([7.0, 300.0]), rtol=1e-6, atol=0.0)


def test_statistics_of_several_batches_are_averages_of_those_of_each(monkeypatch):
    """Not those of all examples together, whose variance would count the differences between batches too."""
    network = OneNorm().eval()
    stream = torch.Generator().manual_seed(0)
    examples = two_pixels(*(torch.randn(9, 2, generator=stream) * torch.tensor([1.0, 50.0])).tolist())
    found, seen = batches_seen(monkeypatch, network, Weights.of(network), examples, 3)
    assert [len(inputs) for inputs in seen] == [3, 3, 3]
    parts = [inputs.flatten(1).double() for inputs in seen]
    mean = torch.stack([part.mean(0) for part in parts]).mean(0)
    variance = torch.stack([part.var(0, correction=1) for part in parts]).mean(0)
    # sums of nine float32 numbers
    torch.testing.assert_close(found.buffers["bn.running_mean"].double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.buffers["bn.running_var"].double(), variance, rtol=1e-5, atol=0.0)
    whole = torch.cat(parts).var(0, correction=1)
    assert not torch.allclose(found.buffers["bn.running_var"].double(), whole, rtol=1e-2)


@pytest.mark.parametrize(("count", "batch", "sizes"), [(7, 3, [3, 2, 2]), (9, 8, [5, 4]), (4, 500, [4])])
def test_every_example_is_seen_once_in_batches_of_nearly_one_size(monkeypatch, count, batch, sizes):
    examples = random_examples(count)
    _, seen = batches_seen(monkeypatch, NETWORK, POINT, examples, batch)
    assert [len(inputs) for inputs in seen] == sizes
    rows = sorted(torch.cat(seen).flatten(1).tolist())
    assert rows == sorted(examples.images.flatten(1).tolist())
    assert torch.cat(seen).flatten(1).tolist() != examples.images.flatten(1).tolist()  # shuffled


@pytest.mark.parametrize("batch", [7, 500])
def test_a_deep_network_gets_the_statistics_that_torch_gives_it(monkeypatch, batch):
    found, seen = batches_seen(monkeypatch, NETWORK, POINT, EXAMPLES, batch)
    other = build_network(SPEC, 0)
    POINT.load_into(other)
    update_bn(seen, other)
    expected = Weights.of(other)
    for name, tensor in found.buffers.items():
        if name.endswith("num_batches_tracked"):
            continue
        # the same float32 sums, up to the order that the layout of a batch decides
        torch.testing.assert_close(tensor, expected.buffers[name], rtol=1e-5, atol=1e-6)
        assert not torch.allclose(tensor, POINT.buffers[name], rtol=1e-2)
    assert_same_weights(Weights(found.parameters, {}), Weights(POINT.parameters, {}))


def test_deeper_statistics_are_those_of_inputs_normalised_by_the_batch():
    """As in training: the second BatchNorm sees what the first makes of its own batch."""
    found = StatisticsEstimator(NETWORK, EXAMPLES, seed=0)(POINT)
    network = build_network(SPEC, 0)
    POINT.load_into(network)
    seen: list[Tensor] = []
    network.conv2.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        network.train()(EXAMPLES.images)
    torch.testing.assert_close(found.buffers["bn2.running_mean"], seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_statistics_that_were_scaled_away_are_found_again():
    data = training_data()
    estimate = StatisticsEstimator(NETWORK, data.train, seed=0)
    evaluate = Evaluator(NETWORK, data.train)
    spoiled = Weights(POINT.parameters, {name: tensor * 9 for name, tensor in POINT.buffers.items()})
    assert evaluate(spoiled).loss != evaluate(POINT).loss
    assert evaluate(estimate(spoiled)).loss == evaluate(estimate(POINT)).loss


class Twice(nn.Module):
    """One BatchNorm that is called twice a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(1)
        self.fc = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bn(3 * self.bn(x) + 1).flatten(1))


@pytest.mark.parametrize("network", [NETWORK, Twice()], ids=["deep", "called twice"])
def test_averages_have_the_bits_of_those_that_batchnorm_takes_by_itself(network, monkeypatch):
    found, seen = batches_seen(monkeypatch, network, Weights.of(network), EXAMPLES, 7)
    other = copy.deepcopy(network).train()
    for module in other.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for inputs in seen:
            other(inputs)
    for name, tensor in other.named_buffers():
        if "running" in name:
            assert torch.equal(found.buffers[name], tensor), name


def test_no_number_is_read_from_the_device(monkeypatch):
    """A GPU would wait for it in every layer and batch."""
    estimate = StatisticsEstimator(NETWORK, EXAMPLES, seed=0)

    def read(_tensor: Tensor) -> float:
        raise AssertionError("a number was read from a tensor")

    for name in ("__float__", "__int__", "__bool__", "item", "tolist"):
        monkeypatch.setattr(Tensor, name, read)
    estimate(POINT)


def test_images_are_kept_raw_and_normalised_a_batch_at_a_time(monkeypatch):
    normalised: list[int] = []
    normalise = Examples.normalise

    def counted(self: Examples, images: Tensor) -> Tensor:
        assert images.dtype == torch.uint8
        normalised.append(len(images))
        return normalise(self, images)

    monkeypatch.setattr(Examples, "normalise", counted)
    monkeypatch.setattr("lth.training.batchnorm._BATCH", 10)
    estimate = StatisticsEstimator(NETWORK, training_data().train, seed=0)
    assert not normalised
    estimate(POINT)
    assert normalised == [10, 10, 10, 10]


@pytest.mark.parametrize("change", [lambda t: t * 0, lambda t: t + 7, lambda t: t * float("nan")])
def test_statistics_do_not_depend_on_those_before(change: Callable[[Tensor], Tensor]):
    estimate = StatisticsEstimator(NETWORK, EXAMPLES, seed=0)
    before = {
        name: change(tensor) if tensor.is_floating_point() else tensor + 5
        for name, tensor in POINT.buffers.items()
    }
    expected, found = estimate(POINT), estimate(Weights(POINT.parameters, before))
    for name, tensor in expected.buffers.items():
        if tensor.is_floating_point():
            assert torch.equal(found.buffers[name], tensor)
        else:
            assert torch.equal(found.buffers[name], before[name])  # a counter of training, not of this


def test_estimating_again_gives_the_same_bits():
    estimate = StatisticsEstimator(NETWORK, EXAMPLES, seed=0)
    first = estimate(POINT)
    estimate(Weights({name: tensor * 2 for name, tensor in POINT.parameters.items()}, POINT.buffers))
    assert_same_weights(estimate(POINT), first)


def test_the_order_depends_on_the_seed_and_not_on_the_global_one(monkeypatch):
    monkeypatch.setattr("lth.training.batchnorm._BATCH", 7)
    found = []
    for global_seed, seed in ((1, 0), (2, 0), (1, 4)):
        torch.manual_seed(global_seed)
        found.append(StatisticsEstimator(NETWORK, EXAMPLES, seed=seed)(POINT))
    assert_same_weights(found[0], found[1])
    assert not torch.equal(found[0].buffers["bn1.running_var"], found[2].buffers["bn1.running_var"])


def test_a_network_without_batchnorm_is_returned_as_it_is():
    network = build_network(NetworkSpec("problems:dropout_network", (1, 6, 6), 3), 0)
    weights = Weights.of(network)
    estimate = StatisticsEstimator(network, EXAMPLES, seed=0)
    assert not estimate.has_effect
    assert estimate(weights) is weights
    assert StatisticsEstimator(NETWORK, EXAMPLES, seed=0).has_effect


def test_batchnorm_that_keeps_no_statistics_has_none_to_restate():
    network = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(36, 3))
    assert not StatisticsEstimator(network, EXAMPLES, seed=0).has_effect


def test_other_buffers_stay_as_they_are():
    network = OneNorm()
    network.register_buffer("scale", torch.tensor([5.0]))
    weights = Weights.of(network)
    found = StatisticsEstimator(network, two_pixels((1, 2), (3, 5)), seed=0)(weights)
    assert found.buffers["scale"].item() == 5
    assert found.buffers["bn.num_batches_tracked"].item() == 0
    assert list(found.buffers) == list(weights.buffers)


@pytest.mark.parametrize("training", [True, False])
def test_estimating_leaves_network_weights_and_random_state_alone(training):
    network = build_network(SPEC, 3).train(training)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, point = Weights.of(network), POINT.map(torch.clone)
    state = torch.get_rng_state()
    found = StatisticsEstimator(network, EXAMPLES, seed=0)(point)
    assert not torch.equal(found.buffers["bn1.running_mean"], point.buffers["bn1.running_mean"])
    assert all(module.training == training for module in network.modules())
    assert network.bn1.momentum == 0.1
    assert_same_weights(Weights.of(network), before)
    assert_same_weights(point, POINT)
    assert all((parameter.grad == 1).all() for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_stays_off():
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = dropout_network((1, 6, 6), 3)
            self.bn = nn.BatchNorm1d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.bn(self.body(x))

    torch.manual_seed(0)
    network = Dropping()
    found = StatisticsEstimator(network, EXAMPLES, seed=0)(Weights.of(network))
    with torch.no_grad():
        outputs = network.body.eval()(EXAMPLES.images)
    # float32 means of 30 outputs; half the features dropped would move them by tens of percent
    torch.testing.assert_close(found.buffers["bn.running_mean"], outputs.mean(0), rtol=1e-5, atol=1e-6)


def test_raw_images_are_normalised_first():
    data = image_data()
    examples = training_data().train
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(36, 3)).eval()
    found = StatisticsEstimator(network, examples, seed=0)(Weights.of(network))
    # The normalisation is by the statistics of these very images, so what is left of them is 0 and n / (n - 1).
    count = data.train_images.numel()
    assert found.buffers["0.running_mean"].item() == pytest.approx(0, abs=1e-5)
    assert found.buffers["0.running_var"].item() == pytest.approx(count / (count - 1), rel=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_examples_raise(count):
    few = EXAMPLES.take(torch.arange(count))
    with pytest.raises(ValueError, match=f"{count} examples have no BatchNorm statistics; give at least 2"):
        StatisticsEstimator(NETWORK, few, seed=0)
