"""What is shown of the ways of trainings, with the loss beneath them or without."""

import csv
import io
from dataclasses import replace

import pytest
from made_evidence import made_evidence
from tiny_problem import make_problem

from lth.plan.jobs import SurfaceJob
from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_path import PATH
from lth.solution.problem import check_paths_kept

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, beyond="path")


def test_it_is_shown_of_studies_that_measured_it_alone(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, PATH)
    assert PATH not in exhibits_beyond(made_evidence(0, LAST))


def test_every_kept_point_has_a_row_with_what_is_not_seen_of_it(evidence):
    found = list(csv.DictReader(io.StringIO(PATH.numbers(evidence).csv())))
    assert len(found) == (LAST + 1) * 4
    assert {row["training_of"] for row in found} == {"dense", "level 1", "level 2"}
    assert {row["distance_off_plane"] for row in found} == {"1.0"}
    assert "30 % at dense, 30 % at level 1" in PATH.found(evidence)


def test_its_titles_say_how_much_is_seen_with_the_loss_or_without(evidence):
    without = {job: found for job, found in evidence.measured.items() if not isinstance(job, SurfaceJob)}
    for seen in (evidence, replace(evidence, measured=without)):
        figure = PATH.draw(seen)
        titles = " ".join(axes.get_title().replace("\n", " ") for axes in figure.axes)
        assert "holds 40 % of the variance of all points" in titles
        assert "which hold 90 % of their variance" in titles


@pytest.mark.parametrize(("trajectory", "fits"), [("none", False), ("log", True), ("every", True)])
def test_a_study_that_keeps_nothing_on_the_way_is_refused_before_it_trains(trajectory, fits):
    problem = make_problem(beyond="path", trajectory=trajectory)
    if fits:
        check_paths_kept(problem)
        return
    with pytest.raises(ValueError, match="beyond=path draws the ways of trainings, and trajectory=none"):
        check_paths_kept(problem)
