import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_evidence import made_evidence, with_results

import lth.evidence.claim
from lth.evidence.certainty import estimate_mean
from lth.evidence.claim import CLAIMS, Case, Claim, as_table, evaluate, expected_errors
from lth.evidence.claim.reading import test_step as step_of_test_errors
from lth.evidence.claim.wording import how_judged, weakest_case
from lth.evidence.evidence import Attained
from lth.evidence.looks import Look, look_at, spent
from lth.evidence.power import MOST_SEEDS, seeds_to_reject
from lth.measure.distance import Travel
from lth.measure.interpolation import Interpolation
from lth.measure.kind.distances import StudyDistances
from lth.measure.kind.line import Line
from lth.plan.jobs import LineJob, SurfaceJob, shared_space_points, successive_line
from lth.plan.place import BASELINES, Place, Point, parse_place
from lth.report.exhibit import EXHIBITS

LAST = 3
LEVELS = range(1, LAST + 1)
OUTSIDERS = ("random_init", "random_prune_one_shot")


def baseline(kind):
    return Place(kind, LAST)


def study(seed):
    """A study in which all claims hold: barriers above the margin that stay in the sublevel set."""
    return with_successive_lines(made_evidence(seed, LAST), 0.03 + 1e-4 * seed)


def spread(evidence):
    """Seeds differ a little; seed 0 is left as it is."""
    return 1e-4 * evidence.seed


def path(loss=0.0, error=0.0):
    alphas = np.linspace(0, 1, 5)
    hump = 4 * alphas * (1 - alphas)
    return Interpolation(alphas, 0.01 + loss * hump, 0 * hump, 0.1 + loss * hump, 0.03 + error * hump)


def with_successive_lines(evidence, loss, error=0.001):
    loss, error = loss + spread(evidence), error + spread(evidence)
    lines = {successive_line(level): Line(path(loss, error), path(loss / 2, error)) for level in LEVELS}
    return with_results(evidence, lines={**evidence.lines, **lines})


def with_flat_lines(evidence):
    flat = path(spread(evidence))
    return with_results(evidence, lines=dict.fromkeys(evidence.lines, Line(flat, flat)))


def with_worse_test_error(evidence):
    return with_successive_lines(evidence, 0.03, error=0.3)


def with_high_lines(evidence):
    return with_successive_lines(evidence, 1.5)


def with_swapped_curvature(*pairs):
    def alter(evidence):
        curvature = dict(evidence.curvature)
        for first, second in pairs:
            curvature[first], curvature[second] = evidence.curvature[second], evidence.curvature[first]
        return with_results(evidence, curvature=curvature)

    return alter


def with_curvature_as_of_imp(*kinds):
    """The baselines have IMP's curvature and IMP has theirs."""

    def alter(evidence):
        own, theirs = Point.at(Place.imp(LAST)), [Point.at(baseline(kind)) for kind in kinds]
        changes = {own: evidence.curvature[theirs[0]]} | dict.fromkeys(theirs, evidence.curvature[own])
        return with_results(evidence, curvature={**evidence.curvature, **changes})

    return alter


def with_swapped_radii(space):
    def alter(evidence):
        radii = dict(evidence.radii)
        for job, found in evidence.radii.items():
            if any(job.points == shared_space_points(level)[space] for level in LEVELS):
                first, second = job.points
                radii[job] = {first: found[second], second: found[first]}
        return with_results(evidence, radii=radii)

    return alter


def with_swapped_travel(evidence):
    travel = evidence.travel
    back = Travel(travel.level, travel.to_solution, travel.to_previous)
    return with_results(evidence, distances=replace(evidence.distances, travel=back))


def with_ever_steeper_paths(evidence):
    reversed_ = {Place.imp(level): evidence.attained[Place.imp(LAST - level)] for level in range(LAST + 1)}
    return replace(evidence, attained={**evidence.attained, **reversed_})


def with_better_baselines(evidence):
    better = dict.fromkeys(map(baseline, BASELINES), evidence.attained[Place.imp(LAST)])
    worse = {Place.imp(LAST): evidence.attained[baseline("one_shot")]}
    return replace(evidence, attained={**evidence.attained, **better, **worse})


