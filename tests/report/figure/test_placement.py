import numpy as np
import pytest

from lth.report.figure.placement import place_labels


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_labels_keep_apart_from_each_other_and_from_every_anchor(spread):
    anchors = spread * np.random.default_rng(0).normal(size=(15, 2))
    places = anchors + place_labels(anchors, radius=6, gap=2)
    among = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(15, 1)]
    to_anchors = np.linalg.norm(places[:, None] - anchors, axis=2)
    assert among.min() >= 14 - 1e-9
    assert to_anchors.min() >= 8 - 1e-9


def test_a_lone_label_stays_near_its_anchor():
    (offset,) = place_labels(np.array([[100.0, 50.0]]), radius=6, gap=2)
    assert 8 <= np.linalg.norm(offset) <= 12


def test_no_anchor_gives_no_offset():
    assert place_labels(np.empty((0, 2)), radius=6, gap=2).shape == (0, 2)
