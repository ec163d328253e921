"""Frozen parameters are no coordinates: they are not pruned, do not move, and no measure moves along them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from problems import (
    CPU,
    NUM_CLASSES,
    SPEC,
    assert_same_weights,
    dense_hessian,
    dense_solution,
    procedure,
    random_examples,
    random_state,
    tiny_setting,
    training_data,
)
from tiny_problem import images, make_problem
from torch import Tensor, nn

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.radius import random_directions
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.prune import prune_next_larger, prune_random, prune_smallest
from lth.network.resnet import CifarResNet
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import check_level, set_up
from lth.training.schedule import resolve_schedule
from lth.training.train import TrainingState, train

DOUBLE = torch.float64
EXAMPLES = random_examples(10)
SCHEDULE = resolve_schedule(tiny_setting().training, 40)
FROZEN = ["conv1", "bn2", "fc"]


def with_frozen(layer: str) -> nn.Module:
    network = build_network(SPEC, 3)
    network.get_submodule(layer).requires_grad_(False)
    return network


@cache
def hessian_of_everything() -> Tensor:
    """Return the Hessian over every parameter at the point that the networks of one seed are measured at."""
    return dense_hessian(random_state(Weights.of(build_network(SPEC, 3))), EXAMPLES)


def ours_with_frozen() -> nn.Module:
    torch.manual_seed(0)
    network = CifarResNet(8, 4, 1, NUM_CLASSES).eval()
    network.conv.requires_grad_(False)
    network.blocks[0].bn1.requires_grad_(False)
    return network


NETWORKS = {layer: with_frozen(layer) for layer in FROZEN} | {"of ours": ours_with_frozen()}


@pytest.mark.parametrize("layer", FROZEN)
def test_the_hessian_is_that_of_the_parameters_that_move(layer):
    network = with_frozen(layer)
    point = random_state(Weights.of(network))
    space = LevelSpace(Mask.dense(network), point)
    moves = torch.cat([torch.full((p.numel(),), p.requires_grad) for p in network.parameters()])
    operator = HessianOperator(network, point, space, EXAMPLES, dtype=DOUBLE)
    found = torch.stack([operator(unit) for unit in torch.eye(operator.dimension, dtype=DOUBLE)], dim=1)
    expected = hessian_of_everything()[moves][:, moves]
    assert operator.dimension == int(moves.sum()) < space.full_dimension
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-11)


def test_the_hessian_of_a_folded_network_is_the_block_of_what_moves():
    network = ours_with_frozen()
    whole = ours_with_frozen().requires_grad_(True)
    point = Weights.of(network)
    part, full = (LevelSpace(Mask.dense(each), point) for each in (network, whole))
    vector = torch.randn(part.dimension, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    found = HessianOperator(network, point, part, EXAMPLES, dtype=DOUBLE)(vector)
    product = HessianOperator(whole, point, full, EXAMPLES, dtype=DOUBLE)(full.restrict(part.embed(vector)))
    torch.testing.assert_close(found, part.restrict(full.embed(product)), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_space_that_has_frozen_coordinates_is_refused(name):
    network = NETWORKS[name]
    point = Weights.of(network)
    right = LevelSpace(Mask.dense(network), point)
    every = LevelSpace(Mask(Mask.dense(network).keep), point)
    with pytest.raises(InputError, match=r"is frozen in the network .* make the mask by"):
        HessianOperator(network, point, every, EXAMPLES)
    with pytest.raises(InputError, match=r"is frozen in the network .* make the mask by"):
        HessianOperator(network, point, right, EXAMPLES).in_space(every)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_moves_everything_but_the_frozen_parameters(name):
    network = NETWORKS[name]
    start = TrainingState(Weights.of(network), {}, 0)
    found = train(network, start, Mask.dense(network), training_data(), SCHEDULE, procedure(), capture_at=3)
    frozen = Mask.dense(network).frozen
    for key, before in start.weights.parameters.items():
        assert torch.equal(found.final.parameters[key], before) == (key in frozen), key
    assert not frozen & found.captured.momentum.keys()


@pytest.mark.parametrize("norm", ["plain", "filter"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_direction_leads_along_a_frozen_parameter(name, norm):
    network = NETWORKS[name]
    point, mask = Weights.of(network), Mask.dense(network)
    space = LevelSpace(mask, point)
    for direction in random_directions(space, point, 2, norm, seed=0):
        assert direction.any()
        assert not any(space.unflatten(direction)[key].any() for key in mask.frozen)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_mask_pruned_further_keeps_what_is_frozen(name):
    mask, weights = Mask.dense(NETWORKS[name]), Weights.of(NETWORKS[name])
    assert mask.frozen
    for pruned in (
        prune_smallest(weights, mask, 5),
        prune_next_larger(weights, mask, 5),
        prune_random(mask, 5, torch.Generator().manual_seed(0)),
    ):
        assert pruned.frozen == mask.frozen
        assert LevelSpace(pruned, weights).dimension == LevelSpace(mask, weights).dimension - 5
        assert_same_weights(
            Weights({key: pruned.apply(weights).parameters[key] for key in mask.frozen}, {}),
            Weights({key: weights.parameters[key] for key in mask.frozen}, {}),
        )


def test_a_mask_of_a_frozen_parameter_is_refused():
    with pytest.raises(InputError, match="fc is frozen, so it can't be pruned"):
        Mask({"fc": torch.ones(2, dtype=torch.bool)}, frozenset({"fc"}))


def test_a_checkpoint_keeps_what_is_frozen_and_loading_it_what_the_network_says(tmp_path: Path):
    network = with_frozen("conv1")
    solution = replace(dense_solution(), mask=Mask.dense(network))
    write_solution(tmp_path, solution)
    read = read_solution(tmp_path)
    assert read.mask.frozen == {"conv1.weight"}
    flags = [parameter.requires_grad for parameter in network.parameters()]
    read.weights.load_into(network)
    assert [parameter.requires_grad for parameter in network.parameters()] == flags
    assert_same_weights(Weights.of(network), solution.final)


def test_a_checkpoint_of_a_network_without_frozen_parameters_says_nothing_of_them(tmp_path: Path):
    write_solution(tmp_path, dense_solution())
    assert "frozen" not in (tmp_path / "manifest.json").read_text()
    assert read_solution(tmp_path).mask.frozen == frozenset()


def test_a_key_tells_what_is_frozen_from_what_is_not(monkeypatch):
    name = "tiny_problem:partly_unused_network"
    frozen, again = make_problem(network=name), make_problem(network=name)
    monkeypatch.setattr("lth.solution.problem.coordinates_to_name", lambda _network: None)
    before = make_problem(network=name)
    assert frozen.keys.solution(Place.imp(0)) == again.keys.solution(Place.imp(0))
    assert frozen.keys.solution(Place.imp(0)) != before.keys.solution(Place.imp(0))
    assert frozen.keys.former is None
    assert before.keys.former is not None


def test_a_lineage_that_moved_what_is_frozen_now_is_refused():
    problem = make_problem(network="tiny_problem:partly_unused_network")
    dense = Mask.dense(problem.network)
    solution = replace(
        dense_solution(),
        spec=problem.keys.spec,
        data_digest=problem.images.digest,
        mask=Mask({**dense.keep, "frozen.weight": torch.ones(1, 1, 3, 3, dtype=torch.bool)}),
        rewind=replace(dense_solution().rewind, step=2),
    )
    with pytest.raises(InputError, match=r"another choice of what is prunable and frozen \(frozen.weight\)"):
        set_up(problem.setting, images(None), CPU, solution)


def test_a_level_has_no_more_dimensions_than_there_are_parameters_that_move():
    problem = make_problem(network="tiny_problem:partly_unused_network")
    moving = sum(p.numel() for p in problem.network.parameters() if p.requires_grad)
    check_level(problem, 0, k=moving)
    with pytest.raises(InputError, match=f"exceeds the {moving} dimensions"):
        check_level(problem, 0, k=moving + 1)


def test_density_is_said_of_all_parameters_too():
    network = with_frozen("fc")
    weights, mask = Weights.of(network), Mask.dense(network)
    pruned = prune_smallest(weights, mask, 36)
    assert pruned.density == 108 / 144
    assert pruned.density_of_all(weights) == (242 - 36) / 242
