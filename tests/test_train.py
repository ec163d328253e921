import copy
import re

import numpy as np
import pytest
import torch
from problems import (
    SPEC,
    assert_same_weights,
    dense_solution,
    dropout_network,
    procedure,
    random_mask,
    tiny_setting,
    training_data,
)
from torch.nn.functional import cross_entropy

from lth.data import TrainingData
from lth.evaluate import Evaluator
from lth.mask import Mask
from lth.network import build_network
from lth.schedule import Schedule, resolve_schedule
from lth.train import (
    Procedure,
    Training,
    TrainingDivergedError,
    TrainingState,
    snapshot_epochs,
    train,
)
from lth.weights import Weights

NETWORK = build_network(SPEC, 0)
SCHEDULE = resolve_schedule(tiny_setting().training, 40)  # 20 steps, 5 an epoch, decay at step 15


def masked_start(density: float = 0.4) -> tuple[TrainingState, Mask]:
    """Return wk of the shared study under a random mask, with its momentum, at step 7."""
    mask = random_mask(NETWORK, density)
    return dense_solution().rewind.masked(mask), mask


def run(start: TrainingState, mask: Mask, **options: object) -> Training:
    return train(NETWORK, start, mask, training_data(), SCHEDULE, procedure(), **options)


def assert_zero_where_pruned(state: TrainingState, mask: Mask) -> None:
    for name, kept in mask.keep.items():
        assert not state.weights.parameters[name][~kept].any(), name
        assert not state.momentum[name][~kept].any(), name


@pytest.mark.parametrize("step", [8, 9, 10, 14, 15, 16, 19])
def test_pruned_weights_and_their_momentum_are_exactly_zero_after_every_step(step):
    start, mask = masked_start()
    captured = run(start, mask, capture_at=step).captured
    assert captured is not None
    assert captured.step == step
    assert_zero_where_pruned(captured, mask)


def test_kept_weights_of_every_layer_move_while_pruned_ones_end_at_zero():
    start, mask = masked_start()
    final = run(start, mask).final
    for name, kept in mask.keep.items():
        assert not final.parameters[name][~kept].any()
        assert (final.parameters[name] != start.weights.parameters[name])[kept].all()


def test_pruned_weights_stay_zero_in_bf16():
    start, mask = masked_start()
    bf16 = Procedure(augmentation="none", precision="bf16", seed=0)
    final = train(NETWORK, start, mask, training_data(), SCHEDULE, bf16).final
    for name, kept in mask.keep.items():
        assert not final.parameters[name][~kept].any()
        assert final.parameters[name].dtype == torch.float32


def test_rewound_state_is_bit_equal_to_wk_where_kept_and_zero_elsewhere():
    wk = dense_solution().rewind
    rewound, mask = masked_start()
    assert rewound.step == wk.step == 7
    for ours, theirs in ((rewound.weights.parameters, wk.weights.parameters), (rewound.momentum, wk.momentum)):
        assert list(ours) == list(theirs)
        for name, tensor in ours.items():
            kept = mask.keep.get(name, torch.ones_like(tensor, dtype=torch.bool))
            assert torch.equal(tensor, torch.where(kept, theirs[name], 0.0)), name
    for name, buffer in rewound.weights.buffers.items():
        assert torch.equal(buffer, wk.weights.buffers[name])


def test_training_on_from_the_rewind_point_with_the_dense_mask_retraces_the_dense_run():
    dense = dense_solution()
    again = run(dense.rewind, dense.mask)
    assert_same_weights(again.final, dense.final)
    assert again.history == dense.history[2:]  # it starts within epoch 1


def test_capturing_changes_nothing():
    start, mask = masked_start()
    assert_same_weights(run(start, mask, capture_at=9).final, run(start, mask).final)


