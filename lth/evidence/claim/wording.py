"""What a finding says in words: where the claim holds and where not, and what would decide it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lth.evidence.claim.claim import Case
from lth.evidence.claim.finding import Finding, Outcome, expected_errors, families
from lth.evidence.evidence import Evidence
from lth.evidence.power import MOST_SEEDS, POWER, SeedsNeeded
from lth.evidence.rule import Verdict
from lth.evidence.table import rounded
from lth.plan.place import BASELINES
from lth.setting.door import command_line
from lth.setting.preset import standard_of
from lth.setting.seeds import written_seeds
from lth.setting.setting import Setting

_POWER = f"{POWER:.0%}".replace("%", " %")
_FIRST_SEEDS = 3  # what a study that has no spread yet should have


def where_it_holds(finding: Finding) -> str:
    """Return in which cases the claim holds, against the paper or undecided, such as `holds at levels 3–5, …`.

    An undecided case whose mean is below zero while another's is above is named as such: the claim's cases then
    differ in sign.
    """
    outcomes, left_out = finding.outcomes, finding.claim.left_out
    if not outcomes:
        return f"no case: {left_out}" if left_out else "no case"
    of = {
        verdict: [each for each in outcomes if each.verdict == verdict] for verdict in ("supported", "refuted")
    }
    open_ = [each for each in outcomes if each.verdict == "undecided"]
    lower = [each for each in open_ if each.estimate.mean is not None and each.estimate.mean < 0]
    differ = len({_sign(each) for each in outcomes} - {0}) > 1
    parts = [
        f"holds {_at(of['supported'])}" if of["supported"] else "",
        f"against the paper {_at(of['refuted'])}" if of["refuted"] else "",
        f"undecided {_at(open_)}" if open_ else "",
    ]
    if lower and differ:
        parts[-1] += f" (below zero {_at(lower)})"
    return ", ".join(filter(None, parts)) + "".join(f" ({each})" for each in _decided_before(finding))


def takes_words(finding: Finding) -> bool:
    """Say whether verdicts or signs differ from case to case, or an earlier look says more than this one."""
    verdicts, signs = {each.verdict for each in finding.outcomes}, set(map(_sign, finding.outcomes))
    return len(verdicts) > 1 or {-1, 1} <= signs or bool(_decided_before(finding))


def _decided_before(finding: Finding) -> list[str]:
    """Return what an earlier look decided and this one leaves open, with what no longer stands."""
    told = _by_an_earlier_look(
        finding, "in every case", finding.decided_by, lambda look: look.judgement.verdict
    )
    if len(finding.outcomes) > 1:
        by = finding.average_decided_by
        told += _by_an_earlier_look(finding, "on average", by, lambda look: look.own_average_verdict)
    return told


def _by_an_earlier_look(
    finding: Finding, question: str, by: Finding | None, verdict: Callable[[Finding], Verdict]
) -> list[str]:
    if by is not None:
        return [] if by is finding else [f"{question} {verdict(by)} by {_named(by)}"]
    return [
        f"{question} {verdict(look)} by {_named(look)}, and no longer"
        for look in finding.earlier
        if verdict(look) != "undecided"
    ]


def _named(finding: Finding) -> str:
    return f"look {finding.look.number}, over seeds {written_seeds(finding.seeds)}"


def on_average(finding: Finding) -> str:
    """Return the size of the mean over the cases, and the interval over seeds, such as `12.3 [10.1, 14.5]`."""
    average = finding.average
    if average.mean is None:
        return "–"
    if average.low is None or average.high is None:
        return f"{rounded(average.mean)}"
    return f"{rounded(average.mean)} [{rounded(average.low)}, {rounded(average.high)}]"


def how_judged(findings: Sequence[Finding]) -> str:
    """Return with what error the claims are judged, at which look, and how many wrong verdicts to expect."""
    decidable = [finding for finding in findings if finding.is_decidable]
    if not decidable:
        if any(len(finding.seeds) > 1 for finding in findings):
            return "Nothing can be tested: in every case a seed has no value."
        return "Nothing can be tested: that takes two seeds or more."
    parts = [_error_of(decidable[0])]
    if decidable[0].error:
        parts.append(_errors_to_expect(decidable))
    if (alone := decidable[0].look.alone) > 1:
        one_by_one = f"{alone} of these seeds were reported one by one before"
        parts.append(f"{one_by_one}; the error holds if their number was fixed then.")
    confidence = {each.average.confidence for each in decidable if each.average.low is not None}
    if confidence:
        parts.append(f"Intervals have {100 * max(confidence):.3g} % confidence.")
    return " ".join(parts)


def _error_of(finding: Finding) -> str:
    """Return with what error its verdicts are made, at which look."""
    look, stands = finding.look, "what an earlier look decided stands where all seeds bear it out"
    before = any(each.look.error for each in finding.earlier)
    if look.error == 0:
        why = (
            "all these seeds are in earlier reports, and one could choose among them"
            if look.fresh == 0
            else "of the seeds that were reported before some are left out, and the others may be a choice"
        )
        return f"Nothing new is decided: {why}; {stands}." if before else f"Nothing is decided: {why}."
    share = f"{100 * look.error:.3g} %"
    if before:
        whole = f"{100 * finding.error:.3g} %"
        return (
            f"Each verdict is wrong with a probability of at most {whole}: {stands}, and this, look "
            f"{look.number}, adds {share}."
        )
    again = "" if look.number == 1 else f", as this is look {look.number} at this study"
    return f"Each verdict is wrong with a probability of at most {share}{again}."


def _errors_to_expect(decidable: Sequence[Finding]) -> str:
    """Return how many wrong verdicts to expect at most, of the paper's claims and of those beside them."""
    own, *beside = families(decidable)

    def wrong(family: Sequence[Finding]) -> str:
        several = [each for each in family if len(each.outcomes) > 1]
        mean = f", of {len(several)} on average {expected_errors(several):.2g}" if several else ""
        count = f"{len(family)} verdict{'s' * (len(family) > 1)}"
        return (
            f"{count} in every case at most {expected_errors(family):.2g} wrong ones are to be expected{mean}"
        )

    others = [f"of {len(each)} beside them {expected_errors(each):.2g}" for each in beside]
    return f"Of {wrong(own)}{''.join(f'; {each}' for each in others)}."


