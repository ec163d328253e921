"""The matrix of what each layer keeps."""

import numpy as np
import pytest

from lth.errors import InputError
from lth.plan.place import Place
from lth.report.figure.mask import draw_mask, layer_shares

SIZES = {"conv1": 100, "fc": 10}
LEVELS = {Place.imp(0): {"conv1": 1.0, "fc": 1.0}, Place.imp(1): {"conv1": 0.755, "fc": 0.9}}


def texts(found) -> list[str]:
    return [text.get_text() for text in draw_mask(found).axes[0].texts]


def test_each_cell_says_the_share_of_its_layer_in_percent():
    assert texts(layer_shares(SIZES, LEVELS)) == ["100", "75.5", "100", "90"]


def test_layers_stand_in_the_order_of_the_network_with_their_size():
    axes = draw_mask(layer_shares(SIZES, LEVELS)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv1  (100)", "fc  (10)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["dense", "level 1"]


@pytest.mark.parametrize("share", [0.0, 1e-7, 1.0])
def test_a_layer_that_keeps_nothing_or_all_is_drawn(share, tmp_path):
    found = layer_shares(SIZES, {Place("one_shot", 3): {"conv1": share, "fc": 1.0}})
    draw_mask(found).savefig(tmp_path / "mask.png")


def test_what_is_not_known_is_a_question_mark_and_an_empty_cell():
    found = layer_shares(SIZES, {Place.imp(0): {"conv1": 1.0}})
    assert texts(found) == ["100", "?"]
    assert np.isnan(found.shares[1, 0])
    assert found.table().rows[1] == ("fc", 10, "dense", "imp", 0, None)


def test_without_a_solution_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="no mask"):
        draw_mask(layer_shares(SIZES, {}))
