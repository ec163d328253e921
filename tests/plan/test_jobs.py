from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.plan.jobs import (
    BEYOND,
    MEASURES,
    CurvatureJob,
    DistanceJob,
    LineJob,
    MarkersJob,
    RadiiJob,
    SurfaceJob,
    baseline_jobs,
    chosen,
    level_jobs,
    matched_jobs,
    own_radii,
    parse_measures,
    part_jobs,
    places,
    projection_matched,
    reverse_matched,
    shared_space_points,
    study_jobs,
    subspace_jobs,
    successive_line,
    suffixes,
    surface_job,
)
from lth.plan.place import BASELINES, METHODS, Place, Point
from lth.setting.setting import AnalysisSetting, DirectionNorm

LASTS = st.integers(1, 13)
EVERY = st.lists(st.sampled_from(BASELINES), unique=True).map(tuple)
SETTING = AnalysisSetting()


def setting(every_level: tuple[str, ...] = (), plane: tuple[str, ...] = SETTING.plane) -> AnalysisSetting:
    return replace(SETTING, every_level=every_level, plane=plane)


@given(LASTS, EVERY)
def test_every_job_needs_only_solutions_that_the_study_trains(last, every_level):
    trained = set(places(last, every_level))
    for job in study_jobs(last, setting(every_level)):
        assert job.needs
        assert set(job.needs) <= trained, job.name
        assert len(set(job.needs)) == len(job.needs), job.name


@given(LASTS, EVERY)
def test_no_two_jobs_of_a_study_are_equal_or_share_a_name(last, every_level):
    jobs = study_jobs(last, setting(every_level))
    assert len(set(jobs)) == len({job.name for job in jobs}) == len(jobs)


@given(LASTS)
def test_a_study_with_every_measure_has_this_many_jobs(last):
    jobs = study_jobs(last, setting())
    counts = {measure: len(chosen(jobs, [measure])) for measure in MEASURES if measure not in {*BEYOND, "mass"}}
    assert counts == {
        "spectra": 1 + 4 * last + 7,  # the dense network, four points a level, seven baselines
        "radii": 2 * (1 + 2 * last),  # two norms of one space at level 0 and of two elsewhere
        "lines": last + 7,
        "surface": 1,
        "distances": 1,
        "matched": 0,
        "subspaces": 0,
        "parts": 0,
    }
    assert sum(counts.values()) == len(jobs)


@given(LASTS, EVERY)
def test_at_one_loss_two_pairs_a_level_and_two_baselines_are_added_and_nothing_else(last, every_level):
    usual = study_jobs(last, setting(every_level))
    more = study_jobs(last, replace(setting(every_level), matched_loss="on"))
    assert more == [*usual, *matched_jobs(last)]
    assert len(chosen(more, ["matched"])) == 2 * last + 2
    assert {place for job in matched_jobs(last) for place in job.needs} <= set(places(last))
    assert {job.level for job in matched_jobs(last)} == set(range(1, last + 1))


@given(LASTS, EVERY)
def test_with_vectors_one_job_a_level_reads_the_spectra_of_the_points_compared_there(last, every_level):
    more = study_jobs(last, replace(setting(every_level), vectors="on"))
    assert more == [*study_jobs(last, setting(every_level)), *subspace_jobs(last)]
    for job in subspace_jobs(last):
        assert {read.point for read in job.reads} == set(suffixes(job.level))
        assert set(job.reads) <= set(more)


@given(LASTS, st.integers(0, 4))
def test_every_halving_adds_as_many_parts_as_make_up_the_examples_at_two_points_a_level(last, halvings):
    more = study_jobs(last, replace(setting(), halvings=halvings))
    assert more == [*study_jobs(last, setting()), *part_jobs(last, halvings)]
    assert len(part_jobs(last, halvings)) == (2 * last + 1) * (2 ** (halvings + 1) - 2)


@pytest.mark.parametrize("measure", BEYOND)
def test_what_is_named_beyond_the_paper_is_added_to_what_a_study_measures(measure):
    added = study_jobs(2, replace(setting(), beyond=(measure,)))
    assert added[: len(study_jobs(2, setting()))] == study_jobs(2, setting())
    by = {"volume": {"volume", "mass"}}.get(measure, {measure})
    assert {job.measure for job in added[len(study_jobs(2, setting())) :]} == by


