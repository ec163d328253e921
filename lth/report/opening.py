"""What a reader is told first: what was done, what came of it, and what the symbols mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lth.evidence.claim import Finding
from lth.evidence.claim.finding import families, family_name
from lth.evidence.evidence import Attained, Evidence
from lth.evidence.table import mean_and_deviation
from lth.plan.place import BASELINES, Place
from lth.setting.parameter import Rewind
from lth.setting.setting import Setting, TrainingSetting, spelled
from lth.setting.terms import terms

_PAPER = "Insights into the Lottery Ticket Hypothesis and Iterative Magnitude Pruning (arXiv 2403.15022)"
_VERDICTS = ("supported", "refuted", "undecided")


def opening(evidences: Sequence[Evidence], findings: Sequence[Finding]) -> list[str]:
    """Return the paragraphs that a report begins with.

    Args:
        evidences: One a seed; parts of them may be missing.
        findings: On its claims; none where none is judged.
    """
    return [_done(evidences), *filter(None, (_attained(evidences), _found(findings)))]


_REWOUND: Mapping[Rewind, str] = {
    "weights": "the others were set back to an early state of the first training, and it was trained again",
    "lr": "and the others were trained on, by the learning rates from an early step of the first training on "
    "(the baseline lr_rewind does the same, so a comparison with it is one of IMP with itself)",
    "none": "and the others were trained on at a small constant learning rate "
    "(the baseline fine_tune does the same, so a comparison with it is one of IMP with itself)",
}


def _done(evidences: Sequence[Evidence]) -> str:
    setting, count = evidences[0].setting, len(evidences)
    last, share = evidences[0].last, setting.pruning.prune_fraction
    times = "" if count == 1 else f", all of it {_times(count)} from independent initialisations (seeds)"
    within = " within each layer" if setting.pruning.scope == "layer" else ""
    return (
        f"The network {setting.network} was trained on {setting.data.dataset}. Then, {_times(last)}, the "
        f"{100 * share:.3g} % of its remaining weights that are smallest in magnitude{within} were pruned, "
        f"{_REWOUND[setting.pruning.rewind]}: iterative magnitude pruning (IMP), which finds "
        f"“lottery tickets”{times}. This report shows where its solutions lie in the loss landscape – how "
        "curved it is there, how far their basins reach, what barriers stand between them – beside "
        f"{len(BASELINES)} baselines that prune or restart in other ways, and holds what it finds against "
        f"{_PAPER}."
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _attained(evidences: Sequence[Evidence]) -> str:
    last = evidences[0].last
    ends = [_of_all(evidences, Place.imp(0)), _of_all(evidences, Place.imp(last))]
    if not all(ends):
        return ""
    kept = 100 * ends[1][0].density
    over = f" (mean ± standard deviation over {len(evidences)} seeds)" if len(evidences) > 1 else ""
    if not terms().is_share:
        dense, sparse = ([each.test_accuracy for each in reached] for reached in ends)
        return (
            f"On the test examples the dense network attains {_an(terms().metric_name)} of "
            f"{mean_and_deviation(dense)}, the ticket of level {last} with {kept:.3g} % of the prunable "
            f"weights one of {mean_and_deviation(sparse)}{over}."
        )
    dense, sparse = ([100 * each.test_accuracy for each in reached] for reached in ends)
    return (
        f"The dense network classifies {mean_and_deviation(dense)} % of the test examples right, the ticket of "
        f"level {last} with {kept:.3g} % of the prunable weights {mean_and_deviation(sparse)} %{over}."
    )


def _of_all(evidences: Sequence[Evidence], place: Place) -> list[Attained]:
    """Return what every seed attained at a place; nothing where one has not."""
    there = all(place in evidence.attained for evidence in evidences)
    return [evidence.attained[place] for evidence in evidences] if there else []


def _found(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    own, *beside = families(findings)
    if len(findings[0].seeds) < 2:
        others = sum(map(len, beside))
        nor = f", nor any of {others} that stand beside them" if others else ""
        return f"One seed has no spread, so none of the {len(own)} claims is decided{nor}: run more seeds."
    everywhere = "at every level or against every baseline they are about"
    told = [f"Of the {len(own)} claims, {_counted(own, everywhere, 'the paper')}."]
    for family in beside:
        counted = _counted(family, "in every case they are about", "what they say")
        claims = "claim" if len(family) == 1 else "claims"
        told.append(f"Beside them, of {len(family)} {claims} {family_name(family)}, {counted}.")
    return " ".join(told)


def _counted(findings: Sequence[Finding], where: str, against: str) -> str:
    """Return how many claims hold, how many are refuted and how many undecided."""
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in _VERDICTS}
    average = [finding for finding in findings if finding.verdict == "undecided" and len(finding.outcomes) > 1]
    held = sum(finding.average_verdict == "supported" for finding in average)
    of_held = f", of which {_some(held, 'holds', 'hold')} on average over the cases" if held else ""
    parts = [
        f"{_some(counts['supported'], 'holds', 'hold')} {where}",
        f"{_some(counts['refuted'], 'goes', 'go')} against {against} in some of these cases",
        f"{_some(counts['undecided'], 'is', 'are')} undecided{of_held}",
    ]
    return "; ".join(parts)


def _some(count: int, of_one: str, of_more: str) -> str:
    return f"{count} {of_one if count == 1 else of_more}"


def _an(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouR' else 'a'} {name}"


def _of_loss(training: TrainingSetting) -> tuple[str, str]:
    """Return what the loss is, with its unit where it has one."""
    if training.loss != "cross_entropy":
        return (
            "training loss",
            f"the {terms().loss_name} ({training.loss}), mean over examples; it has no unit here",
        )
    smoothed = f" with label smoothing {training.label_smoothing:g}" if training.label_smoothing else ""
    return "nats", f"the unit of the cross-entropy{smoothed} with natural logarithms, mean over examples"


def notation(setting: Setting) -> tuple[tuple[str, str], ...]:
    """Return symbols and words of the report with their meaning, units included."""
    analysis, training, said = setting.analysis, setting.training, terms()
    of_metric = (said.metric_name, f"the metric of this study ({training.metric}), a mean over examples")
    error = f"{said.error_name} (percentage points)" if said.is_share else said.error_name
    margin = said.of_loss(f"{analysis.cutoff_margin:g}")
    return (
        ("L, N", "a level: how many times was pruned (0: the dense network); N is the last"),
        ("w(L), m(L)", "the weights that training at level L ends with, and its mask: which weights it keeps"),
        ("wk", f"the weights of the first training at the rewind step, {spelled(setting)['rewind_step']}"),
        ("m(L)⊙w(L-1)", "w(L-1) with the weights that level L prunes set to zero, before any retraining"),
        ("m′(L)⊙w(L-1)", "the same where as many weights go that are slightly larger than the smallest"),
        (
            "level-L space",
            "where level L can move: the weights m(L) keeps, and what is never pruned",
        ),
        (
            "log_eig_product",
            f"Σ ln λ over the {analysis.k} largest eigenvalues λ of the Hessian of the training loss "
            f"({said.curvature_unit}). The larger it is, the smaller the volume of the basin; ± is within how "
            "much it is certain: but for a chance of 1e-6, and for rounding, whose size is an estimate",
        ),
        (
            "radius",
            "how far one can go from a solution in a random direction before the loss reaches the cutoff, "
            f"{margin} above the worse solution's; "
            + (
                "in multiples of a direction that has the norm of each filter"
                if analysis.direction_norm == "filter"
                else "L2"
            ),
        ),
        (
            "barrier",
            f"the greatest height of the loss{' (nats)' * said.has_unit} or the {error} on a straight line "
            "between two solutions above the chord between its ends",
        ),
        ("sublevel set", "all weights whose loss is at most a cutoff"),
        _of_loss(training),
        *(() if said.is_share else (of_metric,)),
        (
            "± and [ , ]",
            "over seeds: standard deviation, and t interval of the mean, of 95 % but for claims, which say "
            "theirs; of one seed: standard error"
            + (", and binomial interval of 95 % (Wilson) of an accuracy" if said.is_counted else ""),
        ),
    )
