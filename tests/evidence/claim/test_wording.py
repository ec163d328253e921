"""What a finding says in words, and the command that would decide it."""

from dataclasses import replace

import pytest
from made_evidence import made_evidence

from lth.evidence.claim import Case, Claim, evaluate
from lth.evidence.claim.wording import (
    as_lines,
    deciding,
    how_judged,
    on_average,
    shown_p,
    study_command,
    takes_words,
    weakest_case,
    where_it_holds,
)
from lth.evidence.looks import look_at
from lth.evidence.power import power_of_t
from lth.plan.place import BASELINES, Place
from lth.setting.preset import PRESETS
from lth.setting.setting import with_overrides

SPREAD = 0.01


def claim_of(*by_case, kinds=None):
    """A claim whose statistic has these means at levels 1, 2, …, or at baselines, and a deviation of 0.01."""
    cases = tuple(
        Case(Place("imp" if kinds is None else kinds[index], index + 1 if kinds is None else 3))
        for index in range(len(by_case))
    )

    def value(evidence, case):
        mean = by_case[cases.index(case)]
        return None if mean is None else mean + SPREAD * (evidence.seed - 1)

    return Claim("T1", "made up", "none", "1", lambda last: cases, value, "")


@pytest.fixture(scope="module")
def studies():
    return [made_evidence(seed, 2, directions=2, points=3) for seed in range(3)]


def finding(claim, studies):
    return evaluate([claim], studies)[0]


@pytest.mark.parametrize(
    ("by_case", "said"),
    [
        ((1.0, 1.0, 1.0), "holds at levels 1–3"),
        ((1.0,), "holds at level 1"),
        ((-1.0, -1.0, 1.0, 1.0, 1.0), "holds at levels 3–5, against the paper at levels 1 and 2"),
        ((1.0, -1.0, 1.0, 1.0), "holds at levels 1, 3 and 4, against the paper at level 2"),
        ((1.0, 0.001, 1.0), "holds at levels 1 and 3, undecided at level 2"),
        ((0.001, -0.001), "undecided at levels 1 and 2 (below zero at level 2)"),
        ((-0.001, -0.001), "undecided at levels 1 and 2"),
        ((1.0, None), "holds at level 1, undecided at level 2"),
        ((), "no case"),
    ],
)
def test_where_a_claim_holds_is_said_in_words(by_case, said, studies):
    assert where_it_holds(finding(claim_of(*by_case), studies)) == said


def test_baselines_are_named_and_all_of_them_counted(studies):
    some, every = ("one_shot", "fine_tune", "lr_rewind"), BASELINES
    assert where_it_holds(finding(claim_of(1.0, -1.0, 1.0, kinds=some), studies)) == (
        "holds for one_shot and lr_rewind, against the paper for fine_tune"
    )
    assert where_it_holds(finding(claim_of(*[1.0] * 7, kinds=every), studies)) == "holds for all 7 baselines"


def test_size_and_weakest_case_are_said_with_what_is_uncertain(studies):
    found = finding(claim_of(1.0, 0.5), studies)
    assert on_average(found) == f"0.75 [{found.average.low:.4g}, {found.average.high:.4g}]"
    assert weakest_case(found) == f"level 2 (p {shown_p(found.judgement.p_supported)})"
    one = finding(claim_of(1.0, 0.5), studies[1:2])
    assert (on_average(one), weakest_case(one)) == ("0.75", "–")
    assert on_average(finding(claim_of(None), studies)) == "–"


@pytest.mark.parametrize(("p", "shown"), [(0.0412, "0.041"), (3e-7, "<0.0001"), (1.0, "1"), (None, "–")])
def test_p_has_two_digits(p, shown):
    assert shown_p(p) == shown


def test_the_error_is_said_with_the_look_and_the_wrong_verdicts_to_expect(studies):
    claims = [claim_of(1.0)] * 22
    assert how_judged(evaluate(claims, studies)) == (
        "Each verdict is wrong with a probability of at most 3.75 %. Of 22 verdicts in every case at most 0.82 "
        "wrong ones are to be expected. Intervals have 92.5 % confidence."
    )
    averaged = evaluate([*claims, claim_of(1.0, 1.0)], studies)
    assert (
        "Of 23 verdicts in every case at most 0.86 wrong ones are to be expected, of 1 on average 0.038."
        in (how_judged(averaged))
    )
    assert "at most 0.75 %, as this is look 2 at" in how_judged(evaluate(claims, studies, [[5, 6, 7]]))
    chosen = how_judged(evaluate(claims, studies, [[0, 1, 2, 3]]))
    assert chosen.startswith("Nothing is decided: all these seeds are in earlier reports")
    assert "to be expected" not in chosen
    assert "takes two seeds" in how_judged(evaluate(claims, studies[:1]))