def test_what_is_not_known_beyond_the_paper_is_refused_with_what_is():
    with pytest.raises(ValueError, match=r"beyond=densty is unknown; choose from .*density"):
        study_jobs(2, replace(setting(), beyond=("densty",)))


@pytest.mark.parametrize("level", [1, 7])
def test_the_pairs_of_a_level_at_one_loss_are_those_whose_radii_are_compared_there(level):
    own, previous = shared_space_points(level)
    assert {projection_matched(level).sharper, projection_matched(level).flatter} == set(own)
    assert {reverse_matched(level).sharper, reverse_matched(level).flatter} == set(previous)
    assert all(pair(level).share_a_space for pair in (projection_matched, reverse_matched))


def test_the_dense_network_alone_has_nothing_to_compare_at_one_loss():
    assert matched_jobs(0) == []


@given(LASTS, EVERY)
def test_baselines_at_every_level_add_their_curvature_and_nothing_else(last, every_level):
    usual, more = study_jobs(last, setting()), study_jobs(last, setting(every_level))
    added = {CurvatureJob(Point.at(Place(kind, level))) for kind in every_level for level in range(1, last)}
    assert set(more) - set(usual) == added
    assert set(usual) <= set(more)


@given(st.integers(0, 13), EVERY)
def test_every_place_is_listed_once_after_those_it_is_pruned_from(last, every_level):
    listed = places(last, every_level)
    assert len(set(listed)) == len(listed)
    for index, place in enumerate(listed):
        before = set(listed[:index])
        if place.level > 0:
            assert Place.imp(place.level - 1) in before
        if place.kind != "imp":
            assert Place.imp(place.level) in before
        assert place.level <= last


def test_places_are_the_levels_and_the_baselines_at_the_last():
    assert places(0) == [Place.imp(0)]
    assert places(2) == [Place.imp(0), Place.imp(1), Place.imp(2), *[Place(kind, 2) for kind in BASELINES]]
    assert set(places(3, ["one_shot"])) - set(places(3)) == {Place("one_shot", 1), Place("one_shot", 2)}
    assert len(places(3, BASELINES)) == 4 + 3 * 7


@pytest.mark.parametrize("every_level", [("one_shoot",), ("imp",), ("one_shot", "2")])
def test_a_baseline_that_does_not_exist_is_named_and_not_passed_over(every_level):
    with pytest.raises(ValueError, match=f"every_level={every_level[-1]} is unknown; choose from one_shot, "):
        places(3, every_level)
    with pytest.raises(ValueError, match="is unknown"):
        study_jobs(3, setting(every_level))


def test_level_zero_is_measured_alone():
    dense = Point.at(Place.imp(0))
    assert level_jobs(0) == [
        CurvatureJob(dense),
        *[RadiiJob((dense,), norm) for norm in get_args(DirectionNorm)],
    ]
    assert all(job.needs == (Place.imp(0),) and job.level == 0 for job in level_jobs(0))


@pytest.mark.parametrize("level", [1, 13])
def test_a_level_is_measured_at_four_points_two_spaces_and_one_line(level):
    jobs = level_jobs(level)
    assert [job.point for job in jobs if isinstance(job, CurvatureJob)] == [
        Point.at(Place.imp(level)),
        Point.reverse(level),
        Point.projection(level),
        Point.next_larger(level),
    ]
    assert [(job.points, job.direction_norm) for job in jobs if isinstance(job, RadiiJob)] == [
        (points, norm)
        for norm in ("plain", "filter")
        for points in (
            (Point.at(Place.imp(level)), Point.projection(level)),
            (Point.at(Place.imp(level - 1)), Point.reverse(level)),
        )
    ]
    assert [job for job in jobs if isinstance(job, LineJob)] == [successive_line(level)]
    assert successive_line(level).needs == (Place.imp(level - 1), Place.imp(level))
    assert {job.level for job in jobs} == {level}
    assert {place for job in jobs for place in job.needs} == {Place.imp(level - 1), Place.imp(level)}


