import copy
import re
import signal
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from problems import (
    SPEC,
    assert_same_state,
    assert_same_weights,
    dense_solution,
    dropout_network,
    procedure,
    random_mask,
    tiny_setting,
    training_data,
)
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from lth.data import TrainingData
from lth.data.examples import sample
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.setting.amount import ALL, Amount
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.training.evaluate import Evaluator
from lth.training.optimiser import Recipe
from lth.training.schedule import Schedule, resolve_schedule
from lth.training.train import (
    EpochRecord,
    Procedure,
    Progress,
    Training,
    TrainingDivergedError,
    TrainingState,
    snapshot_epochs,
    train,
)

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


def test_the_bar_of_a_training_counts_epochs_and_shows_the_last_loss(monkeypatch):
    asked, texts = [], []

    def shown(epochs, label, **options):
        asked.append((label, options))
        bar = tqdm(epochs, disable=True)
        bar.set_postfix_str = lambda text, **_: texts.append(text)
        return bar

    start, mask = masked_start()
    monkeypatch.setattr("lth.training.train.progress", shown)
    last = run(start, mask, label="level 1").history[-1]
    assert asked == [("level 1", {"total": 4, "initial": 1, "unit": "epoch"})]
    assert texts[-1] == f"loss {last.train.loss:.3g}, test accuracy {last.test.accuracy:.1%}"


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


class LateLayer(nn.Module):
    """Uses its second layer from the fourth step on, so that its gradients come late."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(36, 3)
        self.late = nn.Linear(3, 3)
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        logits = self.fc(x.flatten(1))
        return self.late(logits) if self.steps > 3 else logits


def test_a_parameter_whose_gradients_come_late_moves_as_by_plain_sgd_and_the_training_can_be_gone_on_from():
    torch.manual_seed(0)
    network, data = LateLayer(), training_data()
    start, mask = TrainingState(Weights.of(network), {}, 0), Mask.dense(network)
    schedule = Schedule(40, 1, 6, lr=0.1, momentum=0.9, weight_decay=1e-2, milestones=())
    plain = Procedure(augmentation="none", precision="fp32", seed=0)
    keeper = FakeKeeper(range(1, 7))
    ours = train(network, start, mask, data, schedule, plain, keeper=keeper)
    for kept in keeper.kept:
        assert ("late.weight" in kept.state.momentum) == (kept.state.step > 3)
        again = train(network, start, mask, data, schedule, plain, resumed=kept)
        assert_same_weights(again.final, ours.final)
        assert again.history == ours.history

    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(6):
        optimiser.zero_grad()
        cross_entropy(network(data.train.normalise(data.train.images)), data.train.labels).backward()
        optimiser.step()
    for name, tensor in network.named_parameters():
        # Six float32 steps that sum the 40 examples in another order: some ulps of values of order one.
        torch.testing.assert_close(ours.final.parameters[name], tensor.detach(), rtol=1e-4, atol=1e-5)


@pytest.fixture(autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """Let SIGINT interrupt also where the tests run in the background, whose shell had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Problem:
    """A training that is to be interrupted: everything but the interruption."""

    network: nn.Module
    start: TrainingState
    mask: Mask
    procedure: Procedure
    capture_at: int
    seen: list[tuple[EpochRecord, Weights]]  # what on_epoch was given; a copy of the problem shares it

    def train(self, **options: object) -> Training:
        given = {"on_epoch": lambda record, weights: self.seen.append((record, weights)), **options}
        return train(
            self.network,
            self.start,
            self.mask,
            training_data(),
            SCHEDULE,
            self.procedure,
            capture_at=self.capture_at,
            **given,
        )


