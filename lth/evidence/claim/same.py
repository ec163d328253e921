"""Which baselines are IMP itself in a study, so that no claim can compare the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lth.evidence.claim.claim import Case, Claim
from lth.plan.place import Kind
from lth.setting.setting import PruningSetting


def imp_itself(pruning: PruningSetting) -> Mapping[Kind, str]:
    """Return the baselines that are the same solution as w(N), bit for bit, each with the reason.

    Example:
        >>> imp_itself(PruningSetting(rewind="lr", levels=3))
        {'lr_rewind': 'rewind=lr makes every level by it'}
    """
    if pruning.rewind == "lr":
        return {"lr_rewind": "rewind=lr makes every level by it"}
    if pruning.rewind == "none":
        return {"fine_tune": "rewind=none makes every level by it"}
    return {"one_shot": "with one level it prunes what IMP prunes"} if pruning.levels == 1 else {}


def without_imp_itself(claim: Claim, pruning: PruningSetting) -> Claim:
    """Return a claim without the cases that compare w(N) with itself, which says so; itself if it has none."""
    reasons, cases = imp_itself(pruning), claim.cases
    gone = [case for case in cases(pruning.levels) if case.place.kind in reasons]
    if not gone:
        return claim
    said = "; ".join(f"{case.label} is w(N) itself, as {reasons[case.place.kind]}" for case in gone)

    def others(last: int) -> tuple[Case, ...]:
        return tuple(case for case in cases(last) if case.place.kind not in reasons)

    return replace(claim, cases=others, rule=f"{claim.rule}\n\nLeft out: {said}.", left_out=said)
