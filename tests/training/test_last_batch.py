from collections.abc import Callable

import pytest
import torch
from problems import training_data
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from lth.errors import InputError
from lth.training.last_batch import check_last_batch

ONE = training_data(num_train=41).train  # in batches of 8, the last holds one


def network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3)).eval()


class Squeezing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3].squeeze()


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x.flatten(1)[:, :3], None, None, training=True)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Identity,
        lambda: nn.GroupNorm(1, 1),
        lambda: nn.LayerNorm(6),
        lambda: nn.InstanceNorm2d(1),
        nn.Dropout,
    ],
)
def test_networks_without_statistics_of_a_batch_take_a_last_batch_of_one(layer: Callable[[], nn.Module]):
    before = torch.random.get_rng_state()
    made = network(layer())
    made(torch.zeros(2, 1, 6, 6))
    torch.random.set_rng_state(before)
    check_last_batch(made, ONE, 8)
    check_last_batch(made, ONE, 1)
    assert not made.training
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("layer", [lambda: nn.BatchNorm2d(1), lambda: nn.SyncBatchNorm(1), nn.LazyBatchNorm2d])
def test_networks_with_batchnorm_do_not(layer: Callable[[], nn.Module]):
    with pytest.raises(
        InputError, match=r"41 training .* of 8 leave a last batch of one, which BatchNorm .*layer 0"
    ):
        check_last_batch(network(layer()), ONE, 8)
    with pytest.raises(
        InputError, match=r"batch_size=1 is out of range; expected at least 2 \(BatchNorm\) for layer 0"
    ):
        check_last_batch(network(layer()), ONE, 1)
    check_last_batch(network(layer()), ONE, 7)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Squeezing(), r"which the network maps to \(3,\); let it keep the first axis"),
        (Functional(), "of which the network makes ValueError: Expected more than 1 value per channel"),
        (
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.InstanceNorm2d(1), nn.Flatten()),
            "makes ValueError: Expected more",
        ),
    ],
    ids=["squeezing", "functional", "one pixel"],
)
def test_networks_that_fail_on_one_example_are_found_out_before_any_epoch(made, message):
    with pytest.raises(InputError, match=message):
        check_last_batch(made, ONE, 8)
    check_last_batch(made, ONE, 7)
