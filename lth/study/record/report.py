"""What a report looks like as an MLflow run: its files, among them the claims as a table, and a summary."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth.evidence.claim import Finding
from lth.evidence.claim.wording import Deciding, as_lines, how_judged, on_average, shown_p, where_it_holds
from lth.evidence.table import aligned, markdown
from lth.plan.keys import content_key
from lth.report import REPORT_VERSION, Report, Scope
from lth.setting.setting import with_overrides
from lth.setting.terms import terms
from lth.solution.problem import Problem
from lth.study.record.solution import log_setting, study_name, study_tags
from lth.tracking.run import RunLog
from lth.tracking.store import KEY, Store, is_finished

REPORTED = "lth.reported"  # on a report: what it reports, whichever the seeds
_BESIDE_THE_CLAIMS = {
    "matched_loss": "off",
    "vectors": "off",
    "halvings": 0,
    "methods": (),
    "own_method": "none",
    "beyond": (),
}
_MOST_NAMES = 6  # of what is missing, in a description


def report_name(problems: Sequence[Problem]) -> str:
    """Return what a person calls a report: its study, and the seeds."""
    first, seeds = problems[0], ", ".join(str(problem.setting.seed) for problem in problems)
    of_all = study_name(first, "")
    if len(problems) > 1:
        of_all = of_all.replace(f"seed {first.setting.seed}", f"seeds {seeds}", 1)
    return f"{of_all} · report"


def report_tags(problems: Sequence[Problem]) -> dict[str, str]:
    """Return the tags of a report's run."""
    shared = {
        name: value for name, value in study_tags(problems[0]).items() if name not in ("seed", "lth.study")
    }
    return {
        **shared,
        "kind": "report",
        "seeds": ",".join(str(problem.setting.seed) for problem in problems),
        REPORTED: reported_study(problems[0]),
    }


def report_title(name: str, scope: Scope) -> str:
    """Return what a person calls a report of a part: what whole one it is a part of, and of what."""
    drawn = "" if scope.exhibits is None else f" · {', '.join(each.file for each in scope.exhibits)}"
    return f"{name}{' so far' if any(scope.missing.values()) else ''}{drawn}"


def part_tags(problems: Sequence[Problem], scope: Scope) -> dict[str, str]:
    """Return the tags of the run of a part of a report, which is no look at the study."""
    tags = {name: value for name, value in report_tags(problems).items() if name != REPORTED}
    drawn = None if scope.exhibits is None else [each.file for each in scope.exhibits]
    of = {
        "task": "part of a report",
        "report_version": REPORT_VERSION,
        "evidence": [problem.keys.evidence() for problem in problems],
        "exhibits": drawn,
        "missing": {str(seed): list(names) for seed, names in scope.missing.items()},
    }
    return {**tags, "kind": "part of a report", KEY: content_key(of)}


def reported_study(problem: Problem) -> str:
    """Return the key of what all seeds of a study share: everything that is found under the seed 0.

    What stands beside the paper's claims is left out: it makes no other study, whose looks would count anew.
    """
    alone = with_overrides(problem.keys.setting, {"seed": 0, **_BESIDE_THE_CLAIMS})
    return replace(problem.keys, setting=alone).evidence()


def earlier_reports(store: Store, problems: Sequence[Problem]) -> list[list[int]]:
    """Return the seeds of every report of the same study that a store holds, the first one first."""
    same = f"tags.`{REPORTED}` = '{reported_study(problems[0])}'"
    finished = [run for run in reversed(store.search(same)) if is_finished(run)]
    return [[int(seed) for seed in run.data.tags["seeds"].split(",")] for run in finished]


def log_report(run: RunLog, report: Report, problems: Sequence[Problem]) -> None:
    """Log every file of a report, `claims.csv` among them, and the verdicts as a table in the description."""
    log_setting(run, problems[0], None, one_seed=len(problems) == 1)
    with tempfile.TemporaryDirectory() as directory:
        for path, content in report.files.items():
            local = Path(directory, path)
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_bytes(content)
        run.directory(Path(directory), "")
    run.note(report_note(report))


def report_note(report: Report) -> str:
    """Return the verdicts of a report; of one of a part, what is missing and how to get it."""
    if report.findings:
        return claims_note(report.findings, report.deciding, report.declared)
    lines = [
        f"- seed {each.seed} lacks {len(each.names)} of {len(each.names) + each.present} results: "
        f"{', '.join(each.names[:_MOST_NAMES])}{' …' if len(each.names) > _MOST_NAMES else ''}"
        for each in report.missing
    ]
    waiting = [f"Not whole yet: {'; '.join(title for title, _ in report.lacking)}."] if report.lacking else []
    if not lines:
        return "Figures alone; no claim is judged here."
    parts = [
        [
            "**Figures alone**; claims are judged of the whole study, which is not complete:"
            if report.is_part
            else "**Not complete yet**; claims are judged once it is:"
        ],
        lines,
        waiting,
        [f"To complete it: {report.remedy}"],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def claims_note(findings: Sequence[Finding], undecided: Sequence[Deciding], declared: str = "") -> str:
    """Return the verdicts as a table in Markdown, aligned for a terminal, and what would decide the others."""
    rows = [("claim", "statement", "on average", "", "in every case", "p, Holm", "sign agrees")]
    headings, *others = aligned([*rows, *map(_cells, findings)])
    table = markdown([headings, *others], ["-" * (len(heading) + 2) for heading in headings])
    told = [f"{finding.claim.id} {where_it_holds(finding)}" for finding in findings if _differs(finding)]
    confidence = {each.average.confidence for each in findings if each.average.low is not None}
    intervals = f"Intervals have {100 * max(confidence):.3g} % confidence." if confidence else ""
    judging = " ".join(filter(None, (how_judged(findings), intervals, declared)))
    parts = [[table], [judging], told, as_lines(undecided)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _cells(finding: Finding) -> tuple[str, ...]:
    several = len(finding.outcomes) > 1
    return (
        finding.claim.id,
        terms().reworded(finding.claim.statement),
        finding.average_verdict if several else "",
        on_average(finding),
        finding.verdict,
        shown_p(finding.p_adjusted),
        f"{finding.num_agreeing} of {finding.num_measured}"
        + (f", {finding.num_missing} missing" if finding.num_missing else ""),
    )


def _differs(finding: Finding) -> bool:
    """Say whether the claim holds in some cases and not in others."""
    return len({outcome.verdict for outcome in finding.outcomes}) > 1