def with_near_outsiders(evidence):
    places = evidence.distances.places
    near = [places.index(baseline(kind)) for kind in OUTSIDERS]
    euclidean, cosine = evidence.distances.euclidean.copy(), evidence.distances.cosine.copy()
    for matrix, value in ((euclidean, 0.1), (cosine, 0.999)):
        matrix[near, :] = matrix[:, near] = value - spread(evidence)
    near_ones = replace(evidence.distances, euclidean=euclidean, cosine=cosine)
    return with_results(evidence, distances=near_ones)


REFUTING = {
    "R0a": with_better_baselines,
    "R0b": with_better_baselines,
    "R1a": with_swapped_curvature(*[(Point.projection(level), Point.at(Place.imp(level))) for level in LEVELS]),
    "R1b": with_swapped_radii(0),
    "R1c": with_swapped_curvature(
        *[(Point.reverse(level), Point.at(Place.imp(level - 1))) for level in LEVELS]
    ),
    "R1d": with_swapped_radii(1),
    "R1e": with_swapped_travel,
    "R1f": with_ever_steeper_paths,
    "R2a": with_flat_lines,
    "R2b": with_curvature_as_of_imp("random_init"),
    "R3": with_curvature_as_of_imp("one_shot"),
    "R4a": with_flat_lines,
    "R4b": with_worse_test_error,
    "R4c": with_flat_lines,
    "R5a": with_high_lines,
    "R5b": with_flat_lines,
    "R5c": with_near_outsiders,
    "R5d": with_near_outsiders,
    "R6a": with_swapped_curvature(*[(Point.next_larger(level), Point.projection(level)) for level in LEVELS]),
    "R6b": with_curvature_as_of_imp("random_prune", "random_prune_one_shot"),
    "R6c": with_flat_lines,
    "R7": with_curvature_as_of_imp("fine_tune"),
}
each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)


@pytest.fixture(scope="module")
def studies():
    return [study(seed) for seed in range(3)]


def claim_named(name):
    (claim,) = [claim for claim in CLAIMS if claim.id == name]
    return claim


def finding_of(name, evidences):
    return evaluate([claim_named(name)], evidences)[0]


def value_of(name, evidence, where):
    return claim_named(name).statistic(evidence, Case(parse_place(where, LAST)))


# The list of claims


def test_claims_are_complete_and_in_order():
    assert [claim.id for claim in CLAIMS] == list(REFUTING)
    assert [int(claim.id[1]) for claim in CLAIMS] == sorted(int(claim.id[1]) for claim in CLAIMS)
    assert {claim.id[:2] for claim in CLAIMS} == {f"R{result}" for result in range(8)}


@each_claim
def test_rule_names_what_the_paper_shows(claim):
    assert claim.rule.endswith(f"Paper: {claim.paper}.")
    assert re.search(r"Fig\. \d", claim.paper)


def test_rules_are_kept_where_python_drops_docstrings():
    kept = []
    for module in sorted(Path(lth.evidence.claim.__file__).parent.glob("r[0-9].py")):
        defined = {"__name__": f"lth.evidence.claim.{module.stem}"}
        exec(compile(module.read_text(), module, "exec", optimize=2), defined)
        kept += [claim.rule for claim in defined["CLAIMS"]]
    assert kept == [claim.rule for claim in CLAIMS]
    assert all(kept)


@each_claim
def test_rule_says_what_is_subtracted_and_at_which_levels(claim):
    assert re.search(r"\bminus\b", claim.rule)
    levels = "L = 1 … N" if claim.cases(LAST)[0].place.kind == "imp" else "N"
    assert levels in claim.rule


def test_every_margin_is_named_where_it_is_used():
    assert [claim.id for claim in CLAIMS if "`loss_margin`" in claim.rule] == [
        "R2a",
        "R4a",
        "R4c",
        "R6c",
    ]
    assert [claim.id for claim in CLAIMS if "`cutoff_margin`" in claim.rule] == ["R5a", "R5b"]
    assert [claim.id for claim in CLAIMS if "`error_margin`" in claim.rule] == ["R4b"]


@each_claim
def test_a_study_of_the_dense_network_alone_has_no_case(claim):
    assert claim.cases(0) == ()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("R0a", list(BASELINES)),
        ("R1a", ["level 1", "level 2", "level 3"]),
        ("R6b", ["random_prune", "random_prune_one_shot"]),
        ("R7", ["fine_tune"]),
    ],
)
def test_cases_are_levels_or_baselines(name, labels):
    assert [case.label for case in claim_named(name).cases(LAST)] == labels


