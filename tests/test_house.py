import pytest
from house import PAGE, ROOT, tree, with_tree


def test_the_page_shows_every_module_that_there_is_with_its_first_line():
    page = PAGE.read_text()
    assert page == with_tree(page, tree(ROOT / "lth")), "docs/house.md is stale; run `make house`"


def test_a_tree_has_a_line_a_module_rooms_behind_modules(tmp_path):
    house = tmp_path / "house"
    (house / "attic").mkdir(parents=True)
    (house / "__init__.py").write_text('"""Where we live.\n\nAnd why."""\n')
    (house / "stairs.py").write_text('"""The way up."""\n')
    (house / "attic" / "__init__.py").write_text('"""What nobody needs."""\n')
    (house / "attic" / "trunk.py").write_text("")
    lines = [line.split(maxsplit=1) for line in tree(house).splitlines()[1:-1]]
    assert lines == [
        ["house/", "Where we live."],
        ["stairs.py", "The way up."],
        ["attic/", "What nobody needs."],
        ["trunk.py"],
    ]


def test_a_page_without_a_place_for_a_tree_is_refused():
    with pytest.raises(ValueError, match="no place for a tree"):
        with_tree("# A page\n", "tree")
