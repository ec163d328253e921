"""What is shown of the mass of basins: every one with its interval, what is a bound, where the proxy parts."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence, with_results

from lth.plan.jobs import volume_pairs
from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_volume import VOLUME

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, beyond=("volume",))


def rows(evidence):
    return list(csv.DictReader(io.StringIO(VOLUME.numbers(evidence).csv())))


def altered(evidence, change):
    return with_results(
        evidence, masses={point: change(point, noisy) for point, noisy in evidence.masses.items()}
    )


def bounds_alone(evidence):
    return altered(evidence, lambda _point, noisy: replace(noisy, ends=noisy.ends + 1.0))


def test_it_is_shown_of_studies_that_measured_it_and_of_no_others(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, VOLUME)
    assert exhibits_beyond(made_evidence(0, LAST)) == BEYOND


def test_both_points_of_every_pair_have_a_row_with_their_interval_and_the_volume_beside(evidence):
    found = rows(evidence)
    assert len(found) == 2 * len(volume_pairs(LAST))
    assert all(float(row["low"]) < float(row["log_mass"]) < float(row["high"]) <= 0 for row in found)
    assert {(row["is_estimated"], row["log_volume_is_estimated"]) for row in found} == {("yes", "yes")}
    assert [row["claim"] for row in found if row["point"] == "one_shot"] == ["R3"]


def test_an_upper_bound_has_no_lower_end_and_two_have_no_gap(evidence):
    found = rows(bounds_alone(evidence))
    assert {(row["low"], row["is_estimated"], row["gap"]) for row in found} == {("", "no", "")}
    assert "0 are estimates, the others are upper bounds" in VOLUME.found(bounds_alone(evidence))
    assert "upper bounds" not in VOLUME.found(evidence)


def test_a_window_in_which_bounds_would_be_estimates_is_told(evidence):
    def too_wide(_point, noisy):
        return replace(
            noisy,
            levels=np.full(240, noisy.lowest + 0.3),
            run=np.repeat(np.arange(4), 60),
            ends=noisy.ends + 1.0,
        )

    analysis = evidence.setting.analysis
    said = VOLUME.found(altered(evidence, too_wide))
    window = float(said.split("mass_window=")[1].split()[0])
    assert 0 < window < analysis.mass_window


def test_volumes_that_are_lower_bounds_are_counted(evidence):
    heavy = {
        job: {
            beside: replace(each, log_volumes=each.log_volumes + np.linspace(0, 300, len(each.log_volumes)))
            for beside, each in found.items()
        }
        for job, found in evidence.volumes.items()
    }
    said = VOLUME.found(with_results(evidence, volumes=heavy))
    assert f"without a window, 0 of {2 * len(volume_pairs(LAST))} volumes are more than lower bounds" in said


def test_where_the_mass_and_the_product_part_is_said(evidence):
    def fine_tuned_is_larger(point, noisy):
        if point.place.kind != "fine_tune":
            return noisy
        return replace(noisy, levels=noisy.levels[:4], run=np.arange(4))

    assert "they part nowhere" in VOLUME.found(evidence)
    assert "R7 1 and 1 of 1" in VOLUME.found(evidence)
    said = VOLUME.found(altered(evidence, fine_tuned_is_larger))
    assert "they part in R7 at fine_tune" in said
    assert "R7 0 and 1 of 1" in said


@pytest.mark.parametrize("seeds", [1, 3])
def test_it_is_drawn_with_every_seed_and_counts_what_is_a_bound(seeds):
    studies = [made_evidence(seed, LAST, beyond=("volume",)) for seed in range(seeds)]
    figure = VOLUME.draw_seeds([bounds_alone(studies[0]), *studies[1:]])
    assert len(figure.axes) == 8
    label = figure.axes[0].get_legend().get_texts()[0].get_text().replace("\n", " ")
    assert ("(upper bounds)" if seeds == 1 else f"({LAST} of {LAST * seeds} are upper bounds)") in label
    thin = [line for line in figure.axes[0].lines if line.get_label() == "_seed"]
    assert len(thin) == (0 if seeds == 1 else 2 * seeds)
