"""Methods beyond the paper, each against its source's formula or an invariance that it states."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from problems import (
    SPEC,
    assert_same_weights,
    dense_solution,
    ingredients,
    random_examples,
    run_start,
    same_mask,
    tiny_setting,
)
from torch import nn
from torch.func import functional_call, hessian, jacrev
from torch.nn.functional import cross_entropy

from lth.errors import InputError
from lth.inputs import as_floats
from lth.network.mask import Mask
from lth.network.prune import apportioned
from lth.network.weights import Weights
from lth.plan.place import METHODS, Place
from lth.solution.recipe import RECIPES, first_step, start_sparse
from lth.solution.recipe.erk import erk_density
from lth.solution.recipe.score import untrained
from lth.solution.recipe.synflow import flow_scores

LEVEL = 2
BEFORE_TRAINING = ("magnitude_at_init", "erk", "snip", "grasp", "synflow")
REWINDING = ("layer_magnitude", "shuffled")
SIGNS = ("signs_only", "magnitudes_only", "distribution_only")


def flat(tensors, names):
    return torch.cat([tensors[name].reshape(-1) for name in names])


def lowest(scores, count):
    """Return the positions of the `count` lowest, by a plain sort of (score, position)."""
    ordered = sorted((score, position) for position, score in enumerate(scores.tolist()))
    return {position for _, position in ordered[:count]}


def pruned_of(mask):
    return set((~mask.flat()).nonzero().squeeze(1).tolist())


def mini_batch(given, method):
    """Return what a method is scored on, and the loss of weights by name."""
    with untrained(given, method) as at_start:
        inputs, targets = at_start.inputs.double(), at_start.targets
    network = copy.deepcopy(given.network).train()
    buffers = as_floats(given.dense.initial.buffers, torch.float64)

    def loss(parameters):
        state = {**parameters, **{name: tensor.clone() for name, tensor in buffers.items()}}
        return cross_entropy(functional_call(network, state, (inputs,)), targets)

    return loss


def own(name, **overrides):
    given = ingredients(LEVEL)
    return replace(given, setting=tiny_setting(own_method=name, **overrides))


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_method_keeps_as_many_weights_as_the_level_and_the_same_bits_twice(kind, scope):
    given = own("own_methods:first_weights", scope=scope)
    start = start_sparse(kind, given)
    assert start.num_kept == start_sparse("imp", given).mask.num_kept
    again = start_sparse(kind, given)
    assert same_mask(start.mask, again.mask)
    assert_same_weights(start.state.weights, again.state.weights)
    for name, kept in start.mask.keep.items():
        assert (start.state.weights.parameters[name][~kept] == 0).all()


@pytest.mark.parametrize("kind", METHODS)
def test_a_method_leaves_the_network_the_solutions_and_the_generators_of_its_caller_alone(kind):
    given = own("own_methods:first_weights")
    before, initial = Weights.of(given.network), copy.deepcopy(given.dense.initial)
    mode, state = given.network.training, torch.get_rng_state()
    start_sparse(kind, given)
    assert_same_weights(Weights.of(given.network), before)
    assert_same_weights(given.dense.initial, initial)
    assert given.network.training == mode
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", BEFORE_TRAINING)
def test_a_method_before_training_starts_from_the_initialisation_on_the_whole_schedule(kind):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    assert (start.state.step, start.schedule) == (0, given.schedule)
    assert not start.state.momentum
    assert_same_weights(start.state.weights, start.mask.apply(given.dense.initial))


@pytest.mark.parametrize("kind", REWINDING)
def test_a_control_of_the_mask_starts_from_the_rewind_point(kind):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    assert start.state.step == given.previous.rewind.step
    assert_same_weights(start.state.weights, start.mask.apply(given.previous.rewind.weights))


def test_magnitude_at_init_prunes_the_smallest_weights_of_the_initialisation():
    given = ingredients(LEVEL)
    mask = start_sparse("magnitude_at_init", given).mask
    magnitudes = flat(given.dense.initial.parameters, mask.keep).abs()
    assert pruned_of(mask) == lowest(magnitudes, mask.num_prunable - mask.num_kept)


def test_snip_prunes_what_changes_the_loss_least_to_first_order_by_finite_differences():
    given = ingredients(LEVEL)
    mask = start_sparse("snip", given).mask
    loss = mini_batch(given, "snip")
    weights = as_floats(given.dense.initial.parameters, torch.float64)
    scores = []
    for name in mask.keep:
        for position in range(weights[name].numel()):
            losses = []
            for share in (1 - 1e-4, 1 + 1e-4):
                moved = weights[name].clone()
                moved.view(-1)[position] *= share
                losses.append(loss({**weights, name: moved}).item())
            scores.append(abs(losses[1] - losses[0]) / 2e-4)
    kept = torch.tensor(scores)[mask.flat()]
    gone = torch.tensor(scores)[~mask.flat()]
    assert gone.max() <= kept.min() * (1 + 1e-3) + 1e-7


def test_grasp_prunes_the_lowest_weight_times_hessian_times_gradient_of_a_dense_hessian():
    given = ingredients(LEVEL)
    mask = start_sparse("grasp", given).mask
    loss, names = mini_batch(given, "grasp"), list(mask.keep)
    weights = as_floats(given.dense.initial.parameters, torch.float64)
    sizes = [weights[name].numel() for name in names]
    point = flat(weights, names)

    def of_vector(vector):
        parts = dict(zip(names, torch.split(vector, sizes), strict=True))
        return loss({**weights, **{name: part.view_as(weights[name]) for name, part in parts.items()}})

    scores = point * (hessian(of_vector)(point) @ jacrev(of_vector)(point))
    kept, gone = scores[mask.flat()], scores[~mask.flat()]
    assert gone.max() <= kept.min() + 1e-6 * scores.abs().max()


def test_synflow_conserves_the_flow_through_every_layer_whatever_the_mask():
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Linear(size, size + 1, bias=False) for size in (4, 5, 6))).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    everything = Mask.dense(network)
    mask = everything.with_flat(torch.rand(everything.num_prunable) < 0.7)
    sums = [float(score.sum()) for score in flow_scores(network, mask, torch.ones(1, 4).double()).values()]
    assert sums[0] > 0
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-12)


def test_synflow_leaves_every_layer_some_weights_where_magnitude_leaves_one_none():
    """The layer collapse that it was made against: a layer of small weights is cut off by magnitude."""
    given = ingredients(LEVEL)
    name = next(iter(given.dense.mask.keep))
    initial = given.dense.initial
    small = Weights({**initial.parameters, name: initial.parameters[name] * 1e-6}, initial.buffers)
    collapsing = replace(given, dense=replace(given.dense, initial=small))
    assert not start_sparse("magnitude_at_init", collapsing).mask.keep[name].any()
    assert start_sparse("synflow", collapsing).mask.keep[name].any()


def test_synflow_refuses_whole_numbers_as_inputs():
    given = ingredients(LEVEL)
    tokens = replace(random_examples(40), images=torch.zeros(40, 6, dtype=torch.int64), mean=None, std=None)
    with pytest.raises(InputError, match="synflow feeds the network ones"):
        start_sparse("synflow", replace(given, examples=tokens))


def test_erk_densities_are_those_of_the_formula_to_a_weight():
    """Of a ResNet's layers at density 0.2, worked out by bisection of the common factor."""
    shapes = {"a": (16, 3, 3, 3), "b": (16, 16, 3, 3), "c": (32, 16, 3, 3), "d": (64, 64, 3, 3), "e": (10, 64)}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    total = round(0.2 * sum(sizes.values()))
    low, high = 0.0, 1e6
    for _ in range(200):
        factor = (low + high) / 2
        kept = sum(min(1.0, factor * erk_density(shapes[name])) * size for name, size in sizes.items())
        low, high = (factor, high) if kept < total else (low, factor)
    counts = apportioned({name: erk_density(shapes[name]) * size for name, size in sizes.items()}, sizes, total)
    assert sum(counts.values()) == total
    for name, size in sizes.items():
        assert abs(counts[name] - min(1.0, high * erk_density(shapes[name])) * size) < 1


