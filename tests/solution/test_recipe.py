from dataclasses import replace

import pytest
import torch
from problems import (
    SPEC,
    assert_same_weights,
    dense_solution,
    imp_solution,
    ingredients,
    run_start,
    same_mask,
    tiny_setting,
)

from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.place import BASELINES, METHODS, SOLUTIONS, Place
from lth.solution.recipe import RECIPES, start_dense, start_sparse
from lth.training.train import TrainingState

LEVEL = 2
REWINDING = ("imp", "one_shot", "random_prune", "random_prune_one_shot", "prune_larger")
SHARING_THE_MASK = ("fine_tune", "lr_rewind", "random_init")


def assert_same_state(state: TrainingState, expected: TrainingState) -> None:
    assert state.step == expected.step
    assert_same_weights(state.weights, expected.weights)
    assert list(state.momentum) == list(expected.momentum)
    for name, momentum in expected.momentum.items():
        assert torch.equal(state.momentum[name], momentum)


def smallest(weights: Weights, among: Mask, count: int) -> set[int]:
    """Return the flat positions of the `count` smallest survivors, by a plain sort of (magnitude, position)."""
    flat = torch.cat([weights.parameters[name].abs().reshape(-1) for name in among.keep]).tolist()
    kept = among.flat().tolist()
    ordered = sorted((flat[i], i) for i in range(len(flat)) if kept[i])
    return {position for _, position in ordered[:count]}


def removed(before: Mask, after: Mask) -> set[int]:
    assert before.contains(after)
    return set((before.flat() & ~after.flat()).nonzero().squeeze(1).tolist())


def test_every_kind_has_a_recipe_and_seven_are_baselines():
    assert set(BASELINES) | set(METHODS) | {"imp"} == set(SOLUTIONS) == set(RECIPES)
    assert len(BASELINES) == 7
    for kind in SOLUTIONS:
        start_sparse(
            kind, replace(ingredients(LEVEL), setting=tiny_setting(own_method="own_methods:first_weights"))
        )


def test_dense_starts_at_step_zero_with_every_weight_and_captures_the_rewind_step():
    network = build_network(SPEC, 0)
    start = start_dense(network, tiny_setting(), 40)
    assert start.mask.density == 1
    assert_same_state(start.state, TrainingState(Weights.of(network), {}, 0))
    assert start.capture_at == 7
    assert start.schedule.num_iterations == 20


def test_dense_can_rewind_to_its_initialisation():
    setting = tiny_setting(rewind_step=0)
    start = start_dense(build_network(SPEC, 0), setting, 40)
    dense = run_start(start, setting, Place.imp(0), None)
    assert_same_weights(dense.rewind.weights, start.state.weights)
    assert dense.rewind.step == 0


def test_imp_prunes_the_smallest_survivors_of_the_previous_solution_and_rewinds():
    given = ingredients(LEVEL)
    start = start_sparse("imp", given)
    count = round(0.3 * given.previous.mask.num_kept)
    assert removed(given.previous.mask, start.mask) == smallest(
        given.previous.final, given.previous.mask, count
    )
    assert_same_state(start.state, dense_solution().rewind.masked(start.mask))
    assert start.schedule == given.schedule


def test_rewound_weights_of_every_level_are_bit_equal_to_wk():
    wk = dense_solution().rewind
    for level in (1, 2):
        solution = imp_solution(level)
        for name, tensor in solution.initial.parameters.items():
            kept = solution.mask.keep.get(name, torch.ones_like(tensor, dtype=torch.bool))
            assert torch.equal(tensor[kept], wk.weights.parameters[name][kept])
            assert not tensor[~kept].any()


@pytest.mark.parametrize("kind", BASELINES)
def test_every_baseline_has_exactly_as_many_survivors_as_the_lottery_ticket(kind):
    for level in (1, LEVEL):
        given = ingredients(level)
        assert start_sparse(kind, given).mask.num_kept == start_sparse("imp", given).mask.num_kept


@pytest.mark.parametrize("kind", SHARING_THE_MASK)
def test_these_baselines_share_the_mask_of_the_lottery_ticket(kind):
    given = ingredients(LEVEL)
    assert same_mask(start_sparse(kind, given).mask, start_sparse("imp", given).mask)