def claim_of(*by_case, spread=0.01, resolution=0.0):
    """A claim whose statistic has these means at the levels 0, 1, …, and None where one is None."""

    def cases(last):
        return tuple(Case(Place.imp(level)) for level in range(len(by_case)))

    def value(evidence, case):
        mean = by_case[case.level]
        return None if mean is None else mean + spread * (evidence.seed - 1)

    return Claim("T", "made up", "none", "1", cases, value, "", lambda evidence: resolution)


# Verdicts


@each_claim
def test_claim_is_supported_where_it_holds(claim, studies):
    (finding,) = evaluate([claim], studies)
    assert finding.verdict == "supported"
    assert finding.num_agreeing == finding.num_measured == 3 * len(claim.cases(LAST))


@each_claim
def test_claim_is_refuted_where_its_opposite_holds(claim, studies):
    (finding,) = evaluate([claim], [REFUTING[claim.id](evidence) for evidence in studies])
    assert {outcome.verdict for outcome in finding.outcomes} == {"refuted"}
    assert (finding.verdict, finding.num_agreeing) == ("refuted", 0)


@each_claim
def test_claim_is_undecided_where_seeds_disagree(claim, studies):
    # One seed of three that says the opposite, about as strongly.
    (finding,) = evaluate([claim], [REFUTING[claim.id](studies[0]), *studies[1:]])
    assert finding.verdict == "undecided"
    assert finding.num_agreeing == 2 * len(finding.outcomes)


@each_claim
def test_one_seed_gives_no_interval_and_decides_nothing(claim, studies):
    (finding,) = evaluate([claim], studies[:1])
    assert finding.verdict == "undecided"
    assert all(
        outcome.estimate.low is None and outcome.estimate.mean is not None for outcome in finding.outcomes
    )


def test_every_case_is_tested_at_the_whole_error_of_the_look(studies):
    for earlier, look in (((), Look(1, 0, 3)), ([[0, 1]], Look(2, 2, 3)), ([[5, 6], [0, 1, 2]], Look(2, 2, 5))):
        for finding in evaluate(CLAIMS, studies, earlier):
            tested = [outcome.estimate for outcome in finding.outcomes]
            errors = {each.alpha for each in (*tested, finding.average, finding.judgement)}
            assert (finding.look, errors) == (look, {look.error})


def test_order_of_seeds_changes_nothing(studies):
    assert evaluate(CLAIMS, studies) == evaluate(CLAIMS, [studies[2], studies[0], studies[1]])


@pytest.mark.parametrize(
    ("by_case", "verdict"),
    [
        ((1.0, 1.0, 1.0), "supported"),
        ((1.0, 0.0, 1.0), "undecided"),
        ((1.0, 0.0, -1.0), "refuted"),
        ((1.0, 1.0, None), "undecided"),
        ((None, None, None), "undecided"),
    ],
)
def test_one_refuted_case_refutes_and_only_support_everywhere_supports(by_case, verdict, studies):
    (finding,) = evaluate([claim_of(*by_case)], studies)
    assert finding.verdict == verdict


def test_a_claim_without_cases_is_undecided(studies):
    claim = Claim("T", "made up", "none", "1", lambda last: (), lambda evidence, case: 1.0, "")
    assert evaluate([claim], studies)[0].verdict == "undecided"


@each_claim
def test_a_choice_among_seeds_that_were_reported_decides_nothing(claim, studies):
    (finding,) = evaluate([claim], studies, [[0, 1, 2, 3]])
    assert {finding.verdict, finding.average_verdict} == {"undecided"}
    assert finding.average.low is not None


def changing(first, then, since):
    """A claim at two levels with one statistic up to seed `since`, and another from it on."""
    return replace(
        claim_of(1.0, 1.0),
        statistic=lambda evidence, case: (first if evidence.seed < since else then) + 0.01 * evidence.seed,
    )


def test_what_an_earlier_look_decided_stands_where_later_seeds_leave_it_open():
    evidences = [study(seed) for seed in range(4)]
    claim = changing(1.0, 0.3, since=3)
    (found,) = evaluate([claim], evidences, [[0, 1, 2]])
    assert {found.judgement.verdict, found.own_average_verdict} == {"undecided"}, "with the error that is left"
    assert (found.verdict, found.average_verdict, found.look.number) == ("supported", "supported", 2)
    assert {outcome.verdict for outcome in found.outcomes} == {"supported"}
    assert [each.seeds for each in found.looks] == [(0, 1, 2), (0, 1, 2, 3)]
    assert {found.decided_by, found.average_decided_by} == {found.earlier[0]}
    assert found.error == pytest.approx(spent(4))
    (elsewhere,) = evaluate([claim], evidences, [[0, 1, 7]])
    assert elsewhere.verdict == "undecided", "what seed 7 said is not there"


