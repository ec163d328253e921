"""What a study found, how sure it is over seeds, and the claims it is held against."""

from lth.evidence.certainty import Estimate, estimate_mean
from lth.evidence.claim import CLAIMS, Claim, Finding, evaluate
from lth.evidence.evidence import Evidence

__all__ = ["CLAIMS", "Claim", "Estimate", "Evidence", "Finding", "estimate_mean", "evaluate"]
