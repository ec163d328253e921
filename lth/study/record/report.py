"""What a report looks like as an MLflow run: its files, among them the claims as a table, and a summary."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth.evidence.claim import Finding
from lth.evidence.claim.wording import (
    Deciding,
    as_lines,
    how_judged,
    on_average,
    shown_p,
    takes_words,
    where_it_holds,
)
from lth.evidence.table import aligned, markdown
from lth.plan.keys import content_key
from lth.report import REPORT_VERSION, Report, Scope
from lth.setting.setting import with_overrides
from lth.setting.terms import terms
from lth.solution.problem import Problem
from lth.study.record.solution import log_setting, study_name, study_tags
from lth.tracking.run import RunLog
from lth.tracking.store import KEY, FoundRun, Store, is_finished

REPORTED = "lth.reported"  # on a report: what it reports, whichever the seeds
_BESIDE_THE_CLAIMS = {
    "matched_loss": "off",
    "vectors": "off",
    "halvings": 0,
    "methods": (),
    "own_method": "none",
    "beyond": (),
}
_ELSEWHERE = "report made elsewhere"  # of which the store holds its seeds alone
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


def elsewhere_tags(problems: Sequence[Problem], seeds: Sequence[int]) -> dict[str, str]:
    """Return the tags of the run that tells of a report made in another store, over these seeds."""
    told = {**report_tags(problems), "kind": _ELSEWHERE, "seeds": ",".join(map(str, seeds))}
    return {**told, KEY: content_key({"task": _ELSEWHERE, "study": told[REPORTED], "seeds": list(seeds)})}


def reports_of(store: Store, study: str) -> list[FoundRun]:
    """Return every finished report of a study that a store holds, those made elsewhere before all others."""
    finished = [run for run in reversed(store.search(f"tags.`{REPORTED}` = '{study}'")) if is_finished(run)]
    return sorted(finished, key=lambda run: run.data.tags["kind"] != _ELSEWHERE)


def was_before(report: FoundRun, run: FoundRun) -> bool:
    """Say whether a report was there before a run began; one made elsewhere always was."""
    made_elsewhere = report.data.tags["kind"] == _ELSEWHERE
    return made_elsewhere or bool(report.info.end_time <= run.info.start_time)


def earlier_reports(store: Store, problems: Sequence[Problem]) -> list[list[int]]:
    """Return the seeds of every report of the same study that a store knows of, the first one first."""
    return [
        [int(seed) for seed in run.data.tags["seeds"].split(",")]
        for run in reports_of(store, reported_study(problems[0]))
    ]


def reports_elsewhere(store: Store, problems: Sequence[Problem]) -> list[list[int]]:
    """Return the seeds of those of them that were made in another store."""
    of_study = f"tags.`{REPORTED}` = '{reported_study(problems[0])}' and tags.kind = '{_ELSEWHERE}'"
    told = [run.data.tags["seeds"] for run in store.search(of_study) if is_finished(run)]
    return sorted([int(seed) for seed in seeds.split(",")] for seeds in told)


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


_WHAT_DECIDES = (
    "What would decide the others, as far as the effects are as they seem; in brackets the range that a spread "
    "over so few seeds leaves:"
)


def claims_note(findings: Sequence[Finding], undecided: Sequence[Deciding], declared: str = "") -> str:
    """Return the verdicts as a table in Markdown, aligned for a terminal, and what would decide the others."""
    rows = [("claim", "statement", "on average", "mean [interval]", "in every case", "p, Holm", "sign agrees")]
    headings, *others = aligned([*rows, *map(_cells, findings)])
    table = markdown([headings, *others], ["-" * (len(heading) + 2) for heading in headings])
    told = [f"{each.claim.id} {where_it_holds(each)}" for each in findings if takes_words(each)]
    judging = " ".join(filter(None, (how_judged(findings), declared)))
    parts = [[table], [judging], told, [_WHAT_DECIDES] if undecided else [], as_lines(undecided)]
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