def test_an_earlier_look_that_stands_is_said_with_the_error_of_all_looks(studies):
    claims = [claim_of(1.0)] * 22
    assert how_judged(evaluate(claims, studies, [[0, 1]])).startswith(
        "Each verdict is wrong with a probability of at most 3.75 %: what an earlier look decided stands where "
        "all seeds bear it out, and this, look 2, adds 1.25 %. Of 22 verdicts in every case at most 0.82 wrong "
        "ones are to be expected."
    )
    nothing_new = how_judged(evaluate(claims, studies, [[0, 1], [2, 3]]))
    assert nothing_new.startswith("Nothing new is decided: all these seeds are in earlier reports")


def test_a_look_that_may_be_a_choice_among_seeds_seen_says_so(studies):
    left_out = how_judged(evaluate([claim_of(1.0)], studies, [[0, 1, 7]]))
    assert left_out.startswith("Nothing is decided: of the seeds that were reported before some are left out")
    one_by_one = how_judged(evaluate([claim_of(1.0)], studies, [[0], [1]]))
    assert "2 of these seeds were reported one by one before; the error holds if" in one_by_one
    assert "one by one" not in how_judged(evaluate([claim_of(1.0)], studies, [[0]]))


def test_the_error_of_earlier_looks_is_told_where_a_later_seed_has_no_value(studies):
    claim = replace(claim_of(1.0), statistic=lambda evidence, case: None if evidence.seed == 2 else 1.0)
    found = evaluate([claim], studies, [[0, 1]])
    assert (found[0].earlier[0].verdict, found[0].verdict) == ("supported", "undecided")
    assert how_judged(found).startswith(
        "Each verdict is wrong with a probability of at most 3.75 %: what an earlier look decided"
    )


def test_what_an_earlier_look_decided_and_all_seeds_do_not_bear_out_is_told_as_such(studies):
    claim = replace(claim_of(1.0), statistic=lambda evidence, case: 1 - 9 * (evidence.seed == 2))
    (found,) = evaluate([claim], studies, [[0, 1]])
    assert where_it_holds(found) == (
        "undecided at level 1 (in every case supported by look 1, over seeds 0,1, and no longer)"
    )


def test_what_an_earlier_look_decided_alone_is_named_with_its_seeds(studies):
    """Seed 2 takes back what seeds 0 and 1 agreed on."""
    claim = replace(claim_of(1.0, 1.0), statistic=lambda evidence, case: 1 - 0.7 * (evidence.seed == 2))
    (found,) = evaluate([claim], studies, [[0, 1]])
    assert where_it_holds(found) == (
        "holds at levels 1 and 2 (in every case supported by look 1, over seeds 0,1) "
        "(on average supported by look 1, over seeds 0,1)"
    )
    assert takes_words(found)
    assert not takes_words(finding(claim_of(1.0, 1.0), studies))


def test_cases_that_are_all_undecided_with_means_on_both_sides_take_words(studies):
    found = finding(claim_of(0.001, -0.001), studies)
    assert {outcome.verdict for outcome in found.outcomes} == {"undecided"}
    assert takes_words(found)


# What would decide


def remedies(claim, evidences):
    return deciding(evaluate([claim], evidences), evidences)


def test_nothing_would_decide_what_is_decided(studies):
    assert remedies(claim_of(1.0, 1.0), studies) == ()
    assert remedies(claim_of(-1.0, -1.0), studies) == ()
    assert as_lines(()) == []


@pytest.mark.parametrize("mean", [0.01, 0.014, -0.015])
def test_an_undecided_claim_names_the_seeds_in_a_command_with_its_hours(mean, studies):
    timed = [replace(study, seconds=1800.0) for study in studies]
    found = finding(claim_of(mean), timed)
    (remedy,) = remedies(claim_of(mean), timed)
    assert found.verdict == "undecided"
    assert remedy.seeds == tuple(range(found.needed.expected))
    assert remedy.hours == pytest.approx((found.needed.expected - 3) * 0.5)
    assert remedy.command.endswith(f" -P seeds=0-{found.needed.expected - 1}")
    side = "supported" if mean > 0 else "refuted"
    assert remedy.reason.startswith(f"{side} with 80 % power by {found.needed.expected} seeds (")
    assert str(remedy).endswith(" h more)")


