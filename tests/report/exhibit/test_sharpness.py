"""What is shown of sharpness: every point, kind and size in the numbers, and every seed in the figure."""

import csv
import io

import numpy as np
import pytest
from made_evidence import made_evidence

from lth.plan.jobs import places
from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_sharpness import SHARPNESS

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, beyond="sharpness", rho="0.01,0.05,0.2")


def test_it_is_shown_of_studies_that_measured_it_alone(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, SHARPNESS)
    assert SHARPNESS not in exhibits_beyond(made_evidence(0, LAST))


def test_every_solution_and_what_pruning_leaves_has_a_row_a_kind_and_size(evidence):
    found = list(csv.DictReader(io.StringIO(SHARPNESS.numbers(evidence).csv())))
    assert len(found) == (len(places(LAST)) + LAST) * 4 * 3
    assert {row["point"] for row in found} >= {"w(2)", "m(2)⊙w(1)", "random_init"}
    assert {float(row["rho"]) for row in found} == {0.01, 0.05, 0.2}


def test_what_is_said_is_of_the_largest_change(evidence):
    said = SHARPNESS.found(evidence)
    assert "at ρ = 0.2 is larger at m(L)⊙w(L-1) than at w(L) for 2 of 2 levels" in said
    assert "the worst case of p = 2 is least at w(2)" in said


@pytest.mark.parametrize("seeds", [1, 2])
def test_it_is_drawn_with_every_seed(seeds):
    figure = SHARPNESS.draw_seeds([made_evidence(seed, LAST, beyond="sharpness") for seed in range(seeds)])
    thin = [line for axes in figure.axes for line in axes.lines if line.get_label() == "_seed"]
    assert bool(thin) == (seeds > 1)
    assert all(np.isfinite(line.get_ydata()).all() for line in thin)
