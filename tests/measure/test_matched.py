"""Curvature and radii where the lower of two points had the loss of the other."""

from dataclasses import replace
from functools import cache
from typing import get_args

import numpy as np
import pytest
from problems import SPEC, assert_same_weights, dense_solution, imp_solution, tiny_setting, training_data
from tiny_problem import make_problem

from lth.measure.kept_path import KeptPath
from lth.measure.kind import matched
from lth.measure.kind.curvature import curvature_at
from lth.measure.kind.site import Site
from lth.measure.kind.take import read, take
from lth.measure.packed import Packed, pack
from lth.measure.surveyor import MaskedPoint, Surveyor
from lth.network import build_network
from lth.plan.jobs import MatchedJob, matched_jobs
from lth.plan.place import Place, Point
from lth.setting.setting import DirectionNorm
from lth.solution.problem import check_paths_kept
from lth.training.evaluate import Evaluator

SETTING = tiny_setting(k=2, trace_probes=2, directions=2)
SURVEYOR = Surveyor(build_network(SPEC, 0), training_data(), SETTING.analysis.hessian_examples, seed=0)
SOLUTIONS = {Place.imp(0): dense_solution(), Place.imp(1): imp_solution(1), Place.imp(2): imp_solution(2)}
JOBS = [job for job in matched_jobs(2) if set(job.needs) <= set(SOLUTIONS)]
each_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)


def site_of(job, **changes):
    site = Site(SOLUTIONS.__getitem__, SURVEYOR, SETTING.deciding(job.measure))
    return replace(site, **changes)


@cache
def found(job):
    return found_by(job)


def found_by(job, **changes):
    return read(Packed(pack(take(job, site_of(job, **changes)))), job)


def losses(job):
    evaluate, site = Evaluator(SURVEYOR.network, SURVEYOR.examples), site_of(job)
    return {point: evaluate(site.at(point).weights).loss for point in (job.sharper, job.flatter)}


def test_the_pairs_are_of_every_level_in_both_spaces():
    assert [job.name for job in JOBS] == [
        "projection on level 1 and level 1 at one loss",
        "level 1 in level-0 space and dense at one loss",
        "projection on level 2 and level 2 at one loss",
        "level 2 in level-1 space and level 1 at one loss",
    ]
    assert {job.level for job in JOBS} == {1, 2}


@each_job
def test_the_lower_goes_back_to_the_loss_of_the_other(job):
    moved, ends, reached, ended = found(job).moved, found(job).ends, found(job).reached, losses(job)
    other = max(ended.values())
    assert ends.loss == min(ended.values()) == ended[moved]
    assert ends.loss_of_other == reached.wanted == other
    assert reached.is_there
    assert reached.loss == pytest.approx(other, rel=1e-3)
    assert reached.epoch < SOLUTIONS[moved.needs[0]].history[-1].epoch


@each_job
def test_curvature_is_that_of_the_weights_of_that_place_in_the_space_of_the_point(job):
    site, moved, curvature = site_of(job), found(job).moved, found(job).curvature
    mask = site.at(moved).mask
    weights = mask.apply(site.path(moved.needs[0]).at(found(job).reached.epoch))
    expected = curvature_at(SURVEYOR, MaskedPoint(weights, mask), SETTING.analysis, "there")
    np.testing.assert_array_equal(curvature.spectrum.eigenvalues, expected.spectrum.eigenvalues)
    assert curvature.size == expected.size


@each_job
def test_radii_have_the_cutoff_that_the_points_had_as_they_ended(job):
    cutoff = max(losses(job).values()) + SETTING.analysis.cutoff_margin
    radii = found(job).radii
    assert set(radii) == set(get_args(DirectionNorm))
    assert all(each.cutoff == pytest.approx(cutoff, abs=1e-4) for each in radii.values())


def test_points_of_two_spaces_have_no_radii_to_compare():
    assert all(job.share_a_space for job in JOBS)
    other = MatchedJob(Point.at(Place.imp(2)), Point.at(Place.imp(1)))
    assert not other.share_a_space
    assert found_by(other).radii == {}


@pytest.mark.parametrize(
    ("place", "first"),
    [(Place.imp(0), 0.0), (Place.imp(1), 7 / 5)],  # rewound to step 7 of 5 an epoch
)
def test_a_path_goes_from_the_start_of_a_training_to_its_end(place, first):
    path, solution = site_of(JOBS[0]).path(place), SOLUTIONS[place]
    assert path.epochs[0] == first
    assert path.epochs == tuple(sorted({first, *map(float, solution.trajectory)}))
    assert_same_weights(path.at(first), solution.initial)
    assert_same_weights(path.at(path.epochs[-1]), solution.final)
    assert_same_weights(path.at(3.0), solution.trajectory[3])


def test_a_training_whose_weights_were_not_kept_is_named_with_what_to_do():
    with pytest.raises(
        ValueError,
        match="which is to be followed; train with trajectory=log or every",
    ):
        found_by(JOBS[1], trajectory=lambda place: {})


def test_a_training_that_never_had_the_loss_says_so(monkeypatch):
    """The kept path is cut down to its last epoch, all of it below the other's loss."""
    job = JOBS[1]
    monkeypatch.setattr(Site, "path", lambda self, place: KeptPath((4.0,), lambda _: SOLUTIONS[place].final))
    cut = found_by(job)
    assert not cut.reached.is_there
    assert (cut.reached.epoch, cut.reached.loss) == (4.0, cut.ends.loss)
    assert matched.numbers(cut, job)["matched/is_there"] == 0


def test_results_of_other_points_are_refused():
    content = Packed(pack(take(JOBS[0], site_of(JOBS[0]))))
    with pytest.raises(ValueError, match="which was not to be measured"):
        read(content, JOBS[2])


def test_a_study_that_would_go_back_along_what_it_does_not_keep_is_refused_before_it_begins():
    problem = make_problem(matched_loss="on", trajectory="none")
    with pytest.raises(ValueError, match="set trajectory=log or every, or matched_loss=off"):
        check_paths_kept(problem)
    check_paths_kept(make_problem(matched_loss="off", trajectory="none"))
    check_paths_kept(make_problem(matched_loss="on"))
