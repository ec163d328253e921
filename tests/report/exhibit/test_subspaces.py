"""What is shown of eigenvectors: every share beside that of chance, of one seed and of several."""

import csv
import io

import numpy as np
import pytest
from made_evidence import K, made_evidence

from lth.report.exhibit import BEYOND, EVERY, exhibits_beyond
from lth.report.exhibit.beyond_localisation import LOCALISATION
from lth.report.exhibit.beyond_subspaces import SUBSPACES

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, vectors="on")


def rows(exhibit, evidence):
    return list(csv.DictReader(io.StringIO(exhibit.numbers(evidence).csv())))


def test_they_are_shown_of_studies_that_kept_them_and_of_no_others(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, SUBSPACES, LOCALISATION)
    assert exhibits_beyond(made_evidence(0, LAST)) == BEYOND
    assert {SUBSPACES, LOCALISATION} <= set(EVERY)


def test_every_number_of_leading_eigenvectors_has_a_row_at_every_level_above_0(evidence):
    found = rows(SUBSPACES, evidence)
    assert [(int(row["level"]), int(row["eigenvectors"])) for row in found] == [
        (level, count) for level in (1, 2) for count in range(1, K + 1)
    ]
    assert all(float(row["chance_in_level_before"]) < float(row["overlap_levels"]) for row in found)
    assert {round(float(row["kept_by_chance"]), 6) for row in found} == {0.9}


def test_what_is_said_is_the_mean_over_levels_beside_chance(evidence):
    shown = [row for row in rows(SUBSPACES, evidence) if int(row["eigenvectors"]) == K]
    mean = np.mean([float(row["overlap_spaces"]) for row in shown])
    assert f"two spaces by {mean:.4g} (" in SUBSPACES.found(evidence)
    assert "On average over 2 levels" in SUBSPACES.found(evidence)


def test_every_layer_has_its_share_at_every_level(evidence):
    found = rows(LOCALISATION, evidence)
    assert len(found) == 2 * (LAST + 1)
    for level in range(LAST + 1):
        of_level = [row for row in found if int(row["level"]) == level]
        assert sum(float(row["share_of_span"]) for row in of_level) == pytest.approx(1)
        assert sum(float(row["share_of_coordinates"]) for row in of_level) == pytest.approx(1)
    assert "conv.weight, which has 0.5 of the coordinates" in LOCALISATION.found(evidence)


@pytest.mark.parametrize("exhibit", [SUBSPACES, LOCALISATION], ids=lambda exhibit: exhibit.file)
@pytest.mark.parametrize("seeds", [1, 2])
def test_they_are_drawn_with_every_seed(exhibit, seeds):
    figure = exhibit.draw_seeds([made_evidence(seed, LAST, vectors="on") for seed in range(seeds)])
    thin = [line for line in figure.axes[0].lines if line.get_label() == "_seed"]
    assert bool(thin) == (seeds > 1)
    assert all(np.isfinite(line.get_ydata()).all() for line in thin)
