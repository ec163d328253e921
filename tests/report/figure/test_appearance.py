import pytest

from lth.plan.place import SOLUTIONS as KINDS
from lth.plan.place import Copy, DenseState, Place, Point
from lth.report.figure.appearance import BASELINES, OTHER, appearance, end_appearance, level_colour


def test_every_kind_of_solution_has_its_own_colour_and_marker():
    looks = [appearance(Place(kind, 3)) for kind in KINDS]
    assert len({look.colour for look in looks}) == len(KINDS)
    assert len({appearance(Place(kind, 3)).marker for kind in ("imp", *BASELINES)}) == 1 + len(BASELINES)
    assert OTHER.colour not in {look.colour for look in looks}


def test_a_copy_and_a_state_look_as_the_level_that_they_are_of():
    assert appearance(Copy.of(3, 10, 1)) == appearance(Place.imp(3))
    assert appearance(DenseState.after(10)) == appearance(Place.imp(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0, 3, 13])
def test_a_solution_at_the_end_of_a_line_looks_as_it_does_elsewhere(kind, level):
    assert end_appearance(Point.at(Place(kind, level))) == appearance(Place(kind, level))


def test_levels_of_a_study_differ_in_colour():
    assert len({level_colour(level) for level in range(14)}) == 14


@pytest.mark.parametrize("point", [Point.projection(3), Point.reverse(3), Point.next_larger(3)])
def test_what_is_no_solution_is_grey_at_the_end_of_a_line(point):
    assert end_appearance(point) == OTHER


def test_an_unknown_kind_raises_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'magic'; known are imp, .*prune_larger"):
        appearance(Place("magic", 3))
    assert "magic" not in BASELINES