def test_seeds_that_there_are_stay_and_the_lowest_others_are_added(studies):
    seeds = (100, 1, 0)
    apart = [
        replace(study, setting=replace(study.setting, seed=seed))
        for study, seed in zip(studies, seeds, strict=True)
    ]
    claim = replace(claim_of(1.0), statistic=lambda evidence, case: 1 - 0.9 * (evidence.seed == 100))
    (remedy,) = remedies(claim, apart)
    assert {0, 1, 100} < set(remedy.seeds)
    assert set(remedy.seeds) - {100} == set(range(len(remedy.seeds) - 1))


@pytest.mark.parametrize(
    "earlier", [[[0, 1, 2, 3]], [[5, 6]], [[0, 1, 2], [0, 1, 2, 3, 4]], [[0, 1], [7, 8, 9]]]
)
@pytest.mark.parametrize("mean", [0.011, -0.012])
def test_the_seeds_that_would_decide_are_all_that_were_looked_at_and_new_ones_which_alone_take_time(
    earlier, mean, studies
):
    timed = [replace(study, seconds=3600.0) for study in studies]
    claim = claim_of(mean)
    found = evaluate([claim], timed, earlier)
    (remedy,) = deciding(found, timed)
    known = {0, 1, 2}.union(*earlier)
    new = len(remedy.seeds) - len(known)
    assert known < set(remedy.seeds)
    assert remedy.hours == pytest.approx(new)
    error = look_at([*earlier, [0, 1, 2]], remedy.seeds).error
    effect = abs(mean) / SPREAD
    assert power_of_t(effect, len(remedy.seeds), error) >= 0.8 - 1e-9
    fewer = [each for each in remedy.seeds if each != max(set(remedy.seeds) - known)]
    less = look_at([*earlier, [0, 1, 2]], fewer).error
    assert less == 0 or power_of_t(effect, len(fewer), less) < 0.8


def test_one_seed_is_told_to_become_three(studies):
    both = remedies(claim_of(1.0, 1.0), studies[:1])
    assert [(each.name, each.seeds) for each in both] == [("T1", (0, 1, 2)), ("T1 on average", (0, 1, 2))]
    assert all("no spread" in each.reason for each in both)


@pytest.mark.parametrize(
    ("by_case", "reason"),
    [
        ((1.0, None), "seeds 0-2 have no value at level 2, which more seeds don't mend"),
        ((), "a study of so few levels has no case of it"),
        ((0.0,), "a mean is on neither side of zero"),
        ((0.0001,), "to be supported with 80 % power it takes more than 1,000 seeds"),
    ],
)
def test_what_no_seeds_decide_says_why(by_case, reason, studies):
    remedy = remedies(claim_of(*by_case), studies)[0]
    assert (remedy.reason, remedy.command, remedy.seeds) == (reason, "", ())
    assert as_lines([remedy]) == ["What no number of seeds in one study decides:", f"- T1: {reason}"]


def test_the_command_of_the_fewest_seeds_stands_first_and_each_line_says_how_many_its_claim_takes(studies):
    claims = [claim_of(0.01), claim_of(0.015), claim_of(0.01)]
    found = sorted(deciding(evaluate(claims, studies), studies), key=lambda each: len(each.seeds))
    command, *lines = as_lines(found)
    assert command == f"{found[0].command}, and the same with more seeds:"
    assert len(lines) == len(claims)
    assert [f"by {len(each.seeds)} seeds" in line for each, line in zip(found, lines, strict=True)] == [
        True
    ] * 3


def test_a_command_that_decides_all_is_said_to_do_so(studies):
    found = deciding(evaluate([claim_of(0.01), claim_of(0.01)], studies), studies)
    assert as_lines(found)[0] == f"{found[0].command}:"


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, ""),
        ({"levels": 2, "k": 12}, " -P levels=2 -P k=12"),
        ({"loss_margin": 0.02, "lr": 0.3}, " -P lr=0.3 -P loss_margin=0.02"),
        ({"seed": 5}, ""),
    ],
)
def test_a_command_has_every_parameter_that_is_not_the_presets(changes, written):
    setting = with_overrides(PRESETS["digits"], changes)
    command = study_command(setting, [0, 1])
    assert command == f"mlflow run . -e study -P preset=digits{written} -P seeds=0,1"


def test_a_value_that_a_shell_would_read_is_quoted():
    setting = replace(PRESETS["digits"], network="a b;c.py:net")
    assert " -P 'network=a b;c.py:net' " in study_command(setting, [0])
