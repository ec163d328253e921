import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from own_training import by_layer, dividing_by_nothing, factored, keeping_a_list, mixing, no_optimiser
from problems import (
    SPEC,
    assert_same_state,
    assert_same_weights,
    procedure,
    random_mask,
    tiny_setting,
    training_data,
)
from torch import nn

from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.training.optimiser import MaskedOptimiser, Recipe
from lth.training.schedule import resolve_schedule
from lth.training.train import Training, TrainingState, train

OURS, NETWORK = build_network(SPEC, 0), build_network(replace(SPEC, name="lenet-8"), 0)
SCHEDULE = resolve_schedule(tiny_setting(milestones="none").training, 40)

RECIPES = {
    "sgd": Recipe(),
    "nesterov": Recipe(nesterov=True),
    "adamw": Recipe("adamw"),
    "clipped": Recipe("adamw", betas=(0.8, 0.9), grad_clip=0.01),
    **{
        f.__name__: Recipe(f"own_training:{f.__name__}")
        for f in (mixing, dividing_by_nothing, factored, by_layer)
    },
}


def run(
    recipe: Recipe, start: TrainingState, mask: Mask, network: nn.Module = NETWORK, **options: object
) -> Training:
    lr = 0.05 if recipe.optimizer == "sgd" else 1e-3
    schedule = replace(SCHEDULE, recipe=recipe, lr=lr, weight_decay=0.1, num_iterations=10)  # 5 an epoch
    return train(network, start, mask, training_data(), schedule, procedure(), **options)


def dense_start(network: nn.Module = NETWORK) -> TrainingState:
    return TrainingState(Weights.of(network), {}, 0)


def assert_zero_where_pruned(state: TrainingState, mask: Mask) -> None:
    tensors = {**{f"momentum/{name}": t for name, t in state.momentum.items()}, **state.held}
    for name, kept in mask.keep.items():
        assert not state.weights.parameters[name][~kept].any(), name
        for key, tensor in tensors.items():
            if key.endswith(f"/{name}") and tensor.shape == kept.shape:
                assert not tensor[~kept].any(), key


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("step", [4, 9])
def test_pruned_weights_and_all_that_is_held_of_them_are_exactly_zero_under_every_optimiser(recipe, step):
    network = NETWORK if recipe.is_own else OURS  # whose updates are fused
    mask = random_mask(network, 0.4)
    wk = run(recipe, dense_start(network), Mask.dense(network), network, capture_at=3).captured
    captured = run(recipe, wk.masked(mask), mask, network, capture_at=step).captured
    assert_zero_where_pruned(captured, mask)


class Keeper:
    """Keeps the progress after a step."""

    def __init__(self, step: int) -> None:
        self.left, self.kept = step, None

    def is_due(self) -> bool:
        self.left -= 1
        return self.left == 0

    def keep(self, progress: object) -> None:
        self.kept = progress


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_training_goes_on_from_a_file_to_the_same_bits_under_every_optimiser(recipe):
    mask, keeper = Mask.dense(NETWORK), Keeper(3)
    through = run(recipe, dense_start(), mask, keeper=keeper, capture_at=7)
    kept = read_progress(*write_progress(KeptProgress(keeper.kept, "key", "here", 0.0, {}))).progress
    assert_same_state(kept.state, keeper.kept.state)
    on = run(recipe, dense_start(), mask, resumed=kept, capture_at=7)
    assert_same_weights(on.final, through.final)
    assert_same_state(on.captured, through.captured)


@pytest.mark.parametrize("name", ["nesterov", "adamw", "mixing", "factored", "by_layer"])
def test_rewinding_takes_all_that_an_optimiser_holds_with_it(name):
    recipe, mask = RECIPES[name], Mask.dense(NETWORK)
    whole = run(recipe, dense_start(), mask, capture_at=3)
    assert_same_weights(run(recipe, whole.captured, mask).final, whole.final)
    fresh = TrainingState(whole.captured.weights, {}, 3)
    assert any(
        bool((tensor != whole.final.parameters[parameter]).any())
        for parameter, tensor in run(recipe, fresh, mask).final.parameters.items()
    )


def one_step(recipe: Recipe, gradient: float, **given: float) -> float:
    weight = nn.Parameter(torch.tensor([2.0]))
    optimiser = MaskedOptimiser(
        {"w": weight},
        Mask({}),
        recipe,
        given.get("lr", 0.1),
        given.get("momentum", 0.0),
        given.get("decay", 0.0),
    )
    weight.grad = torch.tensor([gradient])
    optimiser.step()
    return float(weight.detach())


