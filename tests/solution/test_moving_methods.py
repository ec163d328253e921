"""Methods whose masks move in training, each against its source: counts, phases, what goes and comes back."""

import copy
import math
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from kept_steps import Keeper
from problems import (
    SPEC,
    assert_same_state,
    assert_same_weights,
    dense_solution,
    ingredients,
    run_start,
    same_mask,
    tiny_setting,
    training_data,
)
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from lth.errors import InputError
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.prune import kept_by_layer
from lth.plan.place import Place
from lth.randomness import generator
from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import check_end
from lth.solution.recipe import Start, first_step, start_sparse
from lth.solution.recipe.ac_dc import phases
from lth.solution.recipe.gradual import moments
from lth.solution.recipe.rigl import interval
from lth.training.moving import Moved, Now
from lth.training.schedule import Schedule
from lth.training.train import Procedure, Progress, Training, train

LEVEL = 2
MOVING = ("rigl", "set", "gradual", "ac_dc", "safe")
BY_SIZE = ("gradual", "ac_dc", "safe")
PLAIN = Procedure("none", "fp32", 0)


@dataclass(frozen=True)
class Seen:
    """A training of 20 steps, 5 an epoch, with all that moved its mask and its state after every step."""

    start: Start
    moves: list[tuple[Now, Moved]]
    kept: list[Progress]
    training: Training


def run(start: Start, **options: object) -> Training:
    return train(
        build_network(SPEC, 99),
        start.state,
        start.mask,
        training_data(),
        start.schedule,
        PLAIN,
        movement=start.movement,
        **options,
    )


@cache
def seen(kind: str, **overrides: object) -> Seen:
    given = replace(ingredients(LEVEL), setting=tiny_setting(**overrides))
    start, moves, keeper = start_sparse(kind, given), [], Keeper()
    inner = start.movement.move

    def move(now: Now) -> Moved:
        moves.append((now, inner(now)))
        return moves[-1][1]

    watched = replace(start, movement=replace(start.movement, move=move))
    return Seen(start, moves, keeper.kept, run(watched, keeper=keeper))


def layers_of(mask: Mask) -> dict[str, int]:
    return {name: int(kept.sum()) for name, kept in mask.keep.items()}


def chosen(scores: torch.Tensor, allowed: torch.Tensor, count: int) -> set[int]:
    """Return the positions of the `count` lowest scores among those allowed, by a plain sort."""
    pairs = sorted((score, i) for i, score in enumerate(scores.reshape(-1).tolist()) if allowed.reshape(-1)[i])
    return {position for _, position in pairs[:count]}


def where(truth: torch.Tensor) -> set[int]:
    return set(truth.reshape(-1).nonzero().squeeze(1).tolist())


@pytest.mark.parametrize("kind", MOVING)
def test_a_mask_that_moves_ends_with_as_many_weights_as_the_level_and_zeros_that_are_exact(kind):
    found = seen(kind)
    assert found.training.mask.num_kept == start_sparse("imp", ingredients(LEVEL)).mask.num_kept
    assert found.start.density == found.training.mask.density
    last = found.kept[-1]
    assert last.state.step == 20
    for name, kept in found.training.mask.keep.items():
        for tensor in (found.training.final.parameters[name], last.state.momentum[name]):
            assert (tensor[~kept] == 0).all()
        assert found.training.final.parameters[name][kept].count_nonzero() > 0


@pytest.mark.parametrize("kind", MOVING)
def test_weights_pruned_on_the_way_and_their_momentum_are_zero_after_every_step(kind):
    for progress in seen(kind).kept:
        for name, kept in progress.moved.mask.keep.items():
            assert (progress.state.weights.parameters[name][~kept] == 0).all()
            if name in progress.state.momentum:
                assert (progress.state.momentum[name][~kept] == 0).all()


@pytest.mark.parametrize("kind", MOVING)
@pytest.mark.parametrize("step", [3, 16])
def test_a_training_whose_mask_moves_goes_on_from_what_it_kept_to_the_same_bits(kind, step):
    found = seen(kind)
    keeper = Keeper()
    again = run(found.start, resumed=found.kept[step - 1], keeper=keeper)
    assert_same_weights(again.final, found.training.final)
    assert same_mask(again.mask, found.training.mask)
    assert again.history == found.training.history
    for ours, theirs in zip(keeper.kept, found.kept[step:], strict=True):
        assert_same_state(ours.state, theirs.state)
        assert same_mask(ours.moved.mask, theirs.moved.mask)
        for group in ("held", "towards"):
            a, b = getattr(ours.moved, group), getattr(theirs.moved, group)
            assert list(a) == list(b)
            assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", BY_SIZE)
def test_by_layer_a_mask_that_moves_keeps_of_every_layer_what_the_level_keeps(kind):
    found, given = seen(kind, scope="layer"), ingredients(LEVEL)
    expected = kept_by_layer(given.previous.mask, given.setting.pruning.prune_fraction)
    assert layers_of(found.training.mask) == expected


