"""What does not exist, is a bound or has not converged is shown as such."""

from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence, with_results

from lth.plan.jobs import successive_line
from lth.plan.place import Place, Point
from lth.report.exhibit import BEYOND, EXHIBITS
from lth.training.evaluate import Evaluation

FILES = [one.file for one in (*EXHIBITS, *BEYOND)]


def with_spectrum(evidence, point, **changes):
    found = evidence.curvature[point]
    spoiled = replace(found, spectrum=replace(found.spectrum, **changes))
    return with_results(evidence, curvature={**evidence.curvature, point: spoiled})


def spoil(evidence):
    """Return the evidence with everything missing at once that can be."""
    evidence = with_spectrum(evidence, Point.projection(2), eigenvalues=np.array([5.0, 3, 2, 1, -0.1, -2]))
    evidence = with_spectrum(evidence, Point.at(Place.imp(2)), converged=False)
    radii = {
        job: {
            point: replace(one, censored=np.arange(len(one.censored)) < 2, radii=one.radii * 1e4)
            for point, one in points.items()
        }
        for job, points in evidence.radii.items()
    }
    lines = {}
    for job, line in evidence.lines.items():
        losses = line.stored.train_loss.copy()
        losses[3:5] = np.nan, np.inf
        lines[job] = replace(line, stored=replace(line.stored, train_loss=losses), anew=None)
    surface = evidence.surface.surface
    losses = surface.loss.copy()
    losses[0, :2] = np.nan, np.inf
    history = [*evidence.attained[Place.imp(1)].history]
    history[4] = replace(history[4], train=Evaluation(float("nan"), 0.1))
    attained = {
        **evidence.attained,
        Place.imp(1): replace(evidence.attained[Place.imp(1)], history=tuple(history)),
    }
    return with_results(
        replace(evidence, attained=attained),
        radii=radii,
        lines=lines,
        surface=replace(evidence.surface, surface=replace(surface, loss=losses)),
    )


@pytest.fixture(scope="module")
def spoiled():
    return spoil(made_evidence(last=2))


def legends(figure):
    return [
        text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()
    ]


@pytest.mark.parametrize("file", FILES)
def test_missing_data_stop_no_exhibit(file, exhibit, spoiled):
    one = exhibit(file)
    assert one.found(spoiled).endswith(".")
    assert one.numbers(spoiled).csv() == one.numbers(spoiled).csv()
    if one.draw is not None:
        assert one.draw(spoiled).axes


@pytest.mark.parametrize("file", ["fig05_spectra_projection", "fig12_lines_successive", "fig13_surface"])
def test_what_flags_missing_data_has_room_on_the_page(file, exhibit, spoiled):
    figure = exhibit(file).draw(spoiled)
    figure.draw_without_rendering()
    inside = figure.bbox.padded(2)
    for axes in figure.axes:
        if axes.get_legend() is not None:
            corners = axes.get_legend().get_window_extent()
            assert inside.contains(*corners.min)
            assert inside.contains(*corners.max)


def test_a_log_product_that_does_not_exist_is_an_empty_cell_with_a_note(records, exhibit, spoiled):
    record = records("table1_projection", spoiled)[1]
    assert record["log_eig_product at m(L)⊙w(L-1)"] is None
    assert record["difference"] is None
    assert "m(2)⊙w(1): not all leading eigenvalues are positive" in record["note"]
    assert "not converged: w(2)" in record["note"]
    found = exhibit("table1_projection").found(spoiled)
    assert "for 1 of 1 level" in found
    assert "does not exist for L = 2" in found
    assert "1 of the spectra has not converged" in found


def test_spectra_flag_what_is_not_positive_and_not_converged(exhibit, spoiled):
    texts = legends(exhibit("fig05_spectra_projection").draw(spoiled))
    assert "m(2)⊙w(1): no Σ ln λ, 2 not surely > 0 (×)" in texts
    assert any(text.startswith("w(2): ") and text.endswith("NOT CONVERGED") for text in texts)


def test_censored_radii_are_triangles_and_make_the_mean_a_bound(records, exhibit, spoiled):
    figure = exhibit("fig06_radii_projection").draw(spoiled)
    assert all("mean ≥ " in text and "2 of 20 never cross" in text for text in legends(figure))
    triangles = [line for line in figure.axes[0].lines if line.get_marker() == "^"]
    assert [len(line.get_xdata()) for line in triangles] == [2, 2]
    assert records("table2_radii_projection", spoiled)[0]["radii that are lower bounds at w(L)"] == 2
    assert "lower bounds" in exhibit("table2_radii_projection").found(spoiled)


def test_a_line_that_is_not_finite_has_a_gap_and_no_barrier(records, exhibit, spoiled):
    figure = exhibit("fig12_lines_successive").draw(spoiled)
    count = spoiled.setting.analysis.points
    assert f"no barrier, 2 of {count} not finite" in legends(figure)
    record = records("fig12_lines_successive", spoiled)[0]
    assert record["barrier_train_loss"] is None
    assert record["barrier_test_error"] is not None
    assert "none is defined for L = 1, 2" in exhibit("fig12_lines_successive").found(spoiled)


def test_a_network_without_batchnorm_has_one_line_only(records, spoiled):
    assert spoiled.lines[successive_line(1)].anew is None
    assert {record["batchnorm_statistics"] for record in records("fig12_lines_successive", spoiled)} == {
        "interpolated"
    }


def test_a_training_that_is_not_finite_has_no_steepness(records, exhibit, spoiled):
    steepness = {
        (record["level"], record["trained_level"]): record["steepness"]
        for record in records("fig04_steepness", spoiled)
    }
    assert steepness[1, 1] is None
    assert steepness[1, 0] is not None
    assert "level 1: no steepness" in legends(exhibit("fig04_steepness").draw(spoiled))


def test_evidence_against_the_paper_is_said_to_be(exhibit):
    evidence = made_evidence(last=3)
    high = evidence.curvature[Point.at(Place.imp(3))].spectrum.eigenvalues * 10
    evidence = with_spectrum(evidence, Point.at(Place.imp(3)), eigenvalues=high)
    assert "for 2 of 3 levels" in exhibit("table1_projection").found(evidence)
    assert "against the paper's direction" in exhibit("fig10_spectra_random_init").found(evidence)
