"""What goes into a report, as files by their artifact path."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from matplotlib.figure import Figure

from lth.evidence.claim import CLAIMS, Claim, Finding, as_table, evaluate
from lth.evidence.claim.wording import (
    Deciding,
    as_lines,
    deciding,
    how_judged,
    on_average,
    shown_p,
    weakest_case,
    where_it_holds,
)
from lth.evidence.evidence import Evidence
from lth.evidence.table import Table, over_seeds, with_seeds
from lth.report.exhibit import BEYOND, EXHIBITS, Exhibit
from lth.report.figure.claims import draw_claims
from lth.report.figure.interactive_surface import surface_html
from lth.report.page import ClaimEntry, ExhibitEntry, Page, Source, html, markdown
from lth.report.provenance import watched
from lth.report.solutions import solution_cells, solutions_over_seeds, solutions_table
from lth.setting.preset import title_of

_DOTS_PER_INCH = 110
# Raised when what a report shows or how it judges changes, so that `study` draws a finished one again.
REPORT_VERSION = 3
SURFACE = "fig13_surface"


@dataclass(frozen=True)
class Report:
    """Every file of a report, and what it says of the claims."""

    files: Mapping[str, bytes]  # by artifact path
    findings: tuple[Finding, ...]
    deciding: tuple[Deciding, ...]  # what would decide those that are undecided
    declared: str  # before the study began


def write_report(
    evidences: Sequence[Evidence],
    link: Callable[[str], str],
    resolved: Mapping[str, str] = MappingProxyType({}),
    earlier: Sequence[Sequence[int]] = (),
    declared: str = "",
) -> Report:
    """Draw every exhibit of every seed, judge the claims over the seeds, and write the page.

    Args:
        evidences: One a seed, of studies that differ in nothing else.
        link: Returns the address of a run by its id.
        resolved: What parameters that were left to the machine came to, by their names.
        earlier: The seeds of every report that was made of this study before, the first one first.
        declared: What was declared of it before it began, in a sentence.

    Raises:
        ValueError: If there is no evidence, a seed comes twice, or the studies have different last levels.
    """
    findings = evaluate(CLAIMS, evidences, earlier)
    ordered = sorted(evidences, key=lambda evidence: evidence.seed)
    undecided = deciding(findings, ordered)
    files = {"claims.csv": as_table(findings).csv().encode(), "claims.png": _png(draw_claims(findings))}
    for evidence in ordered:
        for exhibit in (*EXHIBITS, *BEYOND):
            # A picture takes half a second: where one is of all seeds, those of each would be a minute's wait.
            files |= _exhibit_files(exhibit, evidence, drawn=len(ordered) == 1 or exhibit.draw_seeds is None)
        files[f"{_folder(evidence)}/{SURFACE}.html"] = _interactive(evidence)
    files["solutions.csv"] = _of_seeds(solutions_table, ordered).csv().encode()
    if len(ordered) > 1:
        for exhibit in (*EXHIBITS, *BEYOND):
            files |= _files_over_seeds(exhibit, ordered)
    page = _page(ordered, findings, undecided, files, link, resolved, declared)
    files["report.html"] = html(page).encode()
    files["report.md"] = markdown(page).encode()
    return Report(files, findings, undecided, declared)


def _interactive(evidence: Evidence) -> bytes:
    return surface_html(replace(evidence.surface, cutoff=evidence.sublevel_cutoff)).encode()


def _exhibit_files(exhibit: Exhibit, evidence: Evidence, *, drawn: bool) -> dict[str, bytes]:
    path = f"{_folder(evidence)}/{exhibit.file}"
    files = {f"{path}.csv": exhibit.numbers(evidence).csv().encode()}
    if drawn and exhibit.draw is not None:
        files[f"{path}.png"] = _png(exhibit.draw(evidence))
    return files


def _files_over_seeds(exhibit: Exhibit, evidences: Sequence[Evidence]) -> dict[str, bytes]:
    files = {f"{exhibit.file}.csv": _of_seeds(exhibit.numbers, evidences).csv().encode()}
    if exhibit.draw_seeds is not None:
        files[f"{exhibit.file}.png"] = _png(exhibit.draw_seeds(evidences))
    return files


def _of_seeds(numbers: Callable[[Evidence], Table], evidences: Sequence[Evidence]) -> Table:
    return with_seeds({evidence.seed: numbers(evidence) for evidence in evidences})


def _page(
    evidences: Sequence[Evidence],
    findings: Sequence[Finding],
    undecided: Sequence[Deciding],
    files: Mapping[str, bytes],
    link: Callable[[str], str],
    resolved: Mapping[str, str],
    declared: str,
) -> Page:
    setting = evidences[0].setting
    seeds = tuple(evidence.seed for evidence in evidences)
    return Page(
        title=title_of(setting),
        seeds=seeds,
        setting=tuple(
            (name, f"auto: {resolved[name]}" if value == "auto" and name in resolved else value)
            for name, value in setting.in_force().items()
            if name != "seed"
        ),
        levels=tuple((evidence.seed, solution_cells(evidence, link)) for evidence in evidences),
        levels_over_seeds=solutions_over_seeds(evidences) if len(evidences) > 1 else None,
        judging=how_judged(findings),
        declared=declared,
        claims=tuple(_claim_entry(finding, evidences, undecided, link) for finding in findings),
        deciding=tuple(as_lines(undecided)),
        claims_image=files["claims.png"],
        claims_table=as_table(findings),
        exhibits=tuple(_exhibit_entry(exhibit, evidences, files, link) for exhibit in EXHIBITS),
        beyond=tuple(_exhibit_entry(exhibit, evidences, files, link) for exhibit in BEYOND),
        sources=tuple(_sources(evidence, evidence.runs, link) for evidence in evidences),
    )


def _claim_entry(
    finding: Finding, evidences: Sequence[Evidence], undecided: Sequence[Deciding], link: Callable[[str], str]
) -> ClaimEntry:
    claim = finding.claim
    return ClaimEntry(
        id=claim.id,
        statement=claim.statement,
        paper=claim.paper,
        rule=claim.rule,
        unit=claim.unit,
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
        sources=tuple(_sources(evidence, _read_by(claim, evidence), link) for evidence in evidences),
    )


def _read_by(claim: Claim, evidence: Evidence) -> tuple[str, ...]:
    def statistics(watching: Evidence) -> None:
        for case in claim.cases(evidence.last):
            claim.statistic(watching, case)

    return watched(statistics, evidence)[1]


def _exhibit_entry(
    exhibit: Exhibit, evidences: Sequence[Evidence], files: Mapping[str, bytes], link: Callable[[str], str]
) -> ExhibitEntry:
    first = evidences[0]

    def everything(evidence: Evidence) -> tuple[Table, str]:
        return exhibit.numbers(evidence), exhibit.found(evidence)

    shown = {evidence.seed: watched(everything, evidence) for evidence in evidences}
    tables = {seed: table for seed, ((table, _), _) in shown.items()} if exhibit.draw is None else {}
    path = exhibit.file if len(evidences) > 1 else f"{_folder(first)}/{exhibit.file}"
    drawn = path if f"{path}.png" in files else f"{_folder(first)}/{exhibit.file}"
    interactive = f"{_folder(first)}/{exhibit.file}.html"
    return ExhibitEntry(
        file=exhibit.file,
        path=path,
        title=exhibit.title,
        paper=exhibit.paper,
        found=tuple((seed, sentence) for seed, ((_, sentence), _) in shown.items()),
        image=files.get(f"{drawn}.png"),
        drawn=drawn,
        caption=_caption(exhibit, evidences),
        over_seeds=over_seeds(tables) if len(tables) > 1 else None,
        tables=tuple(tables.items()),
        interactive=interactive if interactive in files else None,
        sources=tuple(_sources(evidence, shown[evidence.seed][1], link) for evidence in evidences),
    )


def _caption(exhibit: Exhibit, evidences: Sequence[Evidence]) -> str:
    """Return which seeds a picture shows, where it does not say so itself."""
    if exhibit.draw is None or exhibit.draw_seeds is not None or len(evidences) == 1:
        return ""
    first, *others = (str(evidence.seed) for evidence in evidences)
    return f"Of seed {first} alone; the same of seed {', '.join(others)} lies beside this report, in seed_…/."


def _sources(
    evidence: Evidence, names: Mapping[str, str] | Sequence[str], link: Callable[[str], str]
) -> tuple[int, tuple[Source, ...]]:
    return evidence.seed, tuple(
        Source(name, link(evidence.runs[name]), name in evidence.former)
        for name in names
        if name in evidence.runs
    )


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH, bbox_inches="tight", metadata={"Software": None})
    return content.getvalue()


def _folder(evidence: Evidence) -> str:
    return f"seed_{evidence.seed}"