@pytest.mark.parametrize("kind", ["rigl", "set"])
def test_a_mask_that_moves_from_erk_keeps_as_many_weights_of_every_layer_as_that_at_all_times(kind):
    counts = layers_of(start_sparse("erk", ingredients(LEVEL)).mask)
    found = seen(kind)
    assert layers_of(found.start.mask) == counts
    assert all(layers_of(progress.moved.mask) == counts for progress in found.kept)
    assert not same_mask(found.training.mask, found.start.mask)


def test_rigl_drops_the_smallest_and_grows_the_highest_gradients_as_many_as_its_formula_says():
    moves = seen("rigl").moves
    last, every = interval(20)
    assert [now.step for now, _ in moves] == list(range(0, last, every))
    for now, moved in moves:
        for name, before in now.mask.keep.items():
            count = math.floor(0.15 * (1 + math.cos(math.pi * now.step / last)) * int(before.sum()))
            dropped = chosen(now.weights[name].abs(), before, count)
            left = where(before) - dropped
            candidates = torch.tensor([position not in left for position in range(before.numel())])
            grown = chosen(-now.gradients[name].abs(), candidates, count)
            assert where(moved.mask.keep[name]) == left | grown


def test_rigl_goes_by_the_dense_gradient_of_a_batch_that_updates_nothing():
    found = seen("rigl")
    now, moved = found.moves[0]
    network, data = build_network(SPEC, 99).train(), training_data().train
    found.start.state.weights.load_into(network)
    batch = torch.randperm(len(data), generator=generator(0, "order", 0))[:8]
    cross_entropy(network(data.normalise(data.images[batch])), data.labels[batch]).backward()
    parameters = dict(network.named_parameters())
    for name, gradient in now.gradients.items():
        torch.testing.assert_close(gradient, parameters[name].grad)
        assert gradient[~now.mask.keep[name]].count_nonzero() > 0
    after = found.kept[0].state.weights.parameters
    for name, tensor in found.start.state.weights.parameters.items():
        kept = moved.mask.keep.get(name, torch.ones_like(tensor, dtype=torch.bool))
        assert torch.equal(after[name], torch.where(kept, tensor, 0.0))


def test_set_drops_a_share_of_each_sign_and_grows_at_random_from_zero_after_every_epoch_but_the_last():
    found = seen("set")
    assert [now.step for now, _ in found.moves] == [5, 10, 15]
    redrawn = 0
    for now, moved in found.moves:
        state = found.kept[now.step - 1].state
        for name, before in now.mask.keep.items():
            weights, after = now.weights[name], moved.mask.keep[name]
            dropped = set()
            for side in (before & (weights > 0), before & (weights < 0)):
                dropped |= chosen(weights.abs(), side, math.floor(0.3 * int(side.sum())))
            left = where(before) - dropped
            grown = where(after) - left
            assert left <= where(after)
            assert len(grown) == len(dropped)
            assert where(moved.fresh[name]) == grown
            for position in grown:
                assert state.weights.parameters[name].reshape(-1)[position] == 0
                assert state.momentum[name].reshape(-1)[position] == 0
            redrawn += len(grown & dropped)
    other = seen("set", seed=1)
    assert not same_mask(other.training.mask, found.training.mask)
    assert redrawn > 0  # else the case of a weight that goes and is drawn again was never tried


def test_gradual_pruning_follows_the_cubic_formula_to_a_weight():
    found = seen("gradual")
    whole, kept = found.start.mask.num_prunable, found.start.num_kept
    times = moments(20)
    assert [now.step for now, _ in found.moves] == list(times)
    assert (min(times), max(times)) == (4, 15)
    for now, moved in found.moves:
        sparsity = (1 - kept / whole) * (1 - (1 - (now.step - 4) / 11) ** 3)
        assert moved.mask.num_kept == whole - round(whole * sparsity)
        assert now.mask.contains(moved.mask)
        gone = chosen(
            torch.cat([w.abs().reshape(-1) for w in now.weights.values()]),
            now.mask.flat(),
            now.mask.num_kept - moved.mask.num_kept,
        )
        assert where(now.mask.flat() & ~moved.mask.flat()) == gone


def test_ac_dc_alternates_by_the_phases_of_its_source_and_forgets_the_momentum_where_weights_come_back():
    found = seen("ac_dc")
    sparse = [10, 20, 30, 40, 50, 60, 70, 85]
    times = {round(20 * share / 100): share in sparse for share in [*sparse, 15, 25, 35, 45, 55, 65, 75]}
    assert dict(sorted(times.items())) == phases(20)
    assert [now.step for now, _ in found.moves] == list(phases(20))
    for now, moved in found.moves:
        is_sparse = times[now.step]
        assert moved.mask.num_kept == (found.start.num_kept if is_sparse else moved.mask.num_prunable)
        momentum = found.kept[now.step - 1].state.momentum
        assert any(bool(buffer.any()) for buffer in momentum.values()) == is_sparse
    assert not found.kept[0].moved.mask.flat().logical_not().any()


