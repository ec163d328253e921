import pytest
from problems import tiny_setting

from lth.setting.preset import PRESETS
from lth.training.schedule import fine_tune_schedule, resolve_schedule, rewind_iteration


def test_resnet20_on_cifar10_has_the_schedule_of_the_protocol():
    training = PRESETS["resnet20-cifar10"].training
    schedule = resolve_schedule(training, 50_000)
    assert (schedule.iterations_per_epoch, schedule.num_iterations) == (391, 62_560)
    assert schedule.milestones == (31_280, 46_920)
    assert rewind_iteration(training, schedule) == 1000


@pytest.mark.parametrize(
    ("step", "divisions"), [(0, 0), (31_279, 0), (31_280, 1), (46_919, 1), (46_920, 2), (62_559, 2)]
)
def test_learning_rate_is_divided_by_ten_from_each_milestone_on(step, divisions):
    schedule = resolve_schedule(PRESETS["resnet20-cifar10"].training, 50_000)
    assert schedule.lr_at(step) == pytest.approx(0.1 / 10**divisions, rel=1e-15)  # one rounding a division


def test_a_last_smaller_batch_counts_as_an_iteration():
    assert resolve_schedule(tiny_setting().training, 42).iterations_per_epoch == 6
    assert resolve_schedule(tiny_setting().training, 40).iterations_per_epoch == 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"milestones": "4ep"}, "milestone 4ep is step 20, but training ends at step 20"),
        ({"milestones": "3ep,19,21"}, "milestone 21 is step 21"),
        ({"milestones": "3ep,1ep"}, "milestones=3ep,1ep do not rise"),
        ({"milestones": "1ep,5"}, "milestones=1ep,5 do not rise"),
        ({"rewind_step": "20"}, "rewind_step=20 is step 20"),
        ({"rewind_step": "4ep"}, "rewind_step=4ep is step 20"),
    ],
)
def test_a_schedule_that_does_not_fit_raises_and_names_the_parameter(overrides, message):
    with pytest.raises(ValueError, match=message):
        resolve_schedule(tiny_setting(**overrides).training, 40)


def test_the_last_step_can_be_a_milestone_and_the_rewind_point():
    schedule = resolve_schedule(tiny_setting(milestones="19", rewind_step="19").training, 40)
    assert schedule.lr_at(18) == 0.05
    assert schedule.lr_at(19) == pytest.approx(0.005, rel=1e-15)


def test_fine_tuning_keeps_the_last_learning_rate_for_its_own_epochs():
    training = tiny_setting().training
    schedule = resolve_schedule(training, 40)
    fine = fine_tune_schedule(training, schedule)
    assert fine.num_iterations == 10
    assert {fine.lr_at(step) for step in range(10)} == {schedule.lr_at(19)}
    assert (fine.batch_size, fine.momentum, fine.weight_decay) == (8, schedule.momentum, schedule.weight_decay)


def test_fine_tuning_takes_its_own_learning_rate_when_one_is_given():
    training = tiny_setting(fine_tune_lr=0.003).training
    fine = fine_tune_schedule(training, resolve_schedule(training, 40))
    assert {fine.lr_at(step) for step in range(10)} == {0.003}


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"schedule": "cosine"},
        {"schedule": "linear", "warmup": "3"},
        {"schedule": "constant", "warmup": "2"},
    ],
)
@pytest.mark.parametrize("first", [0, 2, 7])
def test_a_cyclic_schedule_is_the_schedule_and_then_its_steps_from_one_on_again_and_again(shape, first):
    schedule = resolve_schedule(tiny_setting(**shape).training, 42)
    whole = [schedule.lr_at(step) for step in range(schedule.num_iterations)]
    cyclic = schedule.cyclic(first, times=3)
    rates = [cyclic.lr_at(step) for step in range(cyclic.num_iterations)]
    assert rates == [*whole, *(3 * whole[first:])]
