from dataclasses import replace

import pytest

from lth.evidence.claim import CLAIMS
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
