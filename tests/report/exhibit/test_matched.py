"""What is shown of one loss: every place, both differences, and what does not exist."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence, with_results

from lth.plan.jobs import matched_jobs, reverse_matched
from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_matched import MATCHED

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, matched_loss="on")


def rows(evidence):
    return list(csv.DictReader(io.StringIO(MATCHED.numbers(evidence).csv())))


def altered(evidence, change):
    return with_results(evidence, matched={job: change(job, found) for job, found in evidence.matched.items()})


def test_it_is_shown_of_studies_that_measured_it_and_of_no_others(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, MATCHED)
    assert exhibits_beyond(made_evidence(0, LAST)) == BEYOND


def test_every_pair_has_its_place_with_the_kept_epochs_around_it(evidence):
    found = rows(evidence)
    assert len(found) == len(matched_jobs(LAST)) == 2 * LAST + 2
    assert {row["lower"] for row in found} <= {row["sharper"] for row in found} | {
        row["flatter"] for row in found
    }
    assert all((row["epoch"], row["kept_before"], row["kept_after"]) == ("9.5", "8.0", "11.0") for row in found)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_how_far_curvature_follows_the_loss_is_said(power, evidence):
    """Eigenvalues of the lower are those it ended with, times a power of the factor between the losses."""

    def scaled(job, found):
        ended = evidence.curvature[found.moved].spectrum
        factor = (found.reached.loss / found.ends.loss) ** power
        spectrum = replace(ended, eigenvalues=factor * ended.eigenvalues)
        return replace(found, curvature=replace(found.curvature, spectrum=spectrum))

    assert f"raised log_eig_product by {power:.2g} k ln f" in MATCHED.found(altered(evidence, scaled))


def test_a_loss_that_was_never_reached_is_counted_and_leaves_a_gap(evidence):
    job = reverse_matched(1)

    def cut(each, found):
        return replace(found, reached=replace(found.reached, loss=0.009)) if each == job else found

    missing = altered(evidence, cut)
    assert "1 training of 6 never had the other's loss" in MATCHED.found(missing)
    (row,) = [row for row in rows(missing) if row["is_there"] == "no"]
    assert (row["log_eig_gap_at_one_loss"], row["radius_gap_at_one_loss"]) == ("", "")
    assert row["log_eig_gap_ended"] != ""


@pytest.mark.parametrize("seeds", [1, 3])
def test_it_is_drawn_with_every_seed(seeds):
    figure = MATCHED.draw_seeds([made_evidence(seed, LAST, matched_loss="on") for seed in range(seeds)])
    assert len(figure.axes) == 6
    thin = [line for line in figure.axes[0].lines if line.get_label() == "_seed"]
    assert len(thin) == (0 if seeds == 1 else 2 * seeds)
    assert all(np.isfinite(line.get_ydata()).all() for line in thin)