def weakest_case(finding: Finding) -> str:
    """Return the case that speaks least for the claim, with its p."""
    weakest = finding.weakest
    if weakest is None:
        return "–"
    if not weakest.estimate.testable:
        return f"{weakest.case.label} (a seed has no value)"
    return f"{weakest.case.label} (p {shown_p(weakest.estimate.p_above)})"


def shown_p(p: float | None) -> str:
    """Return a p value in two significant digits."""
    if p is None:
        return "–"
    return f"{p:.2g}" if p >= 1e-4 else "<0.0001"


@dataclass(frozen=True)
class Deciding:
    """What would decide a claim that is undecided."""

    claim: str  # its id
    on_average: bool  # or in every case
    reason: str
    seeds: tuple[int, ...] = ()  # to run; empty if no number of seeds that can be had would decide it
    command: str = ""  # that runs them
    hours: float | None = None  # it takes more than was done; None if that is not known

    @property
    def name(self) -> str:
        """What it is that would be decided."""
        return f"{self.claim} on average" if self.on_average else self.claim

    @property
    def duration(self) -> str:
        """The hours, such as ` (1.5 h more)`; empty if they are not known."""
        return "" if self.hours is None else f" ({_hours(self.hours)} more)"

    def __str__(self) -> str:
        return f"{self.reason}: {self.command}{self.duration}" if self.command else self.reason


def deciding(findings: Sequence[Finding], evidences: Sequence[Evidence]) -> tuple[Deciding, ...]:
    """Return what would decide every claim that is undecided, in every case or on average.

    Args:
        findings: Of the claims.
        evidences: They were taken from; their setting, and the hours they took, are the commands'.
    """
    found = []
    for finding in findings:
        if finding.verdict == "undecided":
            found.append(_deciding(finding, evidences, on_average=False))
        if len(finding.outcomes) > 1 and finding.average_verdict == "undecided":
            found.append(_deciding(finding, evidences, on_average=True))
    return tuple(found)


def as_lines(decidings: Sequence[Deciding]) -> list[str]:
    """Return what would decide as lines of text: the command of the fewest seeds, and what how many decide."""
    blocks = []
    if more := sorted((each for each in decidings if each.command), key=lambda each: len(each.seeds)):
        others = ", and the same with more seeds" if len({each.command for each in more}) > 1 else ""
        blocks.append((f"{more[0].command}{others}:", more))
    if rest := [each for each in decidings if not each.command]:
        blocks.append(("What no number of seeds in one study decides:", rest))
    lines = [
        ["", heading, *(f"- {each.name}: {each.reason}{each.duration}" for each in group)]
        for heading, group in blocks
    ]
    return [line for block in lines for line in block][1:]