def test_layer_magnitude_prunes_every_layer_by_the_same_share():
    given = ingredients(LEVEL)
    before, after = given.previous.mask, start_sparse("layer_magnitude", given).mask
    assert before.contains(after)
    share = after.num_kept / before.num_kept
    for name, kept in after.keep.items():
        assert abs(int(kept.sum()) - share * int(before.keep[name].sum())) < 1


def test_shuffled_keeps_as_many_weights_of_every_layer_and_others():
    given = ingredients(LEVEL)
    own, shuffled = start_sparse("imp", given).mask, start_sparse("shuffled", given).mask
    assert [int(kept.sum()) for kept in own.keep.values()] == [
        int(kept.sum()) for kept in shuffled.keep.values()
    ]
    assert not same_mask(own, shuffled)


@pytest.mark.parametrize("kind", SIGNS)
def test_signs_and_magnitudes_of_the_rewind_point_are_kept_one_without_the_other(kind):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    assert same_mask(start.mask, start_sparse("imp", given).mask)
    assert start.state.step == given.previous.rewind.step
    own = given.previous.rewind.weights
    changed = 0
    for name, kept in start.mask.keep.items():
        ours, theirs = own.parameters[name][kept], start.state.weights.parameters[name][kept]
        assert torch.equal(ours.abs().sort().values, theirs.abs().sort().values)
        assert torch.equal(ours.sign(), theirs.sign()) == (kind == "signs_only")
        assert torch.equal(ours.abs(), theirs.abs()) == (kind == "magnitudes_only")
        changed += int((ours != theirs).sum())
    assert changed > 0.2 * start.mask.num_kept
    for name in own.parameters.keys() - start.mask.keep.keys():
        assert torch.equal(own.parameters[name], start.state.weights.parameters[name])


