"""What a report looks like as an MLflow run: its files, among them the claims as a table, and a summary."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth.evidence.claim import Finding
from lth.evidence.claim.wording import Deciding, as_lines, how_judged, on_average, shown_p, where_it_holds
from lth.evidence.table import aligned, markdown
from lth.report import Report
from lth.setting.setting import with_overrides
from lth.solution.problem import Problem
from lth.study.record.solution import log_setting, study_name, study_tags
from lth.tracking.run import RunLog
from lth.tracking.store import Store, is_finished

REPORTED = "lth.reported"  # on a report: what it reports, whichever the seeds


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


def reported_study(problem: Problem) -> str:
    """Return the key of what all seeds of a study share: everything that is found under the seed 0.

    What stands beside the paper's claims is left out: it makes no other study, whose looks would count anew.
    """
    alone = with_overrides(problem.keys.setting, {"seed": 0, "matched_loss": "off"})
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
    run.note(claims_note(report.findings, report.deciding, report.declared))


def claims_note(findings: Sequence[Finding], undecided: Sequence[Deciding], declared: str = "") -> str:
    """Return the verdicts as a table in Markdown, aligned for a terminal, and what would decide the others."""
    rows = [("claim", "statement", "on average", "", "in every case", "p, Holm", "sign agrees")]
    headings, *others = aligned([*rows, *map(_cells, findings)])
    table = markdown([headings, *others], ["-" * (len(heading) + 2) for heading in headings])
    told = [f"{finding.claim.id} {where_it_holds(finding)}" for finding in findings if _differs(finding)]
    judging = " ".join(filter(None, (how_judged(findings), declared)))
    parts = [[table], [judging], told, as_lines(undecided)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _cells(finding: Finding) -> tuple[str, ...]:
    several = len(finding.outcomes) > 1
    return (
        finding.claim.id,
        finding.claim.statement,
        finding.average_verdict if several else "",
        on_average(finding),
        finding.verdict,
        shown_p(finding.p_adjusted),
        f"{finding.num_agreeing} of {finding.num_measured}",
    )


def _differs(finding: Finding) -> bool:
    """Say whether the claim holds in some cases and not in others."""
    return len({outcome.verdict for outcome in finding.outcomes}) > 1
