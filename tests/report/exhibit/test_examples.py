"""What is shown of the number of examples: every size, the limit with its uncertainty, and what is missing."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import K, made_evidence

from lth.plan.jobs import PartJob
from lth.plan.place import Place, Point
from lth.report.exhibit import BEYOND, exhibits_beyond
from lth.report.exhibit.beyond_examples import EXAMPLES

LAST = 2


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, halvings=2)


def rows(evidence):
    return list(csv.DictReader(io.StringIO(EXAMPLES.numbers(evidence).csv())))


def test_it_is_shown_of_studies_that_halved_their_examples_and_of_no_others(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, EXAMPLES)
    assert exhibits_beyond(made_evidence(0, LAST)) == BEYOND


def test_every_part_has_a_row_and_every_point_a_limit_with_its_uncertainty(evidence):
    found = rows(evidence)
    assert len(found) == (2 * LAST + 1) * (1 + 2 + 4 + 1)
    assert {row["examples"] for row in found} == {"144.0", "72.0", "36.0", "limit"}
    limits = [row for row in found if row["examples"] == "limit"]
    assert all(float(row["uncertainty"]) > 0 for row in limits)
    solution = [row for row in found if (row["of"], row["level"]) == ("w(L)", "1")]
    whole, limit = float(solution[0]["log_eig_product"]), float(solution[-1]["log_eig_product"])
    assert limit == pytest.approx(whole - K * np.log(1.02), abs=0.02), "parts are 2 % above the whole"


def test_what_is_said_names_every_size_and_whether_the_limit_changes_a_sign(evidence):
    said = EXAMPLES.found(evidence)
    assert all(f"on {size}" in said for size in (144, 72, 36))
    assert "its sign is that of the limit at 2 of 2 levels" in said


@pytest.mark.parametrize(("parts", "sizes"), [(2, 1), (4, 2)])
def test_a_part_whose_product_does_not_exist_leaves_its_size_and_all_smaller_out(parts, sizes, evidence):
    job = PartJob(Point.at(Place.imp(1)), 1, parts)
    part = evidence.parts[job]
    spectrum = replace(part.curvature.spectrum, eigenvalues=np.linspace(1, -1, K))
    none = replace(part, curvature=replace(part.curvature, spectrum=spectrum))
    changed = replace(evidence, measured={**evidence.measured, job: none})
    found = {row["examples"] for row in rows(changed) if (row["of"], row["level"]) == ("w(L)", "1")}
    assert len(found - {"limit"}) == sizes
    assert ("limit" in found) == (sizes > 1)
    EXAMPLES.draw(changed)


@pytest.mark.parametrize("seeds", [1, 2])
def test_it_is_drawn_with_every_seed(seeds):
    figure = EXAMPLES.draw_seeds([made_evidence(seed, LAST, halvings=1) for seed in range(seeds)])
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "144 examples",
        "72 examples",
        "ever more, extrapolated",
    ]