@pytest.mark.parametrize("kind", REWINDING)
def test_these_start_from_wk_at_step_k_on_the_whole_schedule(kind):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    assert_same_state(start.state, dense_solution().rewind.masked(start.mask))
    assert start.state.step == 7
    assert start.schedule == given.schedule
    assert start.capture_at is None


def test_one_shot_prunes_the_smallest_weights_of_the_dense_solution():
    given = ingredients(LEVEL)
    start = start_sparse("one_shot", given)
    count = given.dense.mask.num_kept - start_sparse("imp", given).mask.num_kept
    assert removed(given.dense.mask, start.mask) == smallest(given.dense.final, given.dense.mask, count)


def test_fine_tune_starts_from_the_pruned_previous_solution_at_a_small_constant_learning_rate():
    given = ingredients(LEVEL)
    start = start_sparse("fine_tune", given)
    assert_same_state(start.state, TrainingState(start.mask.apply(given.previous.final), {}, 0))
    assert start.schedule.num_iterations == 2 * 5
    last = given.schedule.lr_at(given.schedule.num_iterations - 1)
    assert {start.schedule.lr_at(step) for step in range(10)} == {last}


def test_lr_rewind_starts_from_the_pruned_previous_solution_at_step_k():
    given = ingredients(LEVEL)
    start = start_sparse("lr_rewind", given)
    assert_same_state(start.state, TrainingState(start.mask.apply(given.previous.final), {}, 7))
    assert start.schedule == given.schedule


def test_random_init_starts_from_a_fresh_initialisation_at_step_zero():
    given = ingredients(LEVEL)
    start = start_sparse("random_init", given)
    fresh = build_network(SPEC, 0, "random_init", LEVEL)
    assert_same_state(start.state, TrainingState(start.mask.apply(Weights.of(fresh)), {}, 0))
    kept = start.mask.keep["conv1.weight"]
    first = dense_solution().initial.parameters["conv1.weight"]
    assert (start.state.weights.parameters["conv1.weight"] != first)[kept].all()
    assert start.schedule == given.schedule


def test_random_prune_removes_survivors_of_the_previous_level_only():
    given = ingredients(LEVEL)
    start = start_sparse("random_prune", given)
    gone = removed(given.previous.mask, start.mask)
    assert len(gone) == round(0.3 * given.previous.mask.num_kept)
    assert gone != removed(given.previous.mask, start_sparse("imp", given).mask)


def test_random_prune_one_shot_ignores_the_previous_mask():
    given = ingredients(LEVEL)
    start = start_sparse("random_prune_one_shot", given)
    assert not given.previous.mask.contains(start.mask)


@pytest.mark.parametrize("kind", ["random_prune", "random_prune_one_shot"])
def test_random_masks_are_functions_of_seed_and_level(kind):
    given = ingredients(LEVEL)
    mask = start_sparse(kind, given).mask
    assert same_mask(mask, start_sparse(kind, given).mask)
    assert not same_mask(mask, start_sparse(kind, replace(given, setting=tiny_setting(seed=1))).mask)
    assert not same_mask(mask, start_sparse(kind, replace(given, level=3)).mask)


def test_prune_larger_keeps_the_smallest_and_removes_the_next_band():
    given = ingredients(LEVEL)
    start = start_sparse("prune_larger", given)
    previous = given.previous
    count = round(0.3 * previous.mask.num_kept)
    band = smallest(previous.final, previous.mask, 2 * count) - smallest(previous.final, previous.mask, count)
    assert removed(previous.mask, start.mask) == band


def test_pruning_the_next_band_of_more_than_half_raises():
    given = replace(ingredients(LEVEL), setting=tiny_setting(prune_fraction=0.6))
    with pytest.raises(ValueError, match="prune fewer"):
        start_sparse("prune_larger", given)


def test_solutions_stay_zero_where_their_mask_is():
    for level in (1, 2):
        solution = imp_solution(level)
        assert_same_weights(solution.mask.apply(solution.final), solution.final)
        assert all(
            int(solution.final.parameters[name].count_nonzero()) <= int(kept.sum())
            for name, kept in solution.mask.keep.items()
        )