def test_cyclic_random_takes_the_steps_and_learning_rates_of_the_whole_chain_under_one_random_mask():
    given = ingredients(LEVEL)
    start, k = start_sparse("cyclic_random", given), given.previous.rewind.step
    assert same_mask(start.mask, start_sparse("random_prune_one_shot", given).mask)
    assert start.state.step == 0
    assert_same_weights(start.state.weights, start.mask.apply(given.dense.initial))
    whole = [given.schedule.lr_at(step) for step in range(given.schedule.num_iterations)]
    taken = [start.schedule.lr_at(step) for step in range(start.schedule.num_iterations)]
    assert taken == [*whole, *(LEVEL * whole[k:])]


@pytest.mark.parametrize("kind", ["snip", "signs_only", "cyclic_random"])
def test_a_method_trains_to_a_solution_whose_pruned_weights_are_zero(kind):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    solution = run_start(start, given.setting, Place(kind, LEVEL), dense_solution().rewind)
    assert all((solution.final.parameters[name][~kept] == 0).all() for name, kept in start.mask.keep.items())
    assert first_step(solution) == (0 if RECIPES[kind].anew else solution.rewind.step)
    assert solution.spec == SPEC


@pytest.mark.parametrize(("rewind", "as_baseline"), [("lr", "lr_rewind"), ("none", "fine_tune")])
def test_a_chain_that_does_not_rewind_weights_goes_on_from_the_level_before_of_its_own(rewind, as_baseline):
    given = replace(ingredients(LEVEL), setting=tiny_setting(rewind=rewind))
    start = start_sparse("imp", given)
    assert_same_weights(start.state.weights, start.mask.apply(given.previous.final))
    assert start.schedule == start_sparse(as_baseline, given).schedule
    assert not start.state.momentum
    solution = run_start(start, given.setting, Place.imp(LEVEL), given.previous.rewind)
    assert first_step(solution) == start.state.step


def test_a_method_of_the_users_own_is_given_the_ingredients_and_starts_what_it_makes():
    given = own("examples.own_method:moved_most")
    start = start_sparse("own_method", given)
    final, initial = given.dense.final.parameters, given.dense.initial.parameters
    moved = (flat(final, start.mask.keep) - flat(initial, start.mask.keep)).abs()
    assert pruned_of(start.mask) == lowest(moved, start.mask.num_prunable - start.mask.num_kept)
    assert_same_weights(start.state.weights, start.mask.apply(given.previous.rewind.weights))


def test_a_mask_of_the_users_own_starts_from_the_initialisation():
    given = own("own_methods:first_weights")
    start = start_sparse("own_method", given)
    assert start.state.step == 0
    assert_same_weights(start.state.weights, start.mask.apply(given.dense.initial))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("everything", "keeps 225 weights in 3 layers, but level 2 keeps 110 in 3"),
        ("one_layer", "prune with given.pruned"),
        ("nothing", "returned NoneType; expected an lth.network.mask.Mask"),
        ("failing", r"fails at level 2: ZeroDivisionError: .*own_methods.py"),
    ],
)
def test_a_method_of_the_users_own_that_returns_no_such_start_is_told_what_to_do(function, told):
    with pytest.raises(InputError, match=told):
        start_sparse("own_method", own(f"own_methods:{function}"))


def test_a_study_that_wants_an_own_method_and_names_none_is_refused():
    with pytest.raises(InputError, match="own_method=none names no function"):
        tiny_setting(methods="own_method")
