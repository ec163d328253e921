"""What is shown of layers: each with its certificate in the numbers, and what has no log-product said so."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence

from lth.measure.kind.layers import LayerSpectra
from lth.plan.jobs import LayersJob
from lth.plan.place import Place, Point
from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_layer_spectra import LAYER_SPECTRA

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, beyond="layers", layer_k=5)


def without(evidence, point, name):
    """Return the evidence where a layer has no coordinate left at a point."""
    found = evidence.layers[point]
    left = {layer: block for layer, block in found.layers.items() if layer != name}
    gone = LayerSpectra(left, (*found.gone, name), found.examples)
    return replace(evidence, measured={**evidence.measured, LayersJob(point): gone})


def rows(evidence):
    return list(csv.DictReader(io.StringIO(LAYER_SPECTRA.numbers(evidence).csv())))


def test_it_is_shown_of_studies_that_measured_it_alone(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, LAYER_SPECTRA)
    assert LAYER_SPECTRA not in exhibits_beyond(made_evidence(0, LAST))


def test_every_layer_has_a_row_a_point_with_its_certificate_k_and_examples(evidence):
    found = rows(evidence)
    assert len(found) == (2 * LAST + 1) * 3
    assert {row["point"] for row in found} == {"w(0)", "w(1)", "w(2)", "m(1)⊙w(0)", "m(2)⊙w(1)"}
    assert {row["k"] for row in found} == {"5"}
    assert {row["examples"] for row in found} == {"144"}
    assert all(float(row["largest_at_most"]) > float(row["largest"]) for row in found)
    assert {row["layer"] for row in found if not row["log_eig_product"]} == {"fc"}


def test_what_is_said_names_the_sharpest_layer_and_where_there_is_no_product(evidence):
    said = LAYER_SPECTRA.found(evidence)
    assert "Of 3 layers at w(2), over 144 examples, the largest eigenvalue is in fc (12" in said
    assert "larger at m(2)⊙w(1) than at w(2) in 2 of 2 layers, and does not exist in 1" in said
    assert "15 of 15 spectra of up to 5 eigenvalues are certified" in said


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("name", ["conv1", "fc"])
def test_it_is_drawn_with_every_seed_and_without_what_is_gone(seeds, name):
    every = [made_evidence(seed, LAST, beyond="layers") for seed in range(seeds)]
    figure = LAYER_SPECTRA.draw_seeds([without(each, Point.at(Place.imp(LAST)), name) for each in every])
    labels = [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
    assert {"conv1", "conv2", "fc"} <= set(labels)
    (mapped,) = [image.get_array() for axes in figure.axes for image in axes.images]
    shown = np.ma.getmaskarray(mapped) | ~np.isfinite(np.ma.filled(mapped, np.nan))
    assert shown[:, 2].all()  # fc has no log-product anywhere
    assert bool(shown[LAST - 1, 0]) == (name == "conv1")


def test_a_study_whose_layers_are_all_gone_says_so(evidence):
    for name in ("conv1", "conv2", "fc"):
        evidence = without(evidence, Point.at(Place.imp(LAST)), name)
    assert LAYER_SPECTRA.found(evidence) == "No layer has a coordinate left at w(2)."
    assert len(rows(evidence)) == (2 * LAST) * 3
