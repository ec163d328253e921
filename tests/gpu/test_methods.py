"""Masks that scores decide: the same twice on a GPU, as a training that goes on makes its own anew."""

from dataclasses import replace

import pytest
import torch
from gpu_problem import GPU
from problems import ingredients, same_mask

from lth.solution.recipe import start_sparse
from lth.training.determinism import fix_workspaces

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("kind", ["snip", "grasp", "synflow"])
def test_a_mask_made_of_scores_is_the_same_twice_and_the_callers_network_stays_where_it_was(kind):
    fix_workspaces([GPU])
    given = ingredients()
    there = replace(given, examples=given.examples.to(GPU))
    first, second = (start_sparse(kind, there) for _ in range(2))
    assert same_mask(first.mask, second.mask)
    assert next(given.network.parameters()).device == torch.device("cpu")
