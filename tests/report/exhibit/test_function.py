"""What is shown of functions, layers and masks: every pair in the numbers, and every seed in the figures."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from made_evidence import made_evidence

from lth.evidence.evidence import Evidence
from lth.plan.jobs import FunctionJob, places
from lth.report.exhibit import BEYOND, EVERY, exhibits_beyond
from lth.report.exhibit.beyond_function import DISAGREEMENT, FUNCTION_MAPS, KL, OUTPUTS
from lth.report.exhibit.beyond_layers import CKA, MASKS

LAST = 2
COUNT = len(places(LAST))


@pytest.fixture(scope="module")
def evidence():
    return made_evidence(0, LAST, beyond="function")


def rows(exhibit, evidence):
    return list(csv.DictReader(io.StringIO(exhibit.numbers(evidence).csv())))


def without(evidence: Evidence, *names: str) -> Evidence:
    """Return evidence whose outputs have none of these distances."""
    (job,) = (job for job in evidence.measured if isinstance(job, FunctionJob))
    found = evidence.functions
    gone = {name: np.full_like(found.functions.rms, np.nan) for name in names}
    changed = replace(found, functions=replace(found.functions, **gone))
    return replace(evidence, measured={**evidence.measured, job: changed})


def test_studies_that_measured_them_show_them_and_no_others(evidence):
    assert exhibits_beyond(evidence) == (*BEYOND, DISAGREEMENT, KL, CKA, MASKS)
    assert exhibits_beyond(made_evidence(0, LAST)) == BEYOND
    assert {*FUNCTION_MAPS, CKA, MASKS} <= set(EVERY)


def test_what_outputs_are_decides_which_distances_are_shown(evidence):
    of_numbers = without(evidence, "disagreement", "kl")
    assert exhibits_beyond(of_numbers)[len(BEYOND) :] == (OUTPUTS, CKA, MASKS)
    assert exhibits_beyond(without(evidence, "kl"))[len(BEYOND) :] == (DISAGREEMENT, OUTPUTS, CKA, MASKS)


def test_maps_have_every_pair_in_both_directions(evidence):
    found = rows(KL, evidence)
    assert len(found) == COUNT**2
    between = {(row["first"], row["second"]): float(row["KL(row ‖ column)"]) for row in found}
    assert between["level 2", "level 1"] != between["level 1", "level 2"]
    assert "random_init is farther than that" in KL.found(evidence)


def test_layers_have_every_pair_once_in_each_layer(evidence):
    pairs = COUNT * (COUNT - 1) // 2
    assert len(rows(CKA, evidence)) == 2 * pairs
    assert len(rows(MASKS, evidence)) == 2 * pairs
    assert {row["layer"] for row in rows(MASKS, evidence)} == {"conv.weight", "fc.weight"}
    assert "least in fc" in CKA.found(evidence)
    assert "by chance)" in MASKS.found(evidence)


@pytest.mark.parametrize("exhibit", [DISAGREEMENT, CKA, MASKS], ids=lambda exhibit: exhibit.file)
@pytest.mark.parametrize("seeds", [1, 2])
def test_they_are_drawn_with_every_seed(exhibit, seeds):
    figure = exhibit.draw_seeds([made_evidence(seed, LAST, beyond="function") for seed in range(seeds)])
    thin = [line for axes in figure.axes for line in axes.lines if line.get_label() == "_seed"]
    assert len(thin) == (
        0 if seeds == 1 or exhibit is DISAGREEMENT else seeds * (2 + 7) * len(figure.axes) // 2
    )
