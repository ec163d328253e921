"""Figures as files: at a journal's size, in text that can be read there, the same whenever they are drawn."""

import re

import pytest
from made_evidence import made_evidence
from matplotlib.text import Text

from lth.report.exhibit import BEYOND, EXHIBITS
from lth.report.figure.saved import saved
from lth.report.figure.style import ONE_COLUMN, SMALL_TEXT_SIZE, TWO_COLUMNS, head, new_figure, wrapped

DRAWN = [exhibit for exhibit in (*EXHIBITS, *BEYOND) if exhibit.draw is not None]
SEEDS = [made_evidence(seed, 2, directions=3, points=5) for seed in (0, 1)]


def drawn(exhibit):
    yield exhibit.draw(SEEDS[0])
    if exhibit.draw_seeds is not None:
        yield exhibit.draw_seeds(SEEDS)


@pytest.mark.parametrize("exhibit", DRAWN, ids=lambda exhibit: exhibit.file)
def test_every_figure_is_one_or_two_columns_wide_and_its_text_seven_points_or_more(exhibit):
    for figure in drawn(exhibit):
        assert figure.get_figwidth() in (ONE_COLUMN, pytest.approx(TWO_COLUMNS))
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        assert min(sizes) >= SMALL_TEXT_SIZE >= 7


def test_a_figure_is_a_picture_a_pdf_with_fonts_that_journals_take_and_an_svg():
    def made():
        figure = new_figure(ONE_COLUMN, 2.0)
        head(figure, "m(L)⊙w(L-1)")
        return saved(figure, "folder/name")

    files = made()
    assert list(files) == ["folder/name.png", "folder/name.pdf", "folder/name.svg"]
    assert files["folder/name.png"].startswith(b"\x89PNG")
    width, height = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+)", files["folder/name.pdf"]).groups()
    assert (float(width), float(height)) == (pytest.approx(72 * ONE_COLUMN), pytest.approx(144))
    assert b"/FontType 3" not in files["folder/name.pdf"]
    assert b"/Type3" not in files["folder/name.pdf"]
    assert b"<svg" in files["folder/name.svg"]
    assert made() == files


@pytest.mark.parametrize(("width", "height"), [(9.6, 4.2), (13.75, 5.5), (7.3, 1.0)])
def test_what_is_wider_than_two_columns_becomes_smaller_in_proportion(width, height):
    figure = new_figure(width, height)
    assert figure.get_figwidth() == pytest.approx(TWO_COLUMNS)
    assert figure.get_figheight() == pytest.approx(height * TWO_COLUMNS / width)


@pytest.mark.parametrize(
    "text", ["", "word", "random_prune_one_shot", "some words of a title\nand a second line"]
)
def test_text_is_broken_between_words_alone(text):
    lines = wrapped(text, 0.9).split("\n")
    assert " ".join(lines).split() == text.split()
    assert all(" " not in line or len(line) <= 0.9 * 72 / (0.54 * 7.5) for line in lines)