def test_safe_is_its_algorithm_in_a_few_lines():
    """Whole-set batches, so that the order of examples does not matter; sums in another order all the same."""
    given = ingredients(LEVEL)
    schedule = Schedule(40, 1, 32, lr=0.1, momentum=0.9, weight_decay=1e-3, milestones=(20,))
    start = start_sparse("safe", replace(given, schedule=schedule))
    ours = run(start)

    network, data = build_network(SPEC, 99), training_data().train
    inputs, names = data.normalise(data.images), list(start.mask.keep)
    weights = {name: tensor.clone() for name, tensor in start.state.weights.parameters.items()}
    buffers = {name: tensor.clone() for name, tensor in start.state.weights.buffers.items()}

    def gradient(at):
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in at.items()}
        state = {**leaves, **{name: tensor.clone() for name, tensor in buffers.items()}}
        loss = cross_entropy(functional_call(network.train(), state, (inputs,)), data.labels)
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    def projected(tensors):
        flat = torch.cat([tensors[name].reshape(-1) for name in names])
        threshold = flat.abs().sort(descending=True).values[start.num_kept - 1]
        return {name: tensors[name] * (tensors[name].abs() >= threshold) for name in names}

    z, u = projected(weights), {name: torch.zeros_like(weights[name]) for name in names}
    velocity = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    for step in range(32):
        g = gradient(weights)
        norm = torch.sqrt(sum((each**2).sum() for each in g.values()))
        g = gradient({name: weights[name] + 0.1 * g[name] / norm for name in g})
        pull = 1e-3 * 78_200 / 32 / 2 * (1 - math.cos(math.pi * step / 32))
        for name in names:
            g[name] = g[name] + pull * (weights[name] - z[name] + u[name])
        for name in weights:
            velocity[name] = 0.9 * velocity[name] + g[name] + 1e-3 * weights[name]
            weights[name] = weights[name] - (0.1 if step < 20 else 0.01) * velocity[name]
        if (step + 1) % 2 == 0 and step + 1 < 32:
            z = projected({name: weights[name] + u[name] for name in names})
            u = {name: weights[name] + u[name] - z[name] for name in names}
    final = {**weights, **projected(weights)}
    for name, tensor in ours.final.parameters.items():
        torch.testing.assert_close(tensor, final[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", MOVING)
def test_a_solution_whose_mask_moved_is_read_as_it_was_written(kind, tmp_path):
    given = ingredients(LEVEL)
    start = start_sparse(kind, given)
    solution = run_start(start, given.setting, Place(kind, LEVEL), dense_solution().rewind)
    write_solution(tmp_path, solution)
    read = read_solution(tmp_path)
    assert same_mask(read.mask, solution.mask)
    assert_same_weights(read.initial, start.state.weights)
    assert_same_weights(read.final, solution.final)
    assert read.mask_moved
    assert first_step(read) == 0


@pytest.mark.parametrize("kind", MOVING)
def test_a_method_with_a_mask_that_moves_leaves_its_caller_alone(kind):
    given = ingredients(LEVEL)
    initial = copy.deepcopy(given.dense.initial)
    run(start_sparse(kind, given))
    assert_same_weights(given.dense.initial, initial)


def own(name: str) -> Start:
    return start_sparse("own_method", replace(ingredients(LEVEL), setting=tiny_setting(own_method=name)))


def test_a_method_of_the_users_own_may_move_its_mask():
    start = own("examples.own_method:pruned_half_way")
    keeper = Keeper()
    training = run(start, keeper=keeper)
    assert [progress.moved.mask.num_kept for progress in keeper.kept] == [225] * 9 + [start.num_kept] * 11
    check_end(start, training.mask, Place("own_method", LEVEL))


def test_a_mask_of_the_users_own_that_ends_with_another_number_of_weights_is_refused():
    start = own("own_methods:moving_too_far")
    with pytest.raises(InputError, match="moved to 225 weights, and was to end with 110; prune it to that"):
        check_end(start, run(start).mask, Place("own_method", LEVEL))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("moving_to_nothing", "a movement returned Mask; expected an lth.training.moving.Moved"),
        ("moving_another_layer", r"returned a mask whose conv2.weight is None; expected \(3, 4, 3, 3\)"),
        ("moving_badly", r"own_method=own_methods:moving_badly fails after step 3: KeyError: 'absent'.*own_me"),
    ],
)
def test_a_movement_of_the_users_own_that_fails_is_told_what_to_do(function, told):
    with pytest.raises(InputError, match=told):
        run(own(f"own_methods:{function}"))
