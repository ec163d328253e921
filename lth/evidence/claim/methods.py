"""Results 0, 3, 5 and 6 over methods beyond the paper's baselines, and what the methods' own papers say.

They are a family of their own, of studies that train methods: judged beside the paper's claims and not counted
among them, which stay as they are. Their rules name no method, so that they are the same whichever are trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lth.evidence.claim import r0, r3, r5, r6
from lth.evidence.claim.claim import Case, Claim, baselines
from lth.evidence.claim.reading import difference, test_accuracy, test_step
from lth.evidence.evidence import Evidence
from lth.plan.place import BASELINES, METHODS, Kind, Place

FAMILY = "methods"

_PAPER_S = {claim.id: claim for claim in (*r0.CLAIMS, *r3.CLAIMS, *r5.CLAIMS, *r6.CLAIMS)}

_OVER_METHODS = """\
The same of every method that the study trains beyond the paper's baselines, at the last level N.

Each keeps as many weights as w(N).

Paper: not in it; beside {}."""

# What is said of every method, and the paper's claims whose statistic it takes.
_STATEMENTS = {
    "R0a": "w(N) has lower training loss than every method",
    "R0b": "w(N) has higher test accuracy than every method",
    "R3": "Every method has a smaller volume than w(N)",
    "R5b": "The straight lines from w(N) to every method leave the loss sublevel set",
    "R5c": "Every method is farther from w(N) than every w(L) is",
    "R5d": "Every method has a smaller cosine with w(N) than every w(L)",
    "R6c": "A barrier separates m(N)⊙w(N-1) from every method",
}


def _over_methods(name: str, methods: Sequence[Kind]) -> Claim:
    own = _PAPER_S[name]
    rule, _, _ = own.rule.partition("\n\nPaper:")
    beside = {"R3": "R3 and R6b"}.get(name, name)
    return replace(
        own,
        id=f"{name}-methods",
        statement=_STATEMENTS[name],
        paper=f"beyond it, beside {beside}",
        cases=baselines(*methods),
        over=tuple(methods),
        rule=f"{rule}\n\n{_OVER_METHODS.format(beside)}",
        beside=name,
        family=FAMILY,
    )


@dataclass(frozen=True)
class _Order:
    """That one way to a sparse network attains a higher test accuracy than others, as a paper has it."""

    id: str
    better: Kind
    worse: tuple[Kind, ...]
    statement: str
    source: str
    remark: str

    def claim(self, trained: Sequence[Kind]) -> Claim | None:
        """Return the claim, if a study trains both sides of it."""
        worse = [kind for kind in self.worse if kind in trained]
        if self.better not in trained or not worse:
            return None
        return Claim(
            id=self.id,
            statement=self.statement,
            paper=f"beyond it, {self.source}",
            unit="share of test examples",
            cases=baselines(*worse),
            over=tuple(kind for kind in (self.better, *worse) if kind in METHODS),
            statistic=self._statistic(),
            rule=f"Test accuracy of {self.better} minus that of the other, at the last level N.\n\n"
            f"Both on all test examples after the last epoch. {self.remark}\n\n"
            f"Paper: not in it; {self.source}.",
            resolution=test_step,
            beside="R0b",
            family=FAMILY,
        )

    def _statistic(self) -> Callable[[Evidence, Case], float | None]:
        def ahead(evidence: Evidence, case: Case) -> float | None:
            ours = test_accuracy(evidence, Place(self.better, case.level))
            return difference(ours, test_accuracy(evidence, case.place))

        return ahead


_ORDERS = (
    _Order(
        "M-rewinding",
        "lr_rewind",
        ("fine_tune",),
        "Rewinding the learning rate has higher test accuracy than fine-tuning",
        "Renda et al. 2020, arXiv 2003.02389, Fig. 1",
        "There over chains of levels; here the last of one step off the chain that the study rewinds.",
    ),
    _Order(
        "M-erk",
        "erk",
        ("random_prune_one_shot",),
        "Random masks with the layer densities of ERK have higher test accuracy than uniform ones",
        "Evci et al. 2020, arXiv 1911.11134, section 4",
        "There both from the initialisation; here random_prune_one_shot starts from the rewind point.",
    ),
    _Order(
        "M-synflow",
        "synflow",
        ("snip", "grasp"),
        "SynFlow has higher test accuracy than SNIP and GraSP",
        "Tanaka et al. 2020, arXiv 2006.05467, Fig. 6",
        "There where the density is low; at high ones it shows no order.",
    ),
    _Order(
        "M-signs",
        "signs_only",
        ("magnitudes_only", "distribution_only"),
        "The signs of the rewind point alone have higher test accuracy than what lacks them",
        "Zhou et al. 2019, arXiv 1905.01067, Fig. 4",
        "There of the initialisation, without a rewind point.",
    ),
    _Order(
        "M-cyclic",
        "cyclic_random",
        ("random_prune_one_shot",),
        "A random mask that is trained as often as IMP has higher test accuracy than one trained once",
        "Gadhikar et al. 2024, arXiv 2406.02773, Fig. 1",
        "The mask is the same; random_prune_one_shot starts from the rewind point, cyclic_random from the "
        "initialisation.",
    ),
    _Order(
        "M-permuted",
        "permuted",
        ("unpermuted", "random_init"),
        "The mask permuted to another initialisation has higher test accuracy than the mask as it is",
        "Adnan et al. 2025, arXiv 2505.05143, abstract",
        "unpermuted starts from the same rewind point; random_init from a third initialisation, at step 0.",
    ),
)


def method_claims(methods: Sequence[str]) -> tuple[Claim, ...]:
    """Return what a study that trains these methods is judged by besides; nothing if it trains none."""
    trained = [kind for kind in METHODS if kind in methods]
    if not trained:
        return ()
    own = [_over_methods(name, trained) for name in _STATEMENTS]
    orders = [order.claim((*BASELINES, *trained)) for order in _ORDERS]
    return (*own, *(claim for claim in orders if claim is not None))
