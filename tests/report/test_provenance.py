import pytest
from made_evidence import made_evidence

from lth.evidence.claim import CLAIMS
from lth.plan.jobs import study_jobs
from lth.plan.place import Place, Point
from lth.report.exhibit import BEYOND, EXHIBITS
from lth.report.provenance import watched

EVIDENCE = made_evidence(last=2)


def test_what_is_read_is_named_in_order_and_once():
    def compute(evidence):
        evidence.log_eig_product(Point.projection(2))
        evidence.log_eig_product(Point.at(Place.imp(2)))
        evidence.log_eig_product(Point.projection(2))
        return evidence.attained[Place("one_shot", 2)].train_loss

    value, read = watched(compute, EVIDENCE)
    assert value == EVIDENCE.attained[Place("one_shot", 2)].train_loss
    assert read == ("curvature at projection on level 2", "curvature at level 2", "one_shot at level 2")


def test_what_belongs_to_the_whole_study_is_named_too():
    assert watched(lambda evidence: evidence.surface, EVIDENCE)[1] == (
        "surface through dense, level 2 and random_init at level 2",
    )
    assert watched(lambda evidence: evidence.travel.level, EVIDENCE)[1] == ("distances between 10 solutions",)


def test_asking_whether_something_is_there_is_not_reading_it():
    assert watched(lambda evidence: Place("imp", 7) in evidence.attained, EVIDENCE) == (False, ())


@pytest.mark.parametrize("exhibit", [*EXHIBITS, *BEYOND], ids=lambda exhibit: exhibit.file)
def test_every_exhibit_comes_from_runs_of_the_study(exhibit):
    numbers, read = watched(exhibit.numbers, EVIDENCE)
    assert numbers == exhibit.numbers(EVIDENCE)
    assert read
    assert set(read) <= set(EVIDENCE.runs)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_claim_comes_from_runs_of_the_study(claim):
    case = claim.cases(EVIDENCE.last)[-1]
    value, read = watched(lambda evidence: claim.statistic(evidence, case), EVIDENCE)
    assert value == claim.statistic(EVIDENCE, case)
    assert read
    assert set(read) <= set(EVIDENCE.runs)


def test_every_measurement_of_a_study_is_shown_or_judged_somewhere():
    exhibits = (*EXHIBITS, *BEYOND)
    used = {name for exhibit in exhibits for name in watched(exhibit.numbers, EVIDENCE)[1]}
    for claim in CLAIMS:
        for case in claim.cases(2):
            used |= set(watched(lambda seen, claim=claim, case=case: claim.statistic(seen, case), EVIDENCE)[1])
    measured = {job.name for job in study_jobs(2, EVIDENCE.setting.analysis)}
    assert measured - used == {"plain radii at dense", "filter radii at dense"}  # for the dense level's own run
