"""Masks that scores decide or that move: the same twice on a GPU, as a training that goes on needs them."""

from dataclasses import replace

import pytest
import torch
from gpu_problem import GPU, Run, digest_of
from problems import ingredients, same_mask

from lth.network.grow import grow_highest
from lth.network.prune import prune_smallest
from lth.network.weights import Weights
from lth.solution.recipe import start_sparse
from lth.training.determinism import fix_workspaces
from lth.training.moving import Moved, Movement, Now

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("kind", ["snip", "grasp", "synflow"])
def test_a_mask_made_of_scores_is_the_same_twice_and_the_callers_network_stays_where_it_was(kind):
    fix_workspaces([GPU])
    given = ingredients()
    there = replace(given, examples=given.examples.to(GPU))
    first, second = (start_sparse(kind, there) for _ in range(2))
    assert same_mask(first.mask, second.mask)
    assert next(given.network.parameters()).device == torch.device("cpu")


def swapped(now: Now) -> Moved:
    count = now.mask.num_kept // 10
    left = prune_smallest(Weights(now.weights, {}), now.mask, count)
    scores = now.gradients or {name: torch.ones_like(weight) for name, weight in now.weights.items()}
    return Moved(grow_highest({name: score.abs() for name, score in scores.items()}, left, count))


@pytest.mark.parametrize("by_gradient", [True, False])
def test_a_captured_step_reads_the_mask_where_it_was_moved_to(by_gradient):
    fix_workspaces([GPU])
    movement = Movement(lambda step: step % 4 == 0, swapped, by_gradient=by_gradient)
    first, second = (Run().train(GPU, movement=movement) for _ in range(2))
    assert digest_of(first.final) == digest_of(second.final)
    assert same_mask(first.mask, second.mask)
    assert first.mask.num_kept == Run().mask.num_kept
    assert not same_mask(first.mask, Run().mask)
    for name, kept in first.mask.keep.items():
        assert not first.final.parameters[name].cpu()[~kept].any()