@pytest.mark.parametrize("level", [0, 1, 5])
def test_points_that_share_radii_lie_in_one_space(level):
    """The mask of a point is that of the last solution it needs."""
    for points in shared_space_points(level):
        assert len({point.needs[-1] for point in points}) == 1
    assert len({point for points in shared_space_points(level) for point in points}) == (4 if level else 1)


def test_lines_to_the_baselines_end_where_the_paper_says():
    pruned, solution = Point.projection(4), Point.at(Place.imp(4))
    lines = [(job.start, job.end) for job in baseline_jobs(4) if isinstance(job, LineJob)]
    outside = [Point.at(Place(kind, 4)) for kind in ("random_init", "random_prune", "random_prune_one_shot")]
    expected = [(pruned, solution), *[(pruned, end) for end in outside], *[(solution, end) for end in outside]]
    assert lines == expected
    assert {job.level for job in baseline_jobs(4)} == {4}


def test_jobs_are_called_what_they_are():
    names = {
        CurvatureJob(Point.projection(2)).name: "curvature at projection on level 2",
        RadiiJob(
            (Point.at(Place.imp(2)), Point.projection(2)), "plain"
        ).name: "plain radii at level 2 and projection on level 2",
        successive_line(1).name: "line from dense to level 1",
        surface_job(2, SETTING).name: "surface through dense, level 2 and random_init at level 2",
        DistanceJob(tuple(places(2))).name: "distances between 10 solutions",
    }
    assert list(names) == list(names.values())


def test_a_line_from_a_projection_to_a_solution_needs_each_solution_once():
    assert LineJob(Point.projection(3), Point.at(Place.imp(3))).needs == (Place.imp(2), Place.imp(3))


@pytest.mark.parametrize("last", [1, 13])
def test_every_solution_is_drawn_on_the_surface_and_has_distances(last):
    surface = surface_job(last, setting(BASELINES))
    assert surface.corners == (Place.imp(0), Place.imp(last), Place("random_init", last))
    assert surface.shown == tuple(places(last))
    assert set(surface.needs) == set(places(last))
    assert surface.needs[:3] == surface.corners
    (distances,) = chosen(study_jobs(last, SETTING), ["distances"])
    assert distances.needs == tuple(places(last))
    assert surface.level == distances.level == last


def test_the_plane_is_the_one_the_setting_asks_for():
    found = surface_job(4, setting(plane=("2", "one_shot", "last")))
    assert found.corners == (Place.imp(2), Place("one_shot", 4), Place.imp(4))
    assert isinstance(found, SurfaceJob)


@pytest.mark.parametrize("plane", [("0", "last", "4"), ("last", "04", "1"), ("0", "00", "1")])
def test_a_plane_that_names_a_solution_twice_raises(plane):
    with pytest.raises(
        ValueError, match=f"plane={','.join(plane)} names one solution twice; name three of 0 … 4"
    ):
        surface_job(4, setting(plane=plane))


@pytest.mark.parametrize("corner", ["5", "dense", "-1"])
def test_a_plane_through_a_solution_that_is_not_there_raises(corner):
    with pytest.raises(ValueError, match=f"'{corner}' is no solution of this study; write a level from 0 to 4"):
        surface_job(4, setting(plane=("0", "last", corner)))
    with pytest.raises(ValueError, match="is no solution of this study"):
        study_jobs(4, setting(plane=("0", "last", corner)))


def test_the_dense_network_alone_spans_no_plane():
    for plane in (("0", "last", "random_init"), ("one_shot", "random_init", "fine_tune")):
        with pytest.raises(ValueError, match="is no solution of this study"):
            surface_job(0, setting(plane=plane))


@pytest.mark.parametrize("written", ["all", " all "])
def test_all_is_every_measure_that_a_study_takes(written):
    assert parse_measures(written) == MEASURES
    assert not chosen(study_jobs(2, SETTING), ["density"])


@pytest.mark.parametrize(
    ("written", "measures"),
    [
        ("radii", ("radii",)),
        ("radii,spectra", ("spectra", "radii")),
        (" lines , surface ", ("lines", "surface")),
        ("distances,distances", ("distances",)),
        ("density,lines", ("lines", "density")),
    ],
)
def test_measures_are_read_in_their_own_order(written, measures):
    assert parse_measures(written) == measures


