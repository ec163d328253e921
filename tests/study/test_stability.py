"""The stability of a training as a user gets it: copies and lines are tracked, found again, and say a step."""

import csv
import io
from collections import Counter

import pytest
import torch
from tiny_problem import images, make_problem, make_study, network

import lth
from lth.errors import InputError
from lth.plan.place import Copy, DenseState, Place
from lth.solution.problem import procedure
from lth.study.replication import Replication
from lth.study.stability import StabilityOfTraining, candidates, parse_copies, parse_levels
from lth.tracking.store import KEY, Store

KEYS = make_problem().keys

pytestmark = pytest.mark.usefixtures("without_models", "with_two_blank_figures")


def probe(said: list[str], steps: str, levels=(0,), copies: str = "2", seeds=(0,), **changed: str):
    studies = [make_study(said, seed=str(seed), **changed) for seed in seeds]
    replication = Replication(studies, said.append)
    return StabilityOfTraining(
        replication, dict(changed), steps=steps, levels=levels, copies=copies, say=said.append
    )


def kinds() -> Counter:
    return Counter(run.data.tags["kind"] for run in Store().search(f"tags.`{KEY}` LIKE '%'"))


def table(run_id: str, tmp_path, name: str = "pairs.csv") -> list[dict[str, str]]:
    text = Store().fetch(run_id, name, tmp_path).read_text()
    return list(csv.DictReader(io.StringIO(text)))


def run_of(key: str) -> str:
    return Store().find(key)


def halfway(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], alpha: float):
    return {name: (1 - alpha) * first[name] + alpha * second[name] for name in first}


def error_of(state: dict[str, torch.Tensor], normalise) -> float:
    """Return the test error of a network that is put together here, by torch alone."""
    data = images(None)
    model = network((1, 6, 6), 3).eval()
    model.load_state_dict(state)
    with torch.no_grad():
        guessed = model(normalise(data.test_images)).argmax(1)
    return float((guessed != data.test_labels).float().mean())


def barrier_of(row: dict[str, str]) -> float:
    """Return the barrier between the two copies of a row of the table, without anything that measured it."""
    place = int(row["level"]), int(row["step"])
    found = [lth.load_solution(run_of(KEYS.solution(Copy.of(*place, number)))) for number in (1, 2)]
    ends = [{**copy.weights.parameters, **copy.weights.buffers} for copy in found]
    assert not torch.equal(ends[0]["5.weight"], ends[1]["5.weight"])
    errors = [error_of(halfway(*ends, alpha), found[0].normalise) for alpha in (0, 0.5, 1)]
    return max(errors) - (errors[0] + errors[-1]) / 2


def test_a_barrier_is_what_torch_says_of_two_copies_and_what_is_there_is_found_by_more_of_all(
    tracking, tmp_path
):
    said: list[str] = []
    first = probe(said, "2").complete()
    assert kinds() == {"dense_state": 1, "copy": 2, "measurement": 1, "study": 1, "copies": 1, "stability": 1}
    assert probe(said, "2").complete() == first
    assert said[-1].endswith(f"found in run {first}, nothing to compute")
    probe(said, "2").fetch(first, tmp_path)
    assert {path.suffix for path in tmp_path.glob("stability.*")} == {".png", ".csv", ".md"}
    rows = table(probe(said, "1,2", levels=(0, 1), trajectory="none").complete(), tmp_path)
    found = kinds()
    assert (found["dense_state"], found["copy"], found["measurement"]) == (2, 2 * 2 * 2, 2 * 2)
    assert found["imp"] == 1, "level 1's mask is of the dense network"
    assert {(row["level"], row["step"]) for row in rows} == {(level, step) for level in "01" for step in "12"}
    for row in rows[:2]:
        assert float(row["error_barrier"]) == pytest.approx(barrier_of(row), abs=1e-6)


def test_the_dense_state_at_the_rewind_step_is_that_of_the_study_and_copies_leave_no_row_in_its_tables(
    tracking,
):
    study = make_study()
    study.solution(Place.imp(0))
    rows = len(lth.results())
    probe([], "2").complete()
    state, dense = (
        lth.load_solution(run_of(KEYS.solution(place))) for place in (DenseState.after(2), Place.imp(0))
    )
    assert state.rewind.step == dense.rewind.step == 2
    for name, tensor in dense.rewind.weights.parameters.items():
        assert torch.equal(state.rewind.weights.parameters[name], tensor)
        assert torch.equal(state.rewind.momentum[name], dense.rewind.momentum[name])
    assert len(lth.results()) == rows == len(study.rows()) == 1


def test_a_plan_says_what_is_to_do_and_does_nothing(tracking):
    told = probe([], "0,2,4", levels=(0, 1)).plan().text
    rows = {line[:18].strip(): line[18:].split()[:2] for line in told.splitlines()[1:7]}
    assert rows["dense states"] == ["0", "2"]
    assert rows["copies"] == ["0", "12"]
    assert rows["dense trainings"] == ["0", "1"]
    assert rows["lines"] == ["0", "6"]
    assert not kinds()


def test_every_copy_has_noise_of_its_own_and_the_study_another():
    problem = make_problem()
    copies = [Copy.of(level, step, number) for level in (0, 1) for step in (0, 2) for number in (1, 2, 3)]
    seeds = {procedure(problem, copy).seed for copy in copies}
    assert len(seeds | {procedure(problem).seed}) == len(copies) + 1
    assert not seeds & {procedure(make_problem(seed="1"), copy).seed for copy in copies}
    assert procedure(problem, DenseState.after(2)) == procedure(problem, Place.imp(0)) == procedure(problem)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("0,2,1ep", {0: "0", 2: "2", 3: "1ep"}),
        ("50%, 0", {0: "0", 4: "50%"}),
        ("3,1ep", {3: "3"}),
        ("0,0.5%,1%", {0: "0"}),
    ],
)
def test_candidates_are_iterations_in_order_each_as_it_was_written(steps, expected):
    assert candidates(steps, make_problem()) == expected


def steps_of(written: str) -> dict[int, str]:
    return candidates(written, make_problem())


@pytest.mark.parametrize(
    ("read", "written", "expected"),
    [
        (steps_of, "0,9", "step 9, but training ends at step 9"),
        (steps_of, "0,3ep", "3ep is step 9, but training ends"),
        (steps_of, "0,,2", "'' is not a step"),
        (steps_of, "soon", "'soon' is not a step"),
        (steps_of, "-1", "'-1' is not a step"),
        (parse_levels, "0,x", "levels='0,x' are not levels"),
        (parse_levels, "-1", "levels='-1' are not levels"),
        (parse_levels, "", "levels='' are not levels"),
        (parse_copies, "1", "copies='1' is out of range"),
        (parse_copies, "two", "copies='two' is out of range"),
    ],
)
def test_what_is_no_step_level_or_number_of_copies_is_refused_with_what_is(read, written, expected):
    with pytest.raises(InputError, match=expected):
        read(written)
