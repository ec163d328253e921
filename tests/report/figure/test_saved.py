"""Figures as files: at a journal's size, in text that can be read there, the same whenever they are drawn."""

import io
import re

import numpy as np
import pytest
from made_evidence import made_evidence
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

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


@pytest.mark.parametrize("shades", [3, 1000])
def test_a_picture_takes_a_byte_a_pixel_and_shows_what_was_drawn(shades):
    figure, whole = new_figure(ONE_COLUMN, 1.5), io.BytesIO()
    figure.subplots().imshow(np.arange(shades)[np.newaxis], aspect="auto")
    figure.savefig(whole, format="png", dpi=220)
    drawn, kept = Image.open(whole), Image.open(io.BytesIO(saved(figure, "name")["name.png"]))
    assert kept.mode == "P"
    assert kept.size == drawn.size
    away = np.abs(np.asarray(drawn.convert("RGB"), float) - np.asarray(kept.convert("RGB"), float))
    assert np.percentile(away, 99) <= 12  # of 255
    assert np.asarray(kept.convert("RGB"))[0, 0].tolist() == [255, 255, 255]


def test_a_figure_is_laid_out_for_its_picture_and_drawn_once_for_each_other_format(monkeypatch):
    times, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda *given: (times.append(1), draw(*given))[1])
    saved(new_figure(ONE_COLUMN, 2.0), "name")
    assert len(times) == 2 + 1 + 1


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
