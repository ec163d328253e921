"""The paper's results as claims that studies can support or refute (docs/protocol.md, section 5).

A claim names a statistic of one seed's evidence that it says is above zero, in each of its cases. The rule of
a statistic (what is subtracted from what, in which space, against which margin, and which figure of the paper
shows it) is written in `Claim.rule` and nowhere else.
"""

from lth.evidence.claim import r0, r1, r2, r3, r4, r5, r6, r7
from lth.evidence.claim.aligned import ALIGNED_CLAIMS
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.claim.finding import Finding, Outcome, as_table, evaluate, expected_errors
from lth.evidence.claim.forecast import FORECAST_CLAIMS
from lth.evidence.claim.function import FUNCTION_CLAIMS
from lth.evidence.claim.matched import MATCHED_CLAIMS
from lth.evidence.claim.methods import method_claims
from lth.evidence.claim.same import without_imp_itself
from lth.evidence.claim.sharpness import SHARPNESS_CLAIMS
from lth.evidence.claim.volume import VOLUME_CLAIMS
from lth.setting.setting import Setting

CLAIMS: tuple[Claim, ...] = (
    *r0.CLAIMS,
    *r1.CLAIMS,
    *r2.CLAIMS,
    *r3.CLAIMS,
    *r4.CLAIMS,
    *r5.CLAIMS,
    *r6.CLAIMS,
    *r7.CLAIMS,
)


def claims_of(setting: Setting) -> tuple[Claim, ...]:
    """Return what a study of this setting is judged by: the paper's claims, and any that stand beside them.

    Cases that compare w(N) with itself are left out, and the claim says so.
    """
    analysis = setting.analysis
    beside = (
        *(MATCHED_CLAIMS if analysis.matched_loss == "on" else ()),
        *(VOLUME_CLAIMS if "volume" in analysis.beyond else ()),
        *(ALIGNED_CLAIMS if "aligned" in analysis.beyond else ()),
        *(FUNCTION_CLAIMS if "function" in analysis.beyond else ()),
        *(SHARPNESS_CLAIMS if "sharpness" in analysis.beyond else ()),
        *(FORECAST_CLAIMS if "forecast" in analysis.beyond else ()),
    )
    against_imp = tuple(without_imp_itself(claim, setting.pruning) for claim in (*CLAIMS, *beside))
    return (*against_imp, *method_claims(analysis.all_methods))


__all__ = [
    "ALIGNED_CLAIMS",
    "CLAIMS",
    "FORECAST_CLAIMS",
    "FUNCTION_CLAIMS",
    "MATCHED_CLAIMS",
    "SHARPNESS_CLAIMS",
    "VOLUME_CLAIMS",
    "Case",
    "Claim",
    "Finding",
    "Outcome",
    "as_table",
    "claims_of",
    "evaluate",
    "expected_errors",
    "method_claims",
]