def problem(name: str) -> Problem:
    """Return a dense training in float32, a masked one from within an epoch in bf16, or one that draws."""
    if name == "dense":
        start = TrainingState(Weights.of(NETWORK), {}, 0)
        return Problem(NETWORK, start, Mask.dense(NETWORK), procedure(), 7, [])
    bf16 = Procedure("crop_flip", "bf16", 0, epoch_examples=Amount(16))
    if name == "masked bf16":
        return Problem(NETWORK, *masked_start(), bf16, 9, [])
    network = build_network(replace(SPEC, name="problems:dropout_network"), 0)
    return Problem(network, TrainingState(Weights.of(network), {}, 0), Mask.dense(network), bf16, 7, [])


@cache
def undisturbed(name: str) -> tuple[Training, list[tuple[EpochRecord, Weights]]]:
    """Return how the training of this name ends by itself, and what on_epoch is given on the way."""
    whole = problem(name)
    return whole.train(), whole.seen


class FakeKeeper:
    """Keeps progress as a file would, after the given steps; can interrupt when it is asked or keeps.

    Args:
        due: How many times it was asked, counted from 1, when it says yes.
        interrupt_at: The same, when it raises instead.
        while_keeping: Called by `keep` before it keeps.
    """

    def __init__(
        self,
        due: Collection[int] = (),
        interrupt_at: int | None = None,
        while_keeping: Callable[[], object] = lambda: None,
    ) -> None:
        self.asked = 0
        self.kept: list[Progress] = []
        self._due, self._interrupt_at, self._while_keeping = due, interrupt_at, while_keeping

    def is_due(self) -> bool:
        self.asked += 1
        if self.asked == self._interrupt_at:
            raise KeyboardInterrupt
        return self.asked in self._due

    def keep(self, progress: Progress) -> None:
        self._while_keeping()
        name, content = write_progress(KeptProgress(progress, "key", "environment", 0.0, {}))
        self.kept.append(read_progress(name, content).progress)

    @property
    def only(self) -> Progress:
        (progress,) = self.kept
        return progress


def interrupted(name: str, keeper: FakeKeeper, **options: object) -> tuple[Problem, Progress]:
    """Train until the interruption that the arguments bring about; what was seen until then, and kept."""
    first = problem(name)
    with pytest.raises(KeyboardInterrupt):
        first.train(keeper=keeper, **options)
    return first, keeper.only


def assert_ends_as_undisturbed(name: str, first: Problem, kept: Progress) -> None:
    """Go on from what was kept, and fail unless both parts have the bits of the undisturbed training."""
    whole, whole_seen = undisturbed(name)
    second = problem(name)
    training = second.train(resumed=kept)
    assert_same_weights(training.final, whole.final)
    assert_same_state(training.captured, whole.captured)
    assert training.history == whole.history
    assert whole.history[: len(kept.history)] == kept.history
    before, after = first.seen, second.seen
    if before and after and before[-1][0].epoch == after[0][0].epoch:  # the record at the cut may come twice
        assert before[-1][0] == after[0][0]
        assert_same_weights(before[-1][1], after[0][1])
        before = before[:-1]
    assert [record for record, _ in before + after] == [record for record, _ in whole_seen]
    for (_, ours), (_, theirs) in zip(before + after, whole_seen, strict=True):
        assert_same_weights(ours, theirs)


STEPS = [
    *(("dense", step) for step in range(1, 21)),
    *(("masked bf16", step) for step in range(8, 21)),
    *(("dropout bf16", step) for step in range(1, 21)),
]
EPOCHS = [("dense", epoch) for epoch in range(5)] + [("masked bf16", epoch) for epoch in (2, 3, 4)]


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_a_training_interrupted_after_any_step_goes_on_to_the_same_bits(name, step):
    asked = step - problem(name).start.step
    first, kept = interrupted(name, FakeKeeper(interrupt_at=asked))
    assert kept.state.step == step
    assert_ends_as_undisturbed(name, first, kept)


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_a_signal_within_any_step_takes_effect_after_it_and_the_training_goes_on_to_the_same_bits(name, step):
    before = problem(name)
    steps = before.start.step

    def interrupt(module: nn.Module, _inputs: object) -> None:
        nonlocal steps
        if module.training:
            steps += 1
            if steps == step:
                signal.raise_signal(signal.SIGINT)

    network = copy.deepcopy(before.network)
    network.register_forward_pre_hook(interrupt)
    keeper = FakeKeeper()
    with pytest.raises(KeyboardInterrupt):
        replace(before, network=network).train(keeper=keeper)
    assert keeper.only.state.step == step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_ends_as_undisturbed(name, before, keeper.only)