def study_command(setting: Setting, seeds: Sequence[int]) -> str:
    """Return the command that runs a study under these seeds, with every parameter that is not its preset's.

    Where data and network of one's own lie is no parameter of a setting, and has to be added.
    """
    standard = standard_of(setting)
    changed = [
        f"{name}={value}"
        for name, value in setting.in_force().items()
        if name != "seed" and (name == "preset" or value != standard[name])
    ]
    given = [*changed, f"seeds={written_seeds(seeds)}"]
    return command_line("study", *given)


def _deciding(finding: Finding, evidences: Sequence[Evidence], *, on_average: bool) -> Deciding:
    def by(reason: str) -> Deciding:
        return Deciding(finding.claim.id, on_average, reason)

    if not finding.outcomes:
        return by(finding.claim.left_out or "a study of so few levels has no case of it")
    if missing := [outcome for outcome in finding.outcomes if outcome.estimate.num_missing]:
        lacking = sorted({seed for each in missing for seed in _without_value(finding.seeds, each)})
        who = f"seed{'s' * (len(lacking) > 1)} {written_seeds(lacking)}"
        have = "have" if len(lacking) > 1 else "has"
        return by(f"{who} {have} no value {_at(missing)}, which more seeds don't mend")
    if len(finding.seeds) < 2:
        count = max(_FIRST_SEEDS, len(known := finding.look.known | set(finding.seeds)))
        return _with_seeds(by("one seed has no spread; three show how many it takes"), count, known, evidences)
    needed = finding.average_needed if on_average else finding.needed
    side = finding.average_leaning if on_average else finding.leaning
    if needed is None:
        return by("a mean is on neither side of zero")
    alone = finding.average_needed_alone if on_average else finding.needed_alone
    afresh = "" if alone is None else f"; {alone} others would do in an experiment with an error of its own"
    if needed.expected is None:
        least = "" if needed.fewest is None else f", at least {needed.fewest}"
        return by(f"to be {side} with {_POWER} power it takes more than {MOST_SEEDS:,} seeds{least}{afresh}")
    reason = f"{side} with {_POWER} power by {needed.expected} seeds{_range(needed)}"
    if alone is not None and alone < needed.expected - len(finding.look.known):
        reason += afresh
    return _with_seeds(by(reason), needed.expected, finding.look.known, evidences)


def _with_seeds(found: Deciding, count: int, known: frozenset[int], evidences: Sequence[Evidence]) -> Deciding:
    """Return it with the command that runs the lowest seeds that there are not yet, up to `count`.

    Seeds of earlier reports are there, and among those of the command: they cost no time, and leave no error.
    """
    present = known | {evidence.seed for evidence in evidences}
    unused = (seed for seed in range(count + len(present)) if seed not in present)
    added = [next(unused) for _ in range(count - len(present))]
    seeds = tuple(sorted([*present, *added]))
    took = [evidence.seconds for evidence in evidences if evidence.seconds is not None]
    hours = len(added) * sum(took) / len(took) / 3600 if took else None
    return replace(found, seeds=seeds, command=study_command(evidences[0].setting, seeds), hours=hours)


def _range(needed: SeedsNeeded) -> str:
    """Return how many it may be, as the spread is itself uncertain."""
    fewest = "" if needed.fewest is None else str(needed.fewest)
    most = f"over {MOST_SEEDS:,}" if needed.most is None else str(needed.most)
    if fewest == most:
        return ""
    return f" ({fewest} to {most})" if fewest else ""


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 0.1 else f"{60 * hours:.1f} min"


def _without_value(seeds: Sequence[int], outcome: Outcome) -> list[int]:
    return [seed for seed, value in zip(seeds, outcome.estimate.values, strict=True) if value is None]


def _sign(outcome: Outcome) -> int:
    mean = outcome.estimate.mean or 0.0
    return (mean > 0) - (mean < 0)


def _at(outcomes: Sequence[Outcome]) -> str:
    """Return `at levels 1 and 3–5`, or the names of baselines."""
    cases = [outcome.case for outcome in outcomes]
    if any(case.place.kind != "imp" for case in cases):
        labels = [case.label for case in cases]
        return f"for all {len(labels)} baselines" if set(labels) == set(BASELINES) else f"for {_listed(labels)}"
    return f"at level{'s' if len(cases) > 1 else ''} {_listed(_runs(cases))}"


def _runs(cases: Sequence[Case]) -> list[str]:
    """Return levels in order, those that follow one another as `3–5`."""
    runs = []
    for _, group in groupby(enumerate(case.level for case in cases), key=lambda pair: pair[1] - pair[0]):
        levels = [level for _, level in group]
        if len(levels) > 2:
            runs.append(f"{levels[0]}–{levels[-1]}")
        else:
            runs.extend(map(str, levels))
    return runs


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