@pytest.mark.parametrize(
    ("written", "odd"), [("radi", "'radi'"), ("radii,", "''"), ("", "''"), ("all,radii", "'all'")]
)
def test_an_unknown_measure_is_named_beside_those_that_exist(written, odd):
    known = ", ".join(MEASURES)
    with pytest.raises(ValueError, match=f"measures='{written}': {odd} unknown; known are {known}"):
        parse_measures(written)


def test_chosen_jobs_keep_their_order():
    jobs = study_jobs(2, SETTING)
    picked = chosen(jobs, ("surface", "spectra"))
    assert picked == [job for job in jobs if isinstance(job, CurvatureJob | SurfaceJob)]
    assert chosen(jobs, MEASURES) == jobs
    assert chosen(jobs, ()) == []


def test_methods_are_trained_and_measured_if_a_study_is_asked_to_and_change_nothing_else():
    plain, asked = places(2), places(2, methods=("synflow", "snip"))
    assert [place for place in asked if place not in plain] == [Place("snip", 2), Place("synflow", 2)]
    more = [job for job in baseline_jobs(2, (), ("snip",)) if job not in baseline_jobs(2)]
    at = Point.at(Place("snip", 2))
    assert more == [CurvatureJob(at), LineJob(Point.at(Place.imp(2)), at), LineJob(Point.projection(2), at)]
    assert places(2, ("snip",), ("snip",)).count(Place("snip", 1)) == 1


@pytest.mark.parametrize(
    ("every_level", "methods", "told"),
    [
        ((), ("snap",), "methods=snap is unknown; choose from magnitude_at_init, "),
        ((), ("one_shot",), "methods=one_shot is unknown"),
        (("snip",), (), "every_level=snip, but the study trains it nowhere; add methods=snip"),
    ],
)
def test_a_method_that_does_not_exist_or_is_not_trained_is_named(every_level, methods, told):
    with pytest.raises(ValueError, match=told):
        places(2, every_level, methods)


def test_a_method_misspelt_among_those_of_every_level_is_told_its_name():
    with pytest.raises(ValueError, match=r"every_level=synflw is unknown; .*synflow.*mean.*synflow"):
        places(2, ["synflw"], ["synflow"])


@pytest.mark.parametrize("methods", [("snip",), ("erk", "cyclic_random"), METHODS[:-1]])
@pytest.mark.parametrize("last", [1, 3])
def test_methods_are_compared_in_jobs_of_their_own_and_those_of_the_paper_stay(methods, last):
    plain, asked = study_jobs(last, setting()), study_jobs(last, replace(setting(), methods=methods))
    assert [job for job in asked if job in plain] == plain
    added = [job for job in asked if job not in plain]
    assert len({job.name for job in asked}) == len(asked)
    every = places(last, methods=methods)
    at_methods = [Place(kind, last) for kind in METHODS if kind in methods]
    assert [job for job in added if isinstance(job, RadiiJob)] == [
        own_radii(place, SETTING) for place in every if place.level == last
    ]
    assert [job for job in added if isinstance(job, DistanceJob)] == [DistanceJob(tuple(every))]
    (markers,) = (job for job in added if isinstance(job, MarkersJob))
    assert markers.shown == tuple(at_methods)
    lines = [(job.start, job.end) for job in added if isinstance(job, LineJob)]
    starts = Point.at(Place.imp(last)), Point.projection(last)
    assert lines == [(start, Point.at(place)) for place in at_methods for start in starts]


def test_a_plane_goes_through_methods_that_the_study_trains():
    asked = replace(setting(plane=("0", "snip", "own_method")), methods=("snip",), own_method="a:b")
    corners = (Place.imp(0), Place("snip", 2), Place("own_method", 2))
    assert surface_job(2, asked).corners == corners
    (markers,) = (job for job in study_jobs(2, asked) if isinstance(job, MarkersJob))
    assert markers.corners == corners


@pytest.mark.parametrize("corner", METHODS)
def test_a_plane_through_a_method_that_is_trained_nowhere_says_how_to_train_it(corner):
    with pytest.raises(ValueError, match=f"{corner} is no solution of this study.*add methods={corner}"):
        surface_job(2, setting(plane=("0", "last", corner)))