@pytest.mark.parametrize("fourth", [-0.5, -9.0])
def test_what_an_earlier_look_decided_falls_where_all_seeds_do_not_bear_it_out(fourth):
    evidences = [study(seed) for seed in range(4)]
    (found,) = evaluate([changing(1.0, fourth, since=3)], evidences, [[0, 1, 2]])
    assert [each.judgement.verdict for each in found.looks] == ["supported", "undecided"]
    assert {found.verdict, found.average_verdict, *(each.verdict for each in found.outcomes)} == {"undecided"}


def test_a_look_that_decides_the_opposite_of_an_earlier_one_is_the_one_that_counts():
    evidences = [study(seed) for seed in range(12)]
    (found,) = evaluate([changing(1.0, -9.0, since=3)], evidences, [[0, 1, 2]])
    assert [each.judgement.verdict for each in found.looks] == ["supported", "refuted"]
    assert {found.verdict, found.average_verdict, *(each.verdict for each in found.outcomes)} == {"refuted"}


def test_an_earlier_refutation_stands_as_long_as_all_seeds_bear_it_out_at_its_level():
    """Three seeds refute level 0, the fourth speaks less for it or against; level 1 is above zero."""
    evidences = [study(seed) for seed in range(4)]

    def statistic(fourth):
        def of(evidence, case):
            if case.level == 1:
                return 1.0 + 0.01 * evidence.seed
            return (-1.0 if evidence.seed < 3 else fourth) + 0.01 * evidence.seed

        return replace(claim_of(1.0, 1.0), statistic=of)

    (leans,) = evaluate([statistic(-0.4)], evidences, [[0, 1, 2]])
    assert [leans.verdict, *(each.verdict for each in leans.outcomes)] == ["refuted", "refuted", "supported"]
    (turned,) = evaluate([statistic(9.0)], evidences, [[0, 1, 2]])
    assert [turned.verdict, *(each.verdict for each in turned.outcomes)] == [
        "undecided",
        "undecided",
        "supported",
    ]


def test_on_average_is_a_claim_of_its_own(studies):
    (finding,) = evaluate([claim_of(5.0, -0.4, 1.0)], studies)
    assert (finding.verdict, finding.average_verdict) == ("refuted", "supported")
    assert finding.average.values == pytest.approx((5.6 / 3 - 0.01, 5.6 / 3, 5.6 / 3 + 0.01))


def test_on_average_a_seed_counts_only_if_all_its_cases_do(studies):
    (finding,) = evaluate([claim_of(1.0, None, 1.0)], studies)
    assert finding.average.values == (None, None, None)
    assert finding.average_verdict == "undecided"


def test_two_seeds_that_are_sure_of_the_average_can_decide_it(studies):
    (finding,) = evaluate([claim_of(20.0, 0.03, 20.0)], studies[:2])
    assert (finding.verdict, finding.average_verdict) == ("undecided", "supported")


@pytest.mark.parametrize("value", [0.02, -0.02, 0.0])
def test_seeds_that_all_agree_decide_what_is_not_zero(value, studies):
    verdict = {0.02: "supported", -0.02: "refuted", 0.0: "undecided"}[value]
    assert evaluate([claim_of(value, value, spread=0.0)], studies)[0].verdict == verdict


@pytest.mark.parametrize(("steps", "verdict"), [(1, "undecided"), (3, "supported"), (-3, "refuted")])
def test_of_three_seeds_that_agree_by_some_examples_enough_decide(steps, verdict, studies):
    claim = claim_of(steps / 360, spread=0.0, resolution=1 / 360)
    assert evaluate([claim], studies)[0].verdict == verdict


def test_p_is_adjusted_for_all_claims_that_were_judged(studies):
    claims = [claim_of(0.1), claim_of(0.05), claim_of(1.0)]
    weakest = max(evaluate(claims, studies), key=lambda finding: finding.judgement.p)
    strongest = min(evaluate(claims, studies), key=lambda finding: finding.judgement.p)
    assert weakest.p_adjusted == pytest.approx(weakest.judgement.p)
    assert strongest.p_adjusted == pytest.approx(3 * strongest.judgement.p)
    assert evaluate(claims, studies[:1])[0].p_adjusted is None


