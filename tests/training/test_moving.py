"""Masks that move between the steps of a training, whatever moves them."""

from dataclasses import replace

import pytest
import torch
from gpu_problem import CPU, Run, digest_of, examples
from kept_steps import Keeper
from recorded import graphs_on_a_cpu

from lth.network import build_network
from lth.network.grow import grow_highest
from lth.network.mask import Mask
from lth.network.prune import prune_smallest
from lth.network.weights import Weights
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.training.batchnorm import StatisticsEstimator
from lth.training.moving import Moved, Movement, Now
from lth.training.optimiser import Recipe
from lth.training.train import Progress, Training

RUN = Run(schedule=replace(Run().schedule, num_iterations=8, milestones=()))


def swapped(now: Now) -> Moved:
    """Let the smallest tenth go, and as many come back: by gradient if there are any, else the last ones."""
    count = now.mask.num_kept // 10
    left = prune_smallest(Weights(now.weights, {}), now.mask, count)
    scores = now.gradients or {name: torch.arange(w.numel()).view_as(w) for name, w in now.weights.items()}
    grown = grow_highest({name: score.abs().float() for name, score in scores.items()}, left, count)
    return Moved(grown, held={"count": torch.tensor(now.step)}, towards={"fc.weight": now.weights["fc.weight"]})


MOVEMENTS = {
    "between": Movement(lambda step: step % 4 == 2, swapped),
    "by gradient": Movement(lambda step: step % 4 == 0, swapped, by_gradient=True),
    "pulled": Movement(lambda step: step == 5, swapped, pull=lambda step: 0.01 * step),
    "forgetful": Movement(lambda step: step == 5, lambda now: replace(swapped(now), forget=True)),
    "restated": Movement(lambda step: step == 8, swapped, restate=True),
}
RECIPES = {
    "sgd": Recipe(),
    "adamw": Recipe("adamw"),
    "sharp": Recipe(sam_rho=0.05),
    "own": Recipe("own_training:mixing"),
}
PAIRS = [
    *((movement, "sgd") for movement in MOVEMENTS),
    ("between", "own"),
    ("by gradient", "adamw"),
    ("pulled", "sharp"),
    ("forgetful", "adamw"),
    ("forgetful", "own"),
]


def trained(movement: str, recipe: str, **options: object) -> Training:
    run = replace(RUN, schedule=replace(RUN.schedule, recipe=RECIPES[recipe]))
    return run.train(CPU, movement=MOVEMENTS[movement], **options)


def zero_where_pruned(progress: Progress) -> bool:
    keep, found = progress.moved.mask.keep, []
    for name, kept in keep.items():
        held = [value for key, value in progress.state.held.items() if key.endswith(f"/{name}")]
        tensors = [progress.state.weights.parameters[name], progress.state.momentum.get(name), *held]
        found += [tensor[~kept] for tensor in tensors if tensor is not None and tensor.shape == kept.shape]
    return not any(bool(tensor.any()) for tensor in found)


@pytest.mark.parametrize(("movement", "recipe"), PAIRS)
def test_a_training_whose_mask_moves_is_zero_where_pruned_and_goes_on_to_the_same_bits(movement, recipe):
    keeper = Keeper()
    whole = trained(movement, recipe, keeper=keeper)
    assert all(map(zero_where_pruned, keeper.kept))
    again = trained(movement, recipe, resumed=keeper.kept[5])
    assert digest_of(again.final) == digest_of(whole.final)
    assert torch.equal(again.mask.flat(), whole.mask.flat())


@pytest.mark.parametrize(("movement", "recipe"), [pair for pair in PAIRS if pair[1] != "own"])
def test_a_captured_step_reads_the_mask_where_it_was_moved_to(movement, recipe, monkeypatch):
    plain = trained(movement, recipe)
    graphs_on_a_cpu(monkeypatch)
    keeper = Keeper()
    captured = trained(movement, recipe, keeper=keeper)
    assert all(map(zero_where_pruned, keeper.kept))
    assert torch.equal(captured.mask.flat(), plain.mask.flat())
    for name, tensor in plain.final.parameters.items():
        torch.testing.assert_close(captured.final.parameters[name], tensor, rtol=0, atol=1e-3)


def test_a_mask_that_is_moved_to_where_it_is_changes_no_bit():
    still = Movement(lambda step: True, lambda now: Moved(now.mask))
    assert digest_of(RUN.train(CPU, movement=still).final) == digest_of(RUN.train(CPU).final)


def test_a_batch_whose_gradient_is_wanted_updates_no_weight_and_is_counted_as_a_step():
    keeper = Keeper()
    spent = Movement(lambda step: True, lambda now: Moved(now.mask), by_gradient=True)
    final = RUN.train(CPU, movement=spent, keeper=keeper).final
    start = RUN.train(CPU, movement=spent, resumed=keeper.kept[-1]).final
    assert [progress.state.step for progress in keeper.kept] == list(range(1, 9))
    for progress in keeper.kept:
        for name, tensor in progress.state.weights.parameters.items():
            assert torch.equal(tensor, final.parameters[name])
    assert digest_of(start) == digest_of(final)


def test_statistics_are_estimated_anew_of_the_final_weights():
    final = RUN.train(CPU, movement=MOVEMENTS["restated"]).final
    again = StatisticsEstimator(build_network(RUN.spec, 0), examples(CPU).train, seed=0)(final)
    assert digest_of(again) == digest_of(final)
    as_trained = RUN.train(CPU, movement=replace(MOVEMENTS["restated"], restate=False)).final
    assert digest_of(Weights(as_trained.parameters, {})) == digest_of(Weights(final.parameters, {}))
    assert digest_of(as_trained) != digest_of(final)


def test_progress_of_a_mask_that_stays_holds_nothing_of_it():
    keeper = Keeper()
    RUN.train(CPU, keeper=keeper)
    assert all(progress.moved is None for progress in keeper.kept)


def test_a_mask_that_moves_comes_back_from_a_file_in_the_same_order():
    keeper = Keeper()
    RUN.train(CPU, keeper=keeper)
    mask = Mask({"z": torch.tensor([True, False]), "a": torch.tensor([[False], [True]])}, frozenset({"b"}))
    moved = Moved(mask, held={"u/z": torch.tensor([0.1, -0.0])}, towards={"a": torch.tensor([[1e-45], [3.0]])})
    kept = KeptProgress(replace(keeper.kept[0], moved=moved), "key", "environment", 0.0, {})
    read = read_progress(*write_progress(kept)).progress.moved
    assert list(read.mask.keep) == ["z", "a"]
    assert torch.equal(read.mask.flat(), mask.flat())
    assert read.mask.frozen == {"b"}
    for ours, theirs in ((read.held, moved.held), (read.towards, moved.towards)):
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[name].view(torch.int32), theirs[name].view(torch.int32)) for name in ours)