@pytest.mark.parametrize(
    ("recipe", "given", "expected"),
    [
        (Recipe(), {}, 2 - 0.1 * 3),
        (Recipe(), {"decay": 0.5}, 2 - 0.1 * (3 + 0.5 * 2)),
        (Recipe(nesterov=True), {"momentum": 0.9}, 2 - 0.1 * (3 + 0.9 * 3)),
        (Recipe("adamw"), {}, 2 - 0.1),  # the first step of Adam is the sign
        (Recipe("adamw"), {"decay": 0.5}, 2 * (1 - 0.1 * 0.5) - 0.1),  # decoupled
        (Recipe(grad_clip=0.5), {}, 2 - 0.1 * 0.5),
        (Recipe(grad_clip=5.0), {}, 2 - 0.1 * 3),
    ],
)
def test_a_step_is_that_of_its_definition(recipe, given, expected):
    assert one_step(recipe, 3.0, **given) == pytest.approx(expected, rel=1e-5)


def test_gradients_of_pruned_weights_do_not_count_in_the_norm_that_is_clipped():
    weight = nn.Parameter(torch.tensor([1.0, 0.0]))
    mask = Mask({"w": torch.tensor([True, False])})
    optimiser = MaskedOptimiser({"w": weight}, mask, Recipe(grad_clip=1.0), 1.0, 0.0, 0.0)
    weight.grad = torch.tensor([1.0, 1000.0])
    optimiser.step()
    assert weight.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_the_learning_rates_of_an_own_optimiser_follow_the_schedule_in_their_proportions():
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    recipe = Recipe("own_training:two_rates")
    optimiser = MaskedOptimiser({"a": a, "b": b}, Mask({}), recipe, 0.5, 0.0, 0.0)
    optimiser.set_lr(0.5)
    a.grad, b.grad = torch.ones(1), torch.ones(1)
    optimiser.step()
    assert (float(a.detach()), float(b.detach())) == pytest.approx((-0.05, -0.5))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (keeping_a_list, "holds past, a list, which can't be rewound"),
        (no_optimiser, "returned str; expected a torch.optim.Optimizer"),
    ],
)
def test_what_is_no_optimiser_that_can_be_rewound_is_refused(made: Callable, message):
    recipe = Recipe(f"own_training:{made.__name__}")
    with pytest.raises(ValueError, match=message):
        run(recipe, dense_start(), Mask.dense(NETWORK), capture_at=1)


def lr_curve(**overrides: str) -> list[float]:
    schedule = resolve_schedule(tiny_setting(lr="1.0", milestones="none", **overrides).training, 40)
    return [schedule.lr_at(step) for step in range(20)]


def test_every_shape_of_a_schedule_is_that_of_its_formula():
    assert lr_curve(schedule="constant") == [1.0] * 20
    assert lr_curve(schedule="linear") == pytest.approx([1 - step / 20 for step in range(20)])
    assert lr_curve(schedule="cosine") == pytest.approx(
        [(1 + math.cos(math.pi * s / 20)) / 2 for s in range(20)]
    )
    warm = lr_curve(schedule="linear", warmup="1ep")
    assert warm == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, *[1 - step / 15 for step in range(15)]])
    assert lr_curve(schedule="constant", warmup="10%")[:3] == [0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"warmup": "4ep"}, "warmup=4ep is 20 steps, but training ends at step 20"),
        ({"nesterov": "on", "momentum": "0"}, "nesterov=on is of optimizer=sgd with momentum"),
        ({"nesterov": "on", "optimizer": "adamw"}, "nesterov=on is of optimizer=sgd with momentum"),
        (
            {"optimizer": "adam"},
            "optimizer='adam' is unknown; choose one of sgd, adamw or package.module:function",
        ),
        ({"betas": "0.9"}, "expected two numbers"),
        ({"betas": "0.9,1"}, "betas=.* is out of range"),
        ({"grad_clip": "0"}, "grad_clip=0.* expected a positive number, or none"),
    ],
)
def test_an_optimiser_or_schedule_that_does_not_fit_is_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        resolve_schedule(tiny_setting(**overrides).training, 40)


def test_fine_tuning_after_a_schedule_that_falls_to_zero_has_a_hundredth_of_its_rate():
    for shape in ("cosine", "linear"):
        assert resolve_schedule(tiny_setting(schedule=shape, lr="0.5").training, 40).last_lr == 0.005