def test_wrong_verdicts_to_expect_are_the_error_of_each_claim_that_can_be_decided(studies):
    claims = [claim_of(0.1), claim_of(), claim_of(None, None), claim_of(-1.0, 1.0)]
    assert expected_errors(evaluate(claims, studies)) == pytest.approx(2 * 0.0375)
    assert expected_errors(evaluate(claims, studies[:1])) == 0


def test_the_weakest_case_has_the_p_of_the_claim(studies):
    (finding,) = evaluate([claim_of(0.5, 0.02, 0.9)], studies)
    assert finding.weakest.case.label == "level 1"
    assert finding.judgement.p_supported == finding.weakest.estimate.p_above
    assert evaluate([claim_of(1.0)], studies[:1])[0].weakest is None


def test_the_exact_p_is_that_of_the_least_sure_case_and_needs_five_seeds(studies):
    five = [*studies, study(3), study(4)]
    claim = claim_of(0.015, 0.5)
    # At level 0 the values are 0.005, 0.015, …, 0.045; at level 1 all are as large: 1/32 in both.
    assert evaluate([claim], five)[0].sign_flip_p == 1 / 32
    assert evaluate([claim_of(0.005, 0.5)], five)[0].sign_flip_p == 3 / 32  # -0.005 has a tie
    assert evaluate([claim], five[:4])[0].sign_flip_p is None
    assert evaluate([claim_of(0.5, None)], five)[0].sign_flip_p is None


def test_seeds_needed_are_of_the_side_the_claim_leans_to(studies):
    weak, split = evaluate([claim_of(0.01, 0.5), claim_of(-0.01, 0.5)], studies)
    assert (weak.leaning, split.leaning) == ("supported", "refuted")
    look = look_at([], range(3))
    assert weak.needed.expected == seeds_to_reject([1.0], lambda seeds: look.error_with(seeds - 3))
    half = seeds_to_reject([1.0], lambda seeds: look.error_with(seeds - 3) / 2)  # Holm's first step
    assert split.needed.expected == half > weak.needed.expected
    assert weak.needed.fewest < weak.needed.expected < weak.needed.most
    assert evaluate([claim_of(0.01, None)], studies)[0].needed is None
    assert evaluate([claim_of(0.01)], studies[:1])[0].needed is None


@pytest.mark.parametrize("others", [(0.0,), (0.0, 0.0), (0.0, 0.5)])
def test_a_case_that_is_zero_in_every_seed_leaves_open_how_many_would_refute_another(others, studies):
    """As where no barrier rises at one level, in any seed."""
    (finding,) = evaluate([claim_of(-0.02, *others, spread=0.0)], studies)
    assert finding.leaning == "refuted"
    assert finding.needed is not None
    (nothing,) = evaluate([claim_of(0.0, *others, spread=0.0)], studies)
    assert nothing.needed is None


@pytest.mark.parametrize(
    ("by_case", "p"), [((-0.5,), 1 / 32), ((-0.5, 0.5), 2 / 32), ((-0.5, -0.5, 0.5), 3 / 32)]
)
def test_the_exact_p_is_of_the_side_that_the_claim_is_judged_on(by_case, p, studies):
    (finding,) = evaluate([claim_of(*by_case)], [*studies, study(3), study(4)])
    assert (finding.verdict, finding.sign_flip_p) == ("refuted", p)


@pytest.mark.parametrize(
    "by_case", [(0.1, -0.3, 0.2), (1.0, -1.0 + 1e-9), (0.3, -0.1, -0.2), (1e-9, 0.7, -0.7)]
)
def test_cases_that_cancel_but_for_rounding_decide_nothing_on_average(by_case, studies):
    (finding,) = evaluate([claim_of(*by_case, spread=0.0)], studies)
    assert (finding.average.mean, finding.average_verdict) == (0.0, "undecided")


@pytest.mark.parametrize("by_case", [(1.0, None), (None, 1.0), (-1.0, None, 1.0)])
def test_the_weakest_case_is_one_that_lacks_a_value(by_case, studies):
    (finding,) = evaluate([claim_of(*by_case)], studies)
    assert finding.weakest.estimate.num_missing
    assert weakest_case(finding) == f"{finding.weakest.case.label} (a seed has no value)"