def test_capture_at_the_start_returns_the_start():
    start, mask = masked_start()
    captured = run(start, mask, capture_at=start.step).captured
    assert captured is not None
    assert_same_weights(captured.weights, start.weights)
    for name, momentum in start.momentum.items():
        assert torch.equal(captured.momentum[name], momentum)


def test_same_arguments_give_the_same_bits_and_another_seed_does_not():
    start, mask = masked_start()
    first, second = run(start, mask), run(start, mask)
    assert_same_weights(first.final, second.final)
    assert first.history == second.history
    other = train(NETWORK, start, mask, training_data(), SCHEDULE, procedure(seed=1)).final
    assert not torch.equal(other.parameters["fc.weight"], first.final.parameters["fc.weight"])


def test_same_arguments_give_the_same_bits_for_a_network_that_draws_numbers():
    data = training_data()
    network = dropout_network(SPEC.input_shape, SPEC.num_classes)
    start = TrainingState(Weights.of(network), {}, 0)
    mask = Mask.dense(network)
    first, second = (train(network, start, mask, data, SCHEDULE, procedure()).final for _ in range(2))
    assert_same_weights(first, second)


def test_steps_agree_with_a_plain_sgd_loop_that_multiplies_weights_by_the_mask():
    """Another implementation: whole-set batches, the mask applied to the weights and not to the gradients."""
    data = training_data()
    start, mask = masked_start()
    start = TrainingState(start.weights, {}, 0)
    schedule = Schedule(40, 1, 6, lr=0.1, momentum=0.9, weight_decay=1e-2, milestones=(2, 4))
    plain = Procedure(augmentation="none", precision="fp32", seed=0)
    ours = train(NETWORK, start, mask, data, schedule, plain).final

    network = copy.deepcopy(NETWORK)
    start.weights.load_into(network)
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    inputs = (data.train.images.float() - data.train.mean) / data.train.std
    for lr in (0.1, 0.1, 0.01, 0.01, 0.001, 0.001):
        optimiser.param_groups[0]["lr"] = lr
        optimiser.zero_grad()
        cross_entropy(network(inputs), data.train.labels).backward()
        optimiser.step()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in mask.keep:
                    parameter *= mask.keep[name]
    theirs = Weights.of(network)
    # Six float32 steps that sum the 40 examples in another order: some ulps of values of order one.
    for name, tensor in ours.parameters.items():
        torch.testing.assert_close(tensor, theirs.parameters[name], rtol=1e-4, atol=1e-5)
    for name, buffer in ours.buffers.items():
        torch.testing.assert_close(buffer, theirs.buffers[name], rtol=1e-4, atol=1e-5)


def test_every_example_is_seen_once_an_epoch():
    """With lr tiny and BatchNorm's counter as witness: 20 steps are 20 batches, no more."""
    final = run(TrainingState(Weights.of(NETWORK), {}, 0), Mask.dense(NETWORK)).final
    assert int(final.buffers["bn1.num_batches_tracked"]) == SCHEDULE.num_iterations


def test_training_leaves_the_callers_network_gradients_mode_start_and_random_state_alone():
    start, mask = masked_start()
    network = copy.deepcopy(NETWORK).train()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    before, start_before = Weights.of(network), start.weights.map(torch.clone)
    momentum_before = {name: tensor.clone() for name, tensor in start.momentum.items()}
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(network, start, mask, training_data(), SCHEDULE, procedure())
    assert network.training
    assert_same_weights(Weights.of(network), before)
    assert_same_weights(start.weights, start_before)
    assert all((parameter.grad == 3).all() for parameter in network.parameters())
    assert all(torch.equal(tensor, momentum_before[name]) for name, tensor in start.momentum.items())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_a_loss_that_is_not_finite_raises_and_names_step_and_learning_rate():
    schedule = Schedule(8, 5, 20, lr=1e30, momentum=0.9, weight_decay=0.0, milestones=())
    start = TrainingState(Weights.of(NETWORK), {}, 0)
    network_before = Weights.of(NETWORK)
    with pytest.raises(TrainingDivergedError, match=r"by step 5 \(lr 1e\+30\).*lower lr"):
        train(NETWORK, start, Mask.dense(NETWORK), training_data(), schedule, procedure())
    assert_same_weights(Weights.of(NETWORK), network_before)


