"""The mask goes where its units are in another network, and as it is where it is not to."""

from dataclasses import replace

import pytest
import torch
from problems import (
    SPEC,
    assert_same_state,
    assert_same_weights,
    ingredients,
    other_dense_solution,
    same_mask,
    tiny_setting,
    training_data,
)
from torch import nn

from lth.errors import InputError
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.symmetry import symmetries
from lth.network.weights import Weights
from lth.plan.computing import Computing
from lth.plan.keys import TaskKeys
from lth.plan.place import METHODS, Copy, OtherDense, Place
from lth.plan.tasks import StudyTasks, starts_from
from lth.solution.recipe import start_sparse
from lth.solution.recipe.beside import noise_seed
from lth.solution.recipe.permuted import check_permutable

LEVEL = 2
INPUTS = training_data().train


def of_units_in_another_order(given, seed):
    """Return ingredients whose other network is w(0) with its units in a planted order, and that order."""
    spec = symmetries(given.network, INPUTS.normalise(INPUTS.images))
    planted = spec.random(torch.Generator().manual_seed(seed))
    dense = given.dense
    final, rewound = (spec.permute(weights, planted) for weights in (dense.final, dense.rewind.weights))
    momentum = spec.permute(Weights(dense.rewind.momentum, {}), planted).parameters
    rewind = replace(dense.rewind, weights=rewound, momentum=momentum)
    return replace(given, other=replace(dense, final=final, rewind=rewind)), spec, planted


@pytest.mark.parametrize(("level", "seed"), [(1, 0), (LEVEL, 1), (LEVEL, 2)])
def test_the_mask_of_a_network_whose_units_are_in_another_order_is_in_that_order(level, seed):
    given, spec, planted = of_units_in_another_order(ingredients(level), seed)
    assert any((order != torch.arange(len(order))).any() for order in planted.values())
    start = start_sparse("permuted", given)
    assert same_mask(start.mask, spec.permute_mask(given.mask, planted))
    assert_same_weights(start.state.weights, spec.permute(start_sparse("imp", given).state.weights, planted))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_permuted_mask_keeps_as_many_weights_of_every_layer_as_the_mask(scope):
    given = replace(ingredients(LEVEL), setting=tiny_setting(scope=scope))
    mask, permuted = given.mask, start_sparse("permuted", given).mask
    assert {name: int(kept.sum()) for name, kept in permuted.keep.items()} == {
        name: int(kept.sum()) for name, kept in mask.keep.items()
    }
    assert not same_mask(permuted, mask)


@pytest.mark.parametrize("kind", ["permuted", "unpermuted"])
def test_both_start_from_the_rewind_point_of_the_other_network_as_its_optimiser_was(kind):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    assert_same_state(start.state, other_dense_solution().rewind.masked(start.mask))
    assert start.schedule == given.schedule
    assert same_mask(start.mask, given.mask) == (kind == "unpermuted")


def test_the_other_network_has_an_initialisation_and_a_noise_of_its_own():
    other, dense = other_dense_solution(), ingredients(LEVEL).dense
    for name in other.mask.keep:
        assert not torch.equal(other.initial.parameters[name], dense.initial.parameters[name])
    assert other.rewind.step == dense.rewind.step
    assert noise_seed(0, OtherDense.trained()) not in {0, noise_seed(0, Copy.of(0, 0, 1))}


def test_one_other_network_serves_both_and_every_level_and_no_other_method():
    other = OtherDense.trained()
    assert {kind for kind in METHODS if other in starts_from(Place(kind, 3))} == {"permuted", "unpermuted"}
    tasks = StudyTasks(TaskKeys(tiny_setting(), SPEC, "0" * 64, Computing("fp32", False)), "study")
    both = [tasks.training(Place(kind, level)) for kind in ("permuted", "unpermuted") for level in (1, 3)]
    assert len({need.key for task in both for need in task.needs if need.node == other}) == 1
    assert not any(task.is_beside for task in both)
    assert tasks.training(other).is_beside


@pytest.mark.parametrize(("rewind_step", "same"), [(7, True), (8, False)])
def test_the_other_network_is_another_result_where_it_is_rewound_to_another_step(rewind_step, same):
    keys = [
        TaskKeys(tiny_setting(rewind_step=step), SPEC, "0" * 64, Computing("fp32", False)).solution(
            OtherDense.trained()
        )
        for step in (7, rewind_step)
    ]
    assert (keys[0] == keys[1]) == same


@pytest.mark.parametrize("network", [nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), build_network(SPEC, 0)])
def test_permuted_is_refused_before_any_training_where_no_unit_may_be_permuted(network):
    if isinstance(network, nn.Sequential):
        with pytest.raises(InputError, match="no weight that can be pruned has any"):
            check_permutable(network, INPUTS, Mask.dense(network))
    else:
        check_permutable(network, INPUTS, Mask.dense(network))


class _Undecided(nn.Module):
    """What can't be exported: what it computes depends on values."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(36, 3)

    def forward(self, x):
        return self.fc(x.flatten(1)) if bool((x.sum() > 0).item()) else self.fc(-x.flatten(1))


def test_permuted_is_refused_before_any_training_where_the_network_is_not_exported():
    with pytest.raises(InputError, match="can't be exported"):
        check_permutable(_Undecided(), INPUTS, Mask.dense(_Undecided()))
