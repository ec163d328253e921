from dataclasses import replace

import pytest
import tiny_problem
import torch
from tiny_problem import make_problem

from lth.plan.computing import Computing
from lth.plan.place import BASELINES, Copy, DenseState, Place
from lth.solution.problem import Problem, plan, plan_beside, procedure, set_up, solve
from lth.solution.solution import Solution
from lth.study.record.solution import study_tags
from lth.training.train import Progress

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make_problem(epochs="1", milestones="none")


@pytest.fixture(scope="module")
def levels(problem: Problem) -> list[Solution]:
    """Return w(0) and w(1)."""
    dense = solve(problem, Place.imp(0), plan(problem, Place.imp(0), None, None))
    return [dense, solve(problem, Place.imp(1), plan(problem, Place.imp(1), dense, dense), dense)]


def continued(problem: Problem, solution: Solution, **overrides: str) -> Problem:
    setting = make_problem(epochs="1", milestones="none", **overrides).setting
    return set_up(setting, tiny_problem.images(None), CPU, solution)


def of_version_1(problem: Problem, solution: Solution) -> Solution:
    """Return the solution as version 1 had tracked it."""
    former = problem.keys.former
    ancestors = tuple(former.solution(Place.imp(level)) for level in range(solution.level))
    return replace(solution, key=former.solution(solution.place), ancestors=ancestors)


def test_a_lineage_of_this_study_is_its_own(problem, levels):
    assert continued(problem, levels[1]).keys == problem.keys


def test_a_lineage_of_this_study_that_version_1_tracked_is_its_own(problem, levels):
    assert of_version_1(problem, levels[1]).key != levels[1].key
    assert continued(problem, of_version_1(problem, levels[1])).keys == problem.keys


def test_a_lineage_that_version_1_tracked_of_another_study_is_taken_as_it_is(problem, levels):
    given = of_version_1(problem, levels[1])
    keys = continued(problem, given, lr="0.05").keys
    assert keys.given == (*given.ancestors, given.key)
    assert keys.ancestors(2) == keys.given


@pytest.mark.parametrize(
    ("computed_by", "is_own"),
    [
        (("here, bf16", "here, bf16"), True),
        (("here, fp32", "here, bf16"), False),
        ((None, "here, bf16"), False),
        ((), False),
    ],
)
def test_a_lineage_whose_format_version_1_left_open_is_own_if_all_of_it_was_computed_as_now(
    levels, monkeypatch, computed_by, is_own
):
    monkeypatch.setattr("lth.solution.problem.training_format", lambda _asked, _device: "bf16")
    auto = make_problem(epochs="1", milestones="none", precision="auto")
    given = of_version_1(auto, levels[1])
    found = set_up(auto.setting, tiny_problem.images(None), CPU, given, given_computed_by=computed_by)
    assert (found.keys == auto.keys) is is_own
    assert bool(found.keys.given) is not is_own


@pytest.mark.parametrize(
    ("asked", "format_here", "expected"),
    [("auto", "bf16", "bf16"), ("auto", "fp32", "fp32"), ("fp32", "bf16", "fp32")],
)
def test_precision_is_resolved_once_hashed_tagged_and_trained_in(asked, format_here, expected, monkeypatch):
    monkeypatch.setattr(
        "lth.solution.problem.training_format", lambda asked, _: format_here if asked == "auto" else asked
    )
    problem = make_problem(precision=asked)
    assert problem.keys.computing == Computing(expected, compiled=False)
    assert procedure(problem).precision == expected
    assert study_tags(problem)["lth.precision"] == expected
    assert problem.setting.training.precision == asked


def test_compilation_is_one_decision_by_the_steps_of_the_full_schedule(monkeypatch):
    monkeypatch.setattr("lth.solution.problem.is_compiled", lambda _asked, _device, steps: steps >= 9)
    problem = make_problem()  # 3 epochs of 3 steps; fine_tune takes 3
    assert procedure(problem).compiled
    assert study_tags(problem)["lth.compile"] == "on"
    assert not procedure(make_problem(epochs="2", milestones="none")).compiled


@pytest.mark.parametrize("kind", ["imp", *BASELINES])
def test_every_kind_starts_from_parameters_that_are_in_its_key(kind, problem, levels):
    start = plan(problem, Place(kind, 1), levels[0], levels[0])
    assert start.mask.num_kept == levels[1].mask.num_kept


class _KeptAt:
    """Keeps the progress of a training at one step of it."""

    def __init__(self, step: int) -> None:
        self._left, self.progress = step, None

    def is_due(self) -> bool:
        self._left -= 1
        return self._left == 0

    def keep(self, progress: Progress) -> None:
        self.progress = progress


@pytest.mark.parametrize(
    "place", [DenseState.after(3), Copy.of(0, 0, 1), Copy.of(1, 1, 2)], ids=lambda p: p.name
)
def test_a_training_beside_a_study_that_goes_on_from_its_progress_reaches_the_same_bits(problem, levels, place):
    state = None
    if isinstance(place, Copy) and place.step > 0:
        before = DenseState.after(place.step)
        state = solve(problem, before, plan_beside(problem, before, None, None)).rewind
    start = plan_beside(problem, place, state, levels[0] if place.level else None)
    keeper = _KeptAt(1)
    whole = solve(problem, place, start, keeper=keeper)
    assert keeper.progress is not None
    assert keeper.progress.state.step == start.state.step + 1
    resumed = solve(problem, place, start, resumed=keeper.progress)
    for part in ("final", "initial"):
        for name, tensor in getattr(whole, part).parameters.items():
            assert torch.equal(getattr(resumed, part).parameters[name], tensor)
    assert resumed.rewind.step == whole.rewind.step == place.step
    assert resumed.mask.num_kept == whole.mask.num_kept == levels[place.level].mask.num_kept