@pytest.mark.parametrize("name", ["dense", "masked bf16", "dropout bf16"])
def test_a_training_that_was_killed_goes_on_to_the_same_bits_from_whatever_it_kept_last(name):
    """As after SIGKILL: nothing is kept at the end, and what was seen since is seen again."""
    begun = problem(name)
    keeper = FakeKeeper(due=range(1, 21))
    begun.train(keeper=keeper)
    whole, whole_seen = undisturbed(name)
    assert [kept.state.step for kept in keeper.kept] == list(range(begun.start.step + 1, 21))
    for kept in keeper.kept:
        second = problem(name)
        training = second.train(resumed=kept)
        assert_same_weights(training.final, whole.final)
        assert_same_state(training.captured, whole.captured)
        assert training.history == whole.history
        records = [record for record, _ in whole_seen]
        assert [record for record, _ in second.seen] == records[len(kept.history) :]


@pytest.mark.parametrize(("name", "epoch"), EPOCHS)
def test_a_training_interrupted_by_on_epoch_goes_on_to_the_same_bits(name, epoch):
    for done in (False, True):  # before the record was taken notice of, or after
        seen: list[tuple[EpochRecord, Weights]] = []

        def interrupt(record, weights, seen=seen, done=done):
            if record.epoch < epoch or done:
                seen.append((record, weights))
            if record.epoch == epoch:
                raise KeyboardInterrupt

        first, kept = interrupted(name, FakeKeeper(), on_epoch=interrupt)
        first.seen.extend(seen)
        assert kept.state.step == 5 * epoch
        assert_ends_as_undisturbed(name, first, kept)


