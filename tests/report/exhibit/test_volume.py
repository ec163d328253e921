"""What is shown of local volumes: every mean with its interval, what is a bound, and where the proxy parts."""

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
    volumes = {
        job: {beside: change(job, each) for beside, each in found.items()}
        for job, found in evidence.volumes.items()
    }
    return with_results(evidence, volumes=volumes)


def bounds_alone(evidence):
    def spread(_job, volume):
        return replace(volume, log_volumes=volume.log_volumes + np.linspace(0, 300, len(volume.log_volumes)))

    return altered(evidence, spread)


def test_it_is_shown_of_studies_that_measured_it_and_of_no_others(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, VOLUME)
    assert exhibits_beyond(made_evidence(0, LAST)) == BEYOND


def test_both_points_of_every_pair_have_a_row_with_their_interval(evidence):
    found = rows(evidence)
    assert len(found) == 2 * len(volume_pairs(LAST))
    assert all(float(row["low"]) < float(row["log_volume"]) < float(row["high"]) for row in found)
    assert {row["is_estimated"] for row in found} == {"yes"}
    assert [row["claim"] for row in found if row["point"] == "one_shot"] == ["R3"]


def test_a_lower_bound_has_no_upper_end_and_two_have_no_gap(evidence):
    found = rows(bounds_alone(evidence))
    assert {(row["high"], row["is_estimated"], row["gap_a_weight"]) for row in found} == {("", "no", "")}
    assert "0 are estimates, the others are lower bounds" in VOLUME.found(bounds_alone(evidence))
    assert "lower bounds" not in VOLUME.found(evidence)


def test_where_the_volume_and_the_product_part_is_said(evidence):
    def fine_tuned_is_larger(job, volume):
        more = 1000.0 if job.point.place.kind == "fine_tune" else 0.0
        return replace(volume, log_volumes=volume.log_volumes + more)

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
    assert ("(lower bounds)" if seeds == 1 else f"({LAST} of {LAST * seeds} are lower bounds)") in label
    thin = [line for line in figure.axes[0].lines if line.get_label() == "_seed"]
    assert len(thin) == (0 if seeds == 1 else 2 * seeds)
