import pytest

from lth.plan.place import BASELINES, Place, Point, parse_place


def test_places_are_called_what_solutions_are():
    assert Place.imp(0).name == "dense"
    assert Place.imp(3).name == "level 3"
    assert Place("one_shot", 3).name == "one_shot at level 3"


@pytest.mark.parametrize(
    ("point", "name", "symbol"),
    [
        (Point.at(Place.imp(0)), "dense", "w(0)"),
        (Point.at(Place.imp(3)), "level 3", "w(3)"),
        (Point.at(Place("one_shot", 3)), "one_shot at level 3", "one_shot"),
        (Point.projection(3), "projection on level 3", "m(3)⊙w(2)"),
        (Point.reverse(3), "level 3 in level-2 space", "w(3) in level-2 space"),
        (Point.next_larger(3), "next-larger pruned on level 3", "m′(3)⊙w(2)"),
    ],
)
def test_points_have_a_name_and_a_symbol(point, name, symbol):
    assert point.name == name
    assert point.symbol == symbol


@pytest.mark.parametrize(
    ("point", "needs"),
    [
        (Point.at(Place.imp(2)), (Place.imp(2),)),
        (Point.at(Place("fine_tune", 2)), (Place("fine_tune", 2),)),
        (Point.projection(2), (Place.imp(1), Place.imp(2))),  # weights of w(1), mask of w(2)
        (Point.reverse(2), (Place.imp(2), Place.imp(1))),  # weights of w(2), mask of w(1)
        (Point.next_larger(2), (Place.imp(1),)),  # both of w(1)
        (Point.projection(1), (Place.imp(0), Place.imp(1))),
    ],
)
def test_a_point_needs_its_weights_first_and_its_mask_last(point, needs):
    assert point.needs == needs


def test_points_of_one_level_differ():
    points = [Point.at(Place.imp(2)), Point.projection(2), Point.reverse(2), Point.next_larger(2)]
    for describe in (lambda p: p, lambda p: p.name, lambda p: p.symbol):
        assert len({describe(point) for point in points}) == 4


def test_points_and_places_are_values():
    assert Point.projection(2) == Point("projection", Place("imp", 2))
    assert {Place.imp(1): "a"}[Place("imp", 1)] == "a"
    assert sorted([Place.imp(10), Place.imp(2), Place.imp(0)]) == [Place.imp(0), Place.imp(2), Place.imp(10)]


@pytest.mark.parametrize(("written", "level"), [("0", 0), ("3", 3), ("5", 5), ("last", 5), ("04", 4)])
def test_a_level_is_read(written, level):
    assert parse_place(written, 5) == Place.imp(level)


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_is_read_as_the_one_at_the_last_level(kind):
    assert parse_place(kind, 5) == Place(kind, 5)


@pytest.mark.parametrize(
    "written", ["6", "-1", "1.5", "", "dense", "imp", "Last", "one-shot", "²", "+1", "1e0", "9" * 5000]
)
def test_anything_else_raises(written):
    with pytest.raises(ValueError, match=r"is no solution of this study|limit"):
        parse_place(written, 5)


def test_the_error_says_what_can_be_written():
    with pytest.raises(
        ValueError, match=r"'6' is no solution of this study; write a level from 0 to 5, or one of last, "
    ):
        parse_place("6", 5)
    with pytest.raises(ValueError, match=", ".join(BASELINES)):
        parse_place("6", 5)


def test_the_dense_level_has_no_baselines():
    assert parse_place("last", 0) == parse_place("0", 0) == Place.imp(0)
    with pytest.raises(
        ValueError, match=r"'one_shot' is no solution of this study; .* from 0 to 0, or one of last$"
    ):
        parse_place("one_shot", 0)