def test_where_no_case_has_all_values_it_is_not_the_seeds_that_are_too_few(studies):
    assert how_judged(evaluate([claim_of(None, None)], studies)).endswith("in every case a seed has no value.")
    assert how_judged(evaluate([claim_of(None)], studies[:1])).endswith("takes two seeds or more.")


@pytest.mark.parametrize(("mean", "spread"), [(1.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (3.0, 4.0)])
def test_the_seeds_that_a_statistic_in_steps_needs_are_of_the_test_that_supposes_the_worst_within_a_step(
    mean, spread, studies
):
    """Half a step stays uncertain, whatever the number of seeds."""
    (fine,) = evaluate([claim_of(mean, spread=spread)], studies)
    (steps,) = evaluate([claim_of(mean, spread=spread, resolution=1.0)], studies)
    within = 1.5 if abs(mean) == 1 else 1.0  # of so coarse a step is more than half the mean
    assert (steps.needed.expected or MOST_SEEDS) > within * fine.needed.expected
    assert (steps.average_needed.expected or MOST_SEEDS) > within * fine.average_needed.expected


# Values


@pytest.mark.parametrize("name", ["R1a", "R6a"])
def test_a_gap_in_curvature_is_the_difference_of_two_log_products(name, studies):
    larger = {"R1a": Point.projection(2), "R6a": Point.next_larger(2)}[name]
    smaller = {"R1a": Point.at(Place.imp(2)), "R6a": Point.projection(2)}[name]
    products = [studies[0].curvature[point].spectrum.log_eig_product for point in (larger, smaller)]
    assert value_of(name, studies[0], "2") == pytest.approx(products[0] - products[1])


def test_sublevel_set_reaches_a_margin_above_the_worst_solution(studies):
    losses = {marker.place: marker.loss for marker in studies[0].surface.surface.markers}
    worst = max(losses[Place.imp(level)] for level in range(LAST + 1))
    peak = 0.01 + 0.03
    assert value_of("R5a", studies[0], "1") == pytest.approx(worst + 0.1 - peak)


@pytest.mark.parametrize("margin", [0.1, 0.02, 1.5])
def test_the_claims_and_the_figure_share_one_sublevel_set(studies, margin):
    setting = studies[0].setting
    wide = replace(setting, analysis=replace(setting.analysis, cutoff_margin=margin))
    evidence = replace(studies[0], setting=wide)
    path = evidence.lines[successive_line(2)].stored.train_loss
    assert value_of("R5a", evidence, "2") == pytest.approx(evidence.sublevel_cutoff - path.max())
    (figure,) = (one for one in EXHIBITS if one.file == "fig13_surface")
    table = figure.numbers(evidence)
    inside = {row[1]: row[-1] for row in table.rows if row[0] == "solution"}
    for marker in evidence.surface.surface.markers:
        assert inside[marker.place.name] == ("yes" if marker.loss <= evidence.sublevel_cutoff else "no")
    assert f"{evidence.sublevel_cutoff:.4g} nats" in figure.found(evidence)


def test_there_is_no_sublevel_set_without_the_losses_of_all_levels(studies):
    found = studies[0].surface
    markers = [
        replace(marker, loss=math.nan) if marker.place == Place.imp(1) else marker
        for marker in found.surface.markers
    ]
    diverged = replace(found, surface=replace(found.surface, markers=tuple(markers)))
    assert value_of("R5a", with_results(studies[0], surface=diverged), "1") is None
    without = {job: found for job, found in studies[0].measured.items() if not isinstance(job, SurfaceJob)}
    assert value_of("R5a", replace(studies[0], measured=without), "1") is None


def test_wider_margin_makes_a_barrier_harder_to_claim(studies):
    narrow = value_of("R4a", studies[0], "1")
    setting = studies[0].setting
    wide = replace(setting, analysis=replace(setting.analysis, loss_margin=0.02))
    assert narrow - value_of("R4a", replace(studies[0], setting=wide), "1") == pytest.approx(0.01)


def test_statistics_anew_are_the_stored_ones_in_a_network_without_them(studies):
    assert value_of("R4c", studies[0], "1") == pytest.approx(0.015 - 0.01)
    lines = {job: Line(line.stored, None) for job, line in studies[0].lines.items()}
    without = with_results(studies[0], lines=lines)
    assert value_of("R4c", without, "1") == value_of("R4a", without, "1") == pytest.approx(0.03 - 0.01)


@pytest.mark.parametrize(("error", "above"), [(0.05, 0.05), (0.0, 0.0), (-0.4, -0.3)])
def test_a_line_under_its_chord_has_less_than_no_error_barrier(error, above, studies):
    # Of five points the three within are at 3/4, 1 and 3/4 of the hump.
    lines = dict.fromkeys(studies[0].lines, Line(path(0.0, error), None))
    assert value_of("R4b", with_results(studies[0], lines=lines), "1") == pytest.approx(0.02 - above)


@pytest.mark.parametrize("examples", [360, 10_000, 7])
def test_the_size_of_the_test_set_is_read_off_its_accuracies(examples, studies):
    def counted(place, attained):
        shares = np.random.default_rng(len(place.name)).integers(1, examples, len(attained.history)) / examples
        return Attained(
            1.0,
            tuple(
                replace(record, test=replace(record.test, accuracy=float(share)))
                for record, share in zip(attained.history, shares, strict=True)
            ),
        )

    evidence = replace(studies[0], attained={p: counted(p, found) for p, found in studies[0].attained.items()})
    assert step_of_test_errors(evidence) == 1 / examples
    assert {claim.id for claim in CLAIMS if claim.resolution(evidence) > 0} == {"R0b", "R4b"}


@pytest.mark.parametrize("accuracy", [math.pi / 4, math.nan, math.e / 3])
def test_accuracies_that_count_nothing_have_no_step(accuracy, studies):
    place, attained = next(iter(studies[0].attained.items()))
    final = replace(attained.history[-1], test=replace(attained.history[-1].test, accuracy=accuracy))
    assert step_of_test_errors(replace(studies[0], attained={place: Attained(1.0, (final,))})) == 0
    assert step_of_test_errors(replace(studies[0], attained={})) == 0


def test_distance_is_held_against_the_farthest_solution(studies):
    distances = studies[0].distances
    row = distances.euclidean[distances.places.index(Place.imp(3))]
    farthest = max(row[distances.places.index(Place.imp(level))] for level in range(3))
    outside = row[distances.places.index(baseline("random_init"))]
    assert value_of("R5c", studies[0], "random_init") == outside - farthest


# What is missing


def test_a_log_product_that_does_not_exist_is_left_out_and_counted(studies):
    point = Point.projection(2)
    found = studies[0].curvature[point]
    values = np.concatenate([found.spectrum.eigenvalues[:-1], [-1.0]])
    broken = replace(found, spectrum=replace(found.spectrum, eigenvalues=values))
    without = with_results(studies[0], curvature={**studies[0].curvature, point: broken})
    finding = finding_of("R1a", [without, *studies[1:]])
    assert [outcome.estimate.num_missing for outcome in finding.outcomes] == [0, 1, 0]
    assert (finding.num_measured, finding.num_missing) == (8, 1)
    assert finding.outcomes[1].estimate.values[0] is None


def test_a_line_that_is_not_finite_is_missing(studies):
    job = successive_line(1)
    line = studies[0].lines[job]
    loss = line.stored.train_loss.copy()
    loss[2] = np.inf
    lines = {**studies[0].lines, job: Line(replace(line.stored, train_loss=loss), line.anew)}
    evidence = with_results(studies[0], lines=lines)
    assert [value_of(name, evidence, "1") for name in ("R4a", "R4b", "R5a")] == [None] * 3
    assert value_of("R4c", evidence, "1") is not None


def test_a_training_that_diverged_is_missing(studies):
    place = baseline("one_shot")
    attained = studies[0].attained[place]
    final = attained.history[-1]
    diverged = replace(final, train=replace(final.train, loss=float("nan")))
    history = (*attained.history[:-1], diverged)
    evidence = replace(studies[0], attained={**studies[0].attained, place: Attained(attained.density, history)})
    assert [value_of(name, evidence, "one_shot") for name in ("R0a", "R0b")] == [None, None]


def test_a_statistic_that_is_not_a_number_counts_as_missing(studies):
    claim = Claim("T", "made up", "none", "1", CLAIMS[2].cases, lambda evidence, case: float("nan"), "")
    assert evaluate([claim], studies)[0].num_missing == 9


@each_claim
def test_what_was_not_measured_is_missing_and_no_error(claim, studies):
    travel = Travel(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    nothing = with_results(
        replace(studies[0], attained={}),
        curvature={},
        radii={},
        lines={},
        distances=StudyDistances((), np.zeros((0, 0)), np.zeros((0, 0)), travel),
    )
    (finding,) = evaluate([claim], [nothing, *studies[1:]])
    assert finding.num_missing == len(finding.outcomes)
    assert all(outcome.estimate.values[0] is None for outcome in finding.outcomes)


def with_censored(evidence, level, *points):
    radii = dict(evidence.radii)
    for job, found in evidence.radii.items():
        censored = {
            point: replace(found[point], censored=np.arange(len(found[point].radii)) == 0)
            for point in points
            if point in found and job.points in shared_space_points(level)
        }
        radii[job] = {**found, **censored}
    return with_results(evidence, radii=radii)


def test_a_lower_bound_that_is_larger_already_settles_the_comparison(studies):
    bounded = with_censored(studies[0], 2, Point.at(Place.imp(2)))
    assert value_of("R1b", bounded, "2") == value_of("R1b", studies[0], "2") > 0


@pytest.mark.parametrize("points", [(Point.projection(2),), (Point.projection(2), Point.at(Place.imp(2)))])
def test_a_lower_bound_that_is_smaller_leaves_the_comparison_open(studies, points):
    assert value_of("R1b", with_censored(studies[0], 2, *points), "2") is None


def test_radii_are_those_of_the_settings_own_directions(studies):
    plain = replace(studies[0].setting, analysis=replace(studies[0].setting.analysis, direction_norm="plain"))
    evidence = replace(studies[0], setting=plain)
    means = [
        evidence.radii_at(2, point, "plain").mean for point in (Point.at(Place.imp(2)), Point.projection(2))
    ]
    assert value_of("R1b", evidence, "2") == means[0] - means[1] != value_of("R1b", studies[0], "2")


def test_a_single_shared_epoch_has_no_slope(studies):
    attained = studies[0].attained[Place.imp(1)]
    short = replace(attained, history=attained.history[-1:])
    evidence = replace(studies[0], attained={**studies[0].attained, Place.imp(1): short})
    assert [value_of("R1f", evidence, level) for level in ("1", "2", "3")][:2] == [None, None]


# What is refused, and the table


def test_evidence_is_required():
    with pytest.raises(ValueError, match="no evidence"):
        evaluate(CLAIMS, [])


def test_a_repeated_seed_is_refused(studies):
    with pytest.raises(ValueError, match="seed 1 comes more than once"):
        evaluate(CLAIMS, [studies[1], studies[0], studies[1]])


def test_studies_of_different_length_are_refused(studies):
    with pytest.raises(ValueError, match="levels 2, 3"):
        evaluate(CLAIMS, [studies[0], made_evidence(1, last=2)])


def test_table_has_a_row_for_each_case_and_a_column_for_each_seed(studies):
    findings = evaluate(CLAIMS, [studies[2], studies[0]])
    table = as_table(findings)
    assert table.headings[:6] == ("claim", "case", "unit", "seeds", "seed 0", "seed 2")
    averaged = [finding.claim.id for finding in findings if len(finding.outcomes) > 1]
    assert len(table.rows) == sum(len(finding.outcomes) for finding in findings) + len(averaged)
    assert [row[0] for row in table.rows if row[1] == "on average"] == averaged
    row = dict(zip(table.headings, table.rows[1], strict=True))
    values = [value_of("R0a", studies[seed], "one_shot") for seed in (0, 2)]
    assert table.rows[0][1] == "on average"
    expected = estimate_mean(values, alpha=spent(2))
    assert (row["seed 0"], row["seed 2"], row["mean"]) == (*values, expected.mean)
    assert (row["low"], row["high"], row["confidence"]) == (expected.low, expected.high, expected.confidence)
    assert (row["claim"], row["case"], row["seeds"]) == ("R0a", "one_shot", 2)


def test_table_of_one_seed_has_no_confidence(studies):
    row = as_table(evaluate(CLAIMS, studies[:1])).rows[0]
    assert row[-6] is not None
    assert row[-5:] == (None, None, None, None, "undecided")


def test_findings_of_different_seeds_make_no_table(studies):
    mixed = [*evaluate(CLAIMS[:1], studies[:1]), *evaluate(CLAIMS[:1], studies[1:])]
    with pytest.raises(ValueError, match="different seeds"):
        as_table(mixed)


def test_a_line_to_a_baseline_is_that_of_the_graph(studies):
    job = LineJob(Point.projection(LAST), Point.at(baseline("random_init")))
    expected = studies[0].lines[job].stored.barrier_loss - 0.01
    assert value_of("R2a", studies[0], "random_init") == pytest.approx(expected)
