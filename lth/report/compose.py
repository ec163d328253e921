"""What goes into a report, as files by their artifact path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from lth.evidence.claim import Claim, Finding, as_table, claims_of, evaluate
from lth.evidence.claim.verdict_table import verdict_table
from lth.evidence.claim.wording import (
    Deciding,
    as_lines,
    deciding,
    how_judged,
    on_average,
    shown_p,
    study_command,
    weakest_case,
    where_it_holds,
)
from lth.evidence.evidence import Evidence
from lth.evidence.regime import in_words, regime, regime_table
from lth.evidence.table import Table, with_seeds
from lth.report.exhibit import EXHIBITS, Exhibit, exhibits_beyond
from lth.report.exhibited import Exhibited, exhibited, sources
from lth.report.figure.claims import draw_claims, on_pages
from lth.report.figure.saved import saved
from lth.report.opening import notation, opening
from lth.report.page import ClaimEntry, Missing, Page, html, markdown
from lth.report.provenance import watched
from lth.report.solutions import headings, solution_cells, solutions_over_seeds, solutions_table
from lth.setting.preset import title_of
from lth.setting.terms import terms

# Raised when what a report shows or how it judges changes, so that `study` draws a finished one again.
REPORT_VERSION = 7
_CLAIMS = re.compile(r"claims(_\d+)?\.png")


@dataclass(frozen=True)
class Report:
    """Every file of a report, and what it says of the claims."""

    files: Mapping[str, bytes]  # by artifact path
    findings: tuple[Finding, ...]  # none of a part
    deciding: tuple[Deciding, ...]  # what would decide those that are undecided
    declared: str  # before the study began
    missing: tuple[Missing, ...] = ()  # a seed each, of a study that is not complete
    remedy: str = ""  # the command that completes it
    lacking: tuple[tuple[str, str], ...] = ()  # title of a figure or table, and what it waits for
    is_part: bool = False  # whether only some figures and tables were asked for


@dataclass(frozen=True)
class Scope:
    """What a report is of, where it is not of a whole study.

    A report of a part judges no claim: that would be a look at the study, which spends some of its error.
    """

    exhibits: tuple[Exhibit, ...] | None = None  # those that are drawn, without anything else; None for all
    # Names of what is not there yet, by seed.
    missing: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out and nothing missing."""
        return self.exhibits is None and not any(self.missing.values())


def write_report(
    evidences: Sequence[Evidence],
    link: Callable[[str], str],
    resolved: Mapping[str, str] = MappingProxyType({}),
    earlier: Sequence[Sequence[int]] = (),
    declared: str = "",
    *,
    scope: Scope | None = None,
    origin: Sequence[tuple[str, str]] = (),
) -> Report:
    """Draw every exhibit of every seed, judge the claims over the seeds, and write the page.

    Args:
        evidences: One a seed, of studies that differ in nothing else.
        link: Returns the address of a run by its id.
        resolved: What parameters that were left to the machine came to, by their names.
        earlier: The seeds of every report that was made of this study before, the first one first.
        declared: What was declared of it before it began, in a sentence.
        scope: Of what the report is; by default, of everything.
        origin: What computed the evidence, when and in how long: names and values.

    Raises:
        ValueError: If there is no evidence, a seed comes twice, or the studies have different last levels.
    """
    scope = scope or Scope()
    findings = evaluate(claims_of(evidences[0].setting), evidences, earlier) if scope.is_whole else ()
    ordered = sorted(evidences, key=lambda evidence: evidence.seed)
    undecided = deciding(findings, ordered)
    files: dict[str, bytes] = {}
    if findings:
        tables = {"claims.csv": as_table(findings), "verdicts.csv": verdict_table(findings)}
        files = {name: table.csv().encode() for name, table in tables.items()} | _claim_figures(findings)
    if scope.exhibits is None:
        by_seed = {evidence.seed: solutions_table(evidence) for evidence in ordered}
        files["solutions.csv"] = with_seeds(by_seed).csv().encode()
    wanted = (*EXHIBITS, *exhibits_beyond(ordered[0])) if scope.exhibits is None else scope.exhibits
    shown = [exhibited(exhibit, ordered, link) for exhibit in wanted]
    for each in shown:
        files |= each.files
    page = _page(ordered, findings, undecided, shown, files, link, resolved, declared, scope, origin)
    files["report.html"] = html(page).encode()
    files["report.md"] = markdown(page).encode()
    lacking = tuple((each.entry.title, each.entry.lacking) for each in shown if each.entry.lacking)
    return Report(files, tuple(findings), undecided, declared, page.missing, page.remedy, lacking, page.part)


