"""What it takes to tell the stability of a training, and by what each part is found again."""

import json

import pytest

from lth.plan.computing import Computing
from lth.plan.keys import TaskKeys
from lth.plan.place import Copy, DenseState, Place
from lth.plan.stability import Probe
from lth.plan.tasks import StudyTasks, Task
from lth.setting.network import NetworkSpec
from lth.setting.preset import resolve

SPEC = NetworkSpec("resnet8-w8", (1, 8, 8), 10)


def keys_of(**overrides: str) -> TaskKeys:
    setting = resolve("digits", {"levels": "2", **overrides})
    return TaskKeys(setting, SPEC, "digest", Computing("fp32", compiled=False))


def tasks(probe: Probe, **overrides: str) -> dict[str, Task]:
    return {task.name: task for task in probe.tasks(StudyTasks(keys_of(**overrides), "a study"))}


def needs(task: Task) -> set[str]:
    return {need.name for need in task.needs}


def test_each_state_is_reached_from_the_one_before_and_copies_need_it_and_what_their_mask_is_of():
    found = tasks(Probe((0, 10, 30), levels=(0, 2), copies=3))
    assert needs(found["dense at step 10"]) == set()
    assert needs(found["dense at step 30"]) == {"dense at step 10"}
    assert needs(found["copy 1 of dense from step 0"]) == set()
    assert needs(found["copy 3 of dense from step 30"]) == {"dense at step 30"}
    assert needs(found["copy 2 of level 2 from step 0"]) == {"level 1"}
    assert needs(found["copy 2 of level 2 from step 10"]) == {"level 1", "dense at step 10"}
    line = found["line between copies 2 and 3 of level 2 from step 10"]
    assert needs(line) == {f"copy {number} of level 2 from step 10" for number in (2, 3)}
    assert len(found) == 2 + 1 + 2 * 3 * 3 + 2 * 3 * 3  # states, level 1, copies, lines
    assert all(task.is_beside for name, task in found.items() if name != "level 1")
    assert not found["level 1"].is_beside


def test_steps_levels_and_copies_that_are_added_change_no_key_of_what_was_there():
    few, more = Probe((10,)), Probe((0, 5, 10, 20), levels=(0, 1), copies=3)
    before, after = tasks(few), tasks(more)
    assert before.items() >= {name: after[name] for name in before}.items()
    assert len({task.key for task in after.values()}) == len(after)


@pytest.mark.parametrize(
    "changed", [{"rewind_step": "7"}, {"trajectory": "none"}, {"rewind": "lr"}, {"levels": "3"}, {"k": "3"}]
)
def test_copies_of_the_dense_network_do_not_depend_on_the_chain_of_the_study(changed):
    probe = Probe((0, 10))
    assert tasks(probe) == tasks(probe, **changed)


@pytest.mark.parametrize(
    "changed",
    [{"seed": "1"}, {"lr": "0.2"}, {"epochs": "31"}, {"optimizer": "adamw"}, {"augmentation": "none"}],
)
def test_copies_depend_on_all_that_trains_them(changed):
    before, after = tasks(Probe((10,))), tasks(Probe((10,)), **changed)
    assert not {task.key for task in before.values()} & {task.key for task in after.values()}


@pytest.mark.parametrize("changed", [{"rewind_step": "7"}, {"prune_fraction": "0.3"}, {"scope": "layer"}])
def test_copies_under_a_mask_depend_on_what_the_mask_is_of(changed):
    place = Copy.of(1, 10, 1)
    assert keys_of().solution(place) != keys_of(**changed).solution(place)


def test_a_state_and_copies_are_no_solutions_and_no_two_of_them_are_equal():
    places = [Place.imp(0), DenseState.after(10), DenseState.after(20)]
    places += [Copy.of(level, step, number) for level in (0, 1) for step in (10, 20) for number in (1, 2)]
    assert len(set(places)) == len({place.name for place in places}) == len(places)


def test_what_a_worker_is_told_says_all_of_it_after_it_was_json():
    probe = Probe((0, 10), levels=(0, 3), copies=4)
    assert Probe.of(json.loads(json.dumps(probe.told()))) == probe
