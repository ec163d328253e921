import typing

import pytest

from lth.plan.place import Kind, Place
from lth.report.figure.appearance import BASELINES, OTHER, appearance, appearance_of, level_colour

KINDS = typing.get_args(Kind)


def test_every_kind_of_solution_has_its_own_colour_and_marker():
    looks = [appearance(kind, 3) for kind in KINDS]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(KINDS)
    assert OTHER.colour not in {look.colour for look in looks}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0, 3, 13])
def test_a_name_gives_the_appearance_of_its_kind_and_level(kind, level):
    assert appearance_of(Place(kind, level).name) == appearance(kind, level)


def test_levels_of_a_study_differ_in_colour():
    assert len({level_colour(level) for level in range(14)}) == 14


def test_other_names_are_grey():
    assert appearance_of("rewind point") == appearance_of("magic at level 3") == OTHER


def test_an_unknown_kind_raises_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'magic'; known are imp, .*prune_larger"):
        appearance("magic", 3)
    assert "magic" not in BASELINES
