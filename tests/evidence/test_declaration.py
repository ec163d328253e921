from dataclasses import replace

import pytest

from lth.evidence.claim import CLAIMS, SHARPNESS_CLAIMS, VOLUME_CLAIMS
from lth.evidence.declaration import Declaration, as_declared, digest

DECLARED = Declaration(
    "run-1", "2026-01-02 03:04 UTC", (0, 1, 2), {claim.id: digest(claim) for claim in CLAIMS}
)


@pytest.mark.parametrize("seeds", [(0, 1, 2), (2, 0, 1)])
def test_a_report_of_the_declared_seeds_says_when_and_where_all_its_claims_were_declared(seeds):
    said = as_declared([DECLARED], seeds, CLAIMS)
    assert said == (
        "Declared on 2026-01-02 03:04 UTC in run run-1, before any result, were these seeds, margins and "
        f"settings, and all of the {len(CLAIMS)} claims."
    )


@pytest.mark.parametrize("changed", ["statement", "rule", "unit"])
def test_a_claim_that_was_changed_since_came_after(changed):
    claims = [replace(CLAIMS[0], **{changed: "another"}), *CLAIMS[1:]]
    said = as_declared([DECLARED], (0, 1, 2), claims)
    assert said.endswith(f"and {len(CLAIMS) - 1} of the {len(CLAIMS)} claims; {CLAIMS[0].id} came after.")


def test_a_new_claim_came_after():
    fewer = replace(DECLARED, claims={CLAIMS[1].id: digest(CLAIMS[1])})
    assert as_declared([fewer], (0, 1, 2), CLAIMS[:2]).endswith(
        f"1 of the 2 claims; {CLAIMS[0].id} came after."
    )


@pytest.mark.parametrize(
    ("declared", "came_after"),
    [
        ({"snip", "erk"}, set()),
        ({"snip"}, {"R0a-methods", "M-erk"}),
        ({"snip", "erk", "rigl"}, {"R0a-methods", "M-erk"}),
    ],
    ids=["the same", "one more since", "one fewer since"],
)
def test_a_claim_over_other_methods_than_were_declared_came_after(declared, came_after):
    over_all = replace(CLAIMS[0], id="R0a-methods", over=("snip", "erk"))
    claims = [*CLAIMS, over_all, replace(CLAIMS[1], id="M-erk", over=("erk",))]
    of_before = replace(
        DECLARED, claims={claim.id: digest(claim) for claim in claims}, methods=frozenset(declared)
    )
    _, _, after = as_declared([of_before], (0, 1, 2), claims).partition(" claims; ")
    assert set(filter(None, after.removesuffix(" came after.").split(", "))) == came_after


@pytest.mark.parametrize("seeds", [(0,), (0, 1), (0, 1, 2, 3), (3, 4, 5)])
def test_findings_of_other_seeds_than_the_declared_came_after(seeds):
    said = as_declared([DECLARED], seeds, CLAIMS)
    assert "were seeds 0, 1, 2, not those of this report: all its findings came after" in said


def test_the_declaration_of_these_seeds_counts_among_several():
    other = replace(DECLARED, where="run-0", seeds=(7, 8))
    assert "in run run-1, before any result" in as_declared([other, DECLARED], (0, 1, 2), CLAIMS)


def of(claims, **changes):
    return replace(DECLARED, claims={claim.id: digest(claim) for claim in claims}, **changes)


@pytest.mark.parametrize(
    ("name", "beside"),
    [("rho", SHARPNESS_CLAIMS), ("mass_draws", VOLUME_CLAIMS), ("mass_window", VOLUME_CLAIMS)],
)
def test_a_claim_that_reads_another_value_than_was_declared_came_after_and_that_value_is_named(name, beside):
    claims = (*CLAIMS, *beside)
    declared = of(claims, settings={name: "7"})
    assert as_declared([declared], (0, 1, 2), claims, {name: "7"}).endswith(f"all of the {len(claims)} claims.")
    after = ", ".join(claim.id for claim in beside)
    said = as_declared([declared], (0, 1, 2), claims, {name: "8"})
    assert said.endswith(f"and 22 of the {len(claims)} claims; {after} came after (declared with {name}=7).")


@pytest.mark.parametrize(("own", "declared"), [("a:b", True), ("a:c", False)])
def test_a_claim_over_another_own_method_came_after(own, declared):
    over = replace(CLAIMS[0], id="M", over=("snip", "own_method"), beside="R0a", family="methods")
    before = of([over], methods=frozenset({"snip", "own_method"}), settings={"own_method": "a:b"})
    said = as_declared([before], (0, 1, 2), [over], {"own_method": own})
    assert said.endswith("all of the 1 claims.") == declared


def test_a_claim_counts_as_declared_in_whichever_declaration_of_these_seeds_it_is():
    second = of(CLAIMS[:3], where="run-2")
    said = as_declared([of(CLAIMS[:2]), second], (0, 1, 2), CLAIMS[:3])
    assert "in run run-1 and on" in said
    assert "in run run-2, before any result" in said
    assert said.endswith("all of the 3 claims.")


@pytest.mark.parametrize(("others", "named"), [([(0, 1)], "0, 1"), ([(0, 1), (5, 6)], "0, 1, and seeds 5, 6")])
def test_other_seeds_that_were_declared_as_well_are_told(others, named):
    several = [DECLARED, *(replace(DECLARED, where=f"run-{seeds}", seeds=seeds) for seeds in others)]
    said = as_declared(several, (0, 1, 2), CLAIMS)
    assert said.endswith(f"Declared were seeds {named} as well: one could choose among them.")
    assert f"were seeds 0, 1, 2, and seeds {named}, not those" in as_declared(several, (9, 8), CLAIMS)


def test_seeds_that_were_reported_before_a_declaration_are_told():
    said = as_declared([replace(DECLARED, reported=frozenset({8, 7}))], (0, 1, 2), CLAIMS)
    assert "before any other result" in said
    assert said.endswith("Seeds 7, 8 of the study had been reported before.")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"loss_margin": "0.02"}, "a study with loss_margin=0.01."),
        ({"lr": "1", "loss_margin": "0.02"}, "a study with lr=0.1, loss_margin=0.01."),
        ({"dataset": "mnist"}, ""),
        ({"network": "mlp"}, ""),
    ],
)
def test_where_nothing_was_declared_of_a_study_it_is_told_what_was_with_other_settings(now, said):
    settings = {"network": "n", "dataset": "d", "lr": "0.1", "loss_margin": "0.01"}
    farther = replace(DECLARED, where="run-0", settings={**settings, "lr": "3", "k": "1", "levels": "2"})
    elsewhere = [farther, replace(DECLARED, settings=settings)]
    sentence = as_declared([], (0, 1, 2), CLAIMS, {**settings, **now}, elsewhere)
    assert sentence.startswith("Nothing was declared before this study began")
    assert sentence.endswith(f"in run run-1 was {said}" if said else "chosen by results.")