def test_a_start_that_is_not_zero_where_pruned_raises_and_names_the_parameter():
    _, mask = masked_start()
    with pytest.raises(ValueError, match=re.escape("conv1.weight")):
        run(dense_solution().rewind, mask)


def test_a_start_whose_momentum_is_not_zero_where_pruned_never_moves_a_pruned_weight():
    start, mask = masked_start()
    unmasked = TrainingState(start.weights, dense_solution().rewind.momentum, start.step)
    try:
        final = run(unmasked, mask).final
    except ValueError:
        return  # refusing such a start would do as well
    for name, kept in mask.keep.items():
        assert not final.parameters[name][~kept].any(), name


@pytest.mark.parametrize("step", [20, 21])
def test_a_start_at_or_after_the_end_raises(step):
    start = TrainingState(Weights.of(NETWORK), {}, step)
    with pytest.raises(ValueError, match=f"starts at step {step}, but ends at step 20"):
        run(start, Mask.dense(NETWORK))


def test_history_evaluates_each_epochs_weights_without_augmentation():
    start, mask = masked_start()
    data, seen = training_data(), []
    training = run(start, mask, on_epoch=lambda record, weights: seen.append((record, weights)))
    assert [record.epoch for record, _ in seen] == [2, 3, 4]  # a start within epoch 1 ends no epoch
    assert tuple(record for record, _ in seen) == training.history
    for record, weights in seen:
        assert record.train == Evaluator(NETWORK, data.train)(weights)
        assert record.test == Evaluator(NETWORK, data.test)(weights)
    assert_same_weights(seen[-1][1], training.final)


def test_a_start_at_the_end_of_an_epoch_is_recorded_as_that_epochs():
    start, mask = masked_start()
    aligned, seen = TrainingState(start.weights, start.momentum, 5), []
    run(aligned, mask, on_epoch=lambda record, weights: seen.append((record.epoch, weights)))
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4]
    assert_same_weights(seen[0][1], start.weights)


def test_weights_handed_to_on_epoch_are_copies():
    start, mask = masked_start()

    def spoil(_record, weights):
        for tensor in weights.parameters.values():
            tensor.fill_(7)

    assert_same_weights(run(start, mask, on_epoch=spoil).final, run(start, mask).final)


def test_a_last_ragged_batch_is_trained_on_too():
    data = training_data(num_train=42)
    schedule = resolve_schedule(tiny_setting().training, 42)
    assert schedule.iterations_per_epoch == 6
    start = TrainingState(Weights.of(NETWORK), {}, 0)
    final = train(NETWORK, start, Mask.dense(NETWORK), data, schedule, procedure()).final
    assert int(final.buffers["bn1.num_batches_tracked"]) == 24


@pytest.mark.parametrize(
    ("snapshots", "num_epochs", "expected"),
    [
        ("none", 10, set()),
        ("every", 3, {1, 2, 3}),
        ("log", 1, {1}),
        ("log", 8, {1, 2, 4, 8}),
        ("log", 10, {1, 2, 4, 8, 10}),
        ("log", 160, {1, 2, 4, 8, 16, 32, 64, 128, 160}),
    ],
)
def test_snapshots_are_kept_after_these_epochs(snapshots, num_epochs, expected):
    assert snapshot_epochs(snapshots, num_epochs) == expected


def test_training_data_is_not_changed():
    data = training_data()
    images = data.train.images.clone()
    start, mask = masked_start()
    train(NETWORK, start, mask, data, SCHEDULE, procedure())
    assert isinstance(data, TrainingData)
    assert torch.equal(data.train.images, images)