@pytest.mark.parametrize("evaluation", range(1, 11))
def test_a_training_interrupted_within_an_evaluation_goes_on_to_the_same_bits(evaluation, monkeypatch):
    begun, evaluate = 0, Evaluator.__call__

    def interrupt(self, weights):
        nonlocal begun
        begun += 1
        if begun == evaluation:
            raise KeyboardInterrupt
        return evaluate(self, weights)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "__call__", interrupt)
        first, kept = interrupted("dense", FakeKeeper())
    assert kept.state.step == 5 * ((evaluation - 1) // 2)  # two evaluations at the start and after each epoch
    assert_ends_as_undisturbed("dense", first, kept)


def test_a_training_interrupted_again_and_again_goes_on_to_the_same_bits():
    whole, _ = undisturbed("dropout bf16")
    kept, history = None, ()
    for asked in (1, 4, 1, 2, 7, 5):  # after the steps 1, 5, 6, 8, 15 and 20
        keeper = FakeKeeper(interrupt_at=asked)
        with pytest.raises(KeyboardInterrupt):
            problem("dropout bf16").train(resumed=kept, keeper=keeper)
        kept = keeper.only
        assert kept.history[: len(history)] == history
        history = kept.history
    assert kept.state.step == 20
    training = problem("dropout bf16").train(resumed=kept)
    assert_same_weights(training.final, whole.final)
    assert_same_state(training.captured, whole.captured)
    assert training.history == whole.history


def test_a_signal_while_progress_is_kept_takes_effect_when_it_is_kept_whole():
    keeper = FakeKeeper({6}, while_keeping=lambda: signals and signal.raise_signal(signals.pop()))
    signals = [signal.SIGINT]
    first = problem("dense")
    with pytest.raises(KeyboardInterrupt):
        first.train(keeper=keeper)
    assert [kept.state.step for kept in keeper.kept] == [6, 6]  # it was due, and then it was interrupted
    assert_ends_as_undisturbed("dense", first, keeper.kept[0])


def test_an_interrupted_training_without_a_keeper_is_interrupted():
    with pytest.raises(KeyboardInterrupt):
        problem("dense").train(on_epoch=lambda *_: signal.raise_signal(signal.SIGINT))


def test_going_on_changes_nothing_of_what_was_kept():
    _, kept = interrupted("dense", FakeKeeper(interrupt_at=8))
    copied = copy.deepcopy(kept)
    problem("dense").train(resumed=kept)
    assert_same_state(kept.state, copied.state)
    assert_same_state(kept.captured, copied.captured)
    assert kept.history == copied.history


@pytest.mark.parametrize("due", [(), (1,), (5, 6), (20,), range(1, 21)], ids=str)
def test_the_keeper_is_asked_after_every_step_and_given_progress_only_when_it_is_due(due):
    keeper = FakeKeeper(due)
    training = problem("dense").train(keeper=keeper)
    assert keeper.asked == 20
    assert [kept.state.step for kept in keeper.kept] == list(due)
    assert_same_weights(training.final, undisturbed("dense")[0].final)
    for kept in keeper.kept:
        assert (kept.captured is not None) == (kept.state.step > 7)
        assert [record.epoch for record in kept.history] == list(range((kept.state.step - 1) // 5 + 1))


def poisoned(step: int) -> nn.Module:
    """Return the network, whose logits become NaN in training at this step, counted from 1."""
    network, steps = copy.deepcopy(NETWORK), 0

    def poison(module: nn.Module, _inputs: object, logits: torch.Tensor) -> torch.Tensor | None:
        nonlocal steps
        steps += module.training
        return logits * float("nan") if module.training and steps == step else None

    network.register_forward_hook(poison)
    return network


@pytest.mark.parametrize("step", [1, 2, 5, 13, 20])
def test_progress_with_a_loss_that_is_not_finite_is_not_kept_when_due(step):
    start, keeper = TrainingState(Weights.of(NETWORK), {}, 0), FakeKeeper(range(1, 21))
    with pytest.raises(TrainingDivergedError, match=f"loss of a batch became nan by step {step} "):
        train(poisoned(step), start, Mask.dense(NETWORK), training_data(), SCHEDULE, procedure(), keeper=keeper)
    assert [kept.state.step for kept in keeper.kept] == list(range(1, step))


@pytest.mark.parametrize("later", [0, 1, 3])
def test_progress_with_a_loss_that_is_not_finite_is_not_kept_when_interrupted(later):
    start, keeper = TrainingState(Weights.of(NETWORK), {}, 0), FakeKeeper(interrupt_at=12 + later)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(poisoned(12), start, Mask.dense(NETWORK), training_data(), SCHEDULE, procedure(), keeper=keeper)
    assert isinstance(caught.value.__cause__, TrainingDivergedError)
    assert f"by step {12 + later} " in str(caught.value.__cause__)
    assert keeper.kept == []


@pytest.mark.parametrize("amount", [Amount(16), Amount(0.3), ALL], ids=str)
def test_records_are_over_the_drawn_examples_as_trained_and_the_last_over_everything_in_float32(amount):
    data, seen = training_data(), []
    bf16 = Procedure("none", "bf16", seed=3, epoch_examples=amount)
    start = TrainingState(Weights.of(NETWORK), {}, 0)
    train(
        NETWORK,
        start,
        Mask.dense(NETWORK),
        data,
        SCHEDULE,
        bf16,
        on_epoch=lambda record, weights: seen.append((record, weights)),
    )
    drawn = data.train.take(sample(40, amount, 3, "epoch_examples"))
    assert len(drawn) == amount.of(40)
    assert [record.epoch for record, _ in seen] == [0, 1, 2, 3, 4]
    for record, weights in seen[:-1]:
        assert record.train == Evaluator(NETWORK, drawn, precision="bf16")(weights)
        assert record.test == Evaluator(NETWORK, data.test, precision="bf16")(weights)
        assert record.test != Evaluator(NETWORK, data.test)(weights), "bf16 would not show"
    last, weights = seen[-1]
    assert last.train == Evaluator(NETWORK, data.train)(weights)
    assert last.test == Evaluator(NETWORK, data.test)(weights)


def test_how_many_examples_the_records_are_of_does_not_change_the_training():
    start, mask = masked_start()
    finals = [
        train(
            NETWORK,
            start,
            mask,
            training_data(),
            SCHEDULE,
            Procedure("crop_flip", "fp32", 0, epoch_examples=amount),
        ).final
        for amount in (Amount(1), ALL)
    ]
    assert_same_weights(*finals)


@pytest.mark.nightly
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_step_repeats_itself_agrees_with_the_plain_one_and_goes_on_to_the_same_bits(precision):
    data = training_data(num_train=42)  # a last batch of two, which is not compiled
    schedule = resolve_schedule(tiny_setting().training, 42)
    start, mask = TrainingState(Weights.of(NETWORK), {}, 0), random_mask(NETWORK, 0.4)
    start = start.masked(mask)

    def trained(compiled: bool, **options: object) -> Training:
        torch.compiler.reset()
        how = Procedure("crop_flip", precision, 0, compiled=compiled)
        with torch.compiler.config.patch(force_disable_caches=True):
            return train(NETWORK, start, mask, data, schedule, how, capture_at=6, **options)

    keeper = FakeKeeper(interrupt_at=13)
    first, second, plain = trained(True), trained(True), trained(False)
    with pytest.raises(KeyboardInterrupt):
        trained(True, keeper=keeper)
    resumed = trained(True, resumed=keeper.only)
    for again in (second, resumed):
        assert_same_weights(first.final, again.final)
        assert_same_state(first.captured, again.captured)
        assert first.history == again.history
    for name, kept in mask.keep.items():
        assert not first.final.parameters[name][~kept].any(), name
    # After an epoch of 6 steps of lr 0.05, whose gradients, of order one, momentum 0.9 sums about 15 times: ten
    # roundings of 2^-24 in float32 make 1e-6. bf16 rounds to 2^-9, which fused operations do less often.
    tolerance = {"fp32": 1e-6, "bf16": 1e-2}[precision]
    ours, theirs = (training.captured.weights.parameters for training in (first, plain))
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=tolerance)
    assert any(not torch.equal(tensor, theirs[name]) for name, tensor in ours.items()), "it was not compiled"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stops", [(3,), (5,), (2, 4, 9), (5, 10), (7, 7), (0, 8)])
def test_a_training_that_ends_on_the_way_and_goes_on_from_there_reaches_the_state_of_one_that_passes(
    optimizer, stops
):
    schedule = replace(SCHEDULE, recipe=Recipe(optimizer=optimizer))
    start, mask = TrainingState(Weights.of(NETWORK), {}, 0), Mask.dense(NETWORK)
    given = NETWORK, start, mask, training_data(), schedule, procedure()
    passed = train(*given, capture_at=stops[-1]).captured
    reached: TrainingState | None = start
    for stop in stops:
        assert reached is not None
        there = train(NETWORK, reached, *given[2:], capture_at=stop, until=stop)
        ended = [record.epoch for record in there.history]
        assert ended == [epoch for epoch in range(5) if reached.step <= 5 * epoch <= stop]
        reached = there.captured
    assert reached is not None
    assert passed is not None
    assert reached.step == passed.step == stops[-1]
    assert_same_state(reached, passed)
    assert all(torch.equal(reached.held[name], passed.held[name]) for name in passed.held)