def _claim_figures(findings: Sequence[Finding]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for number, page in enumerate(on_pages(findings), start=1):
        files |= saved(draw_claims(page), "claims" if number == 1 else f"claims_{number}")
    return files


def _page(
    evidences: Sequence[Evidence],
    findings: Sequence[Finding],
    undecided: Sequence[Deciding],
    shown: Sequence[Exhibited],
    files: Mapping[str, bytes],
    link: Callable[[str], str],
    resolved: Mapping[str, str],
    declared: str,
    scope: Scope,
    origin: Sequence[tuple[str, str]],
) -> Page:
    setting = evidences[0].setting
    seeds = tuple(evidence.seed for evidence in evidences)
    whole = scope.exhibits is None
    papers = {exhibit.file for exhibit in EXHIBITS}
    entries = [each.entry for each in shown]
    return Page(
        title=title_of(setting),
        seeds=seeds,
        opening=tuple(opening(evidences, findings)),
        notation=notation(setting),
        part=not whole,
        missing=tuple(
            Missing(evidence.seed, len(evidence.runs), tuple(scope.missing[evidence.seed]))
            for evidence in evidences
            if scope.missing.get(evidence.seed)
        ),
        remedy=study_command(setting, seeds),
        setting=tuple(
            (name, f"auto: {resolved[name]}" if value == "auto" and name in resolved else value)
            for name, value in setting.in_force().items()
            if name != "seed"
        ),
        level_headings=headings(setting),
        levels=tuple((each.seed, solution_cells(each, link)) for each in evidences if whole),
        counted=terms().is_counted,
        levels_over_seeds=solutions_over_seeds(evidences) if len(evidences) > 1 and whole else None,
        judging=how_judged(findings),
        declared=declared,
        settling=_settling(evidences) if scope.is_whole else None,
        claims=tuple(_claim_entry(finding, evidences, undecided, link) for finding in findings),
        deciding=tuple(as_lines(undecided)),
        claims_images=tuple(
            (path.removesuffix(".png"), files[path]) for path in files if _CLAIMS.fullmatch(path)
        ),
        claims_table=as_table(findings) if findings else None,
        exhibits=tuple(entry for entry in entries if entry.file in papers),
        beyond=tuple(entry for entry in entries if entry.file not in papers),
        sources=tuple(sources(evidence, tuple(evidence.runs), link) for evidence in evidences),
        origin=tuple(origin),
    )


def _settling(evidences: Sequence[Evidence]) -> tuple[str, Table]:
    """Return whether the training loss has settled at each level: in words, and as a table."""
    analysis, found = evidences[0].setting.analysis, regime(evidences)
    words = in_words(found, analysis.k, matched=analysis.matched_loss == "on")
    return words, regime_table(found, analysis.k)


def _claim_entry(
    finding: Finding, evidences: Sequence[Evidence], undecided: Sequence[Deciding], link: Callable[[str], str]
) -> ClaimEntry:
    claim = finding.claim
    return ClaimEntry(
        id=claim.id,
        statement=terms().reworded(claim.statement),
        paper=claim.paper,
        rule=terms().reworded(claim.rule),
        unit=terms().reworded(claim.number),
        average=on_average(finding),
        average_verdict=finding.average_verdict if len(finding.outcomes) > 1 else "",
        verdict=finding.verdict,
        where=where_it_holds(finding),
        p=shown_p(finding.judgement.p),
        p_adjusted=shown_p(finding.p_adjusted),
        p_exact=shown_p(finding.sign_flip_p),
        weakest=weakest_case(finding),
        deciding=tuple((each.name, str(each)) for each in undecided if each.claim == claim.id),
        agreeing=f"{finding.num_agreeing} of {finding.num_measured}",
        missing=finding.num_missing,
        sources=tuple(sources(evidence, _read_by(claim, evidence), link) for evidence in evidences),
    )


def _read_by(claim: Claim, evidence: Evidence) -> tuple[str, ...]:
    def statistics(watching: Evidence) -> None:
        for case in claim.cases(evidence.last):
            claim.statistic(watching, case)

    return watched(statistics, evidence)[1]
