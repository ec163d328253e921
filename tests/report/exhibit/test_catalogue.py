import io
import re
from pathlib import Path

import pytest
from made_evidence import made_evidence

import lth.report.exhibit
from lth.report.exhibit import BEYOND, EXHIBITS

SOURCES = sorted(Path(lth.report.exhibit.__file__).parent.glob("*.py"))
ALL = (*EXHIBITS, *BEYOND)
DRAWN = [one for one in ALL if one.draw is not None]
# The others are drawn by the same functions; rendering takes half a second each.
_KINDS = ("fig01", "fig02", "fig03", "fig04", "fig05", "fig06", "fig09", "fig12", "fig13", "fig14", "fig22")
ONE_OF_EACH_KIND = [one for one in DRAWN if one.file.startswith((*_KINDS, "beyond_barriers", "beyond_regime"))]


def name(exhibit):
    return exhibit.file


@pytest.fixture(scope="module")
def one_level():
    return made_evidence(last=1)


def rendered(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=30)
    return picture.getvalue()


def numbers_in(pattern):
    return [int(match[1]) for one in EXHIBITS if (match := re.match(pattern, one.file))]


def test_every_figure_of_the_paper_is_there_in_order():
    assert numbers_in(r"fig(\d\d)_") == list(range(1, 23))


def test_every_table_of_the_paper_is_there_in_order():
    assert numbers_in(r"table(\d)_") == [1, 2, 3, 4, 5, 8, 9]


def test_titles_give_the_numbers_of_the_files():
    roman = {1: "I", 2: "II", 3: "III", 4: "IV", 5: "V", 8: "VIII", 9: "IX"}
    for one in EXHIBITS:
        kind, number = re.match(r"(fig|table)(\d+)_", one.file).groups()
        label = f"Fig. {int(number)}" if kind == "fig" else f"Table {roman[int(number)]}"
        assert re.match(rf"{re.escape(label)}( \([^)]+\))?: ", one.title), one.title


def test_all_figures_of_the_second_network_are_named():
    doubles = {int(found) for one in EXHIBITS for found in re.findall(r"\((\d+) for VGG-16\)", one.title)}
    assert doubles == set(range(23, 33))
    assert {found for one in EXHIBITS for found in re.findall(r"\((V\w+) for VGG-16\)", one.title)} == {
        "VI",
        "VII",
    }


def test_files_are_unique_and_plain():
    files = [one.file for one in ALL]
    assert len(set(files)) == len(files)
    assert all(re.fullmatch(r"[a-z0-9_]+", file) for file in files)
    assert all(one.file.startswith("beyond_") for one in BEYOND)


def test_figures_are_drawn_and_tables_are_not():
    assert all((one.draw is None) == one.file.startswith("table") for one in ALL)


def test_what_the_paper_shows_is_one_sentence():
    assert all(one.paper.endswith(".") and "\n" not in one.paper for one in ALL)


@pytest.mark.parametrize("exhibit", ONE_OF_EACH_KIND, ids=name)
def test_drawing_twice_from_equal_evidence_gives_the_same_picture(exhibit, one_level):
    first = rendered(exhibit.draw(one_level))
    assert first == rendered(exhibit.draw(made_evidence(last=1)))
    assert len(first) > 1000


@pytest.mark.parametrize("exhibit", DRAWN, ids=name)
def test_every_figure_draws_one_level_and_several(exhibit, one_level, evidence):
    assert exhibit.draw(one_level).axes
    assert exhibit.draw(evidence).axes


@pytest.mark.parametrize("exhibit", ALL, ids=name)
def test_every_exhibit_has_numbers_and_a_sentence(exhibit, one_level, evidence):
    for some in (one_level, evidence):
        table, found = exhibit.numbers(some), exhibit.found(some)
        assert table.rows
        assert all(isinstance(cell, str | int | float | None) for row in table.rows for cell in row)
        assert table.csv() == exhibit.numbers(some).csv()
        assert found.endswith(".")
        assert "nan" not in found


@pytest.mark.parametrize("last", [6, 13])
def test_small_multiples_have_a_panel_a_level_in_at_most_five_columns(last, exhibit):
    figure = exhibit("fig05_spectra_projection").draw(made_evidence(last=last))
    assert len(figure.axes) == last
    assert figure.axes[0].get_gridspec().ncols <= 5


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_drawing_uses_no_global_state_of_matplotlib(path):
    assert not re.search(r"pyplot|rcParams|rc_context", path.read_text())
