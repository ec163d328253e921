"""What a report looks like as an MLflow run: its files, and the claims as metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from lth.evidence.claim import Finding
from lth.evidence.table import aligned, markdown
from lth.report import Report
from lth.solution.problem import Problem
from lth.study.record.solution import log_setting, study_name, study_tags
from lth.tracking.run import RunLog

_VERDICTS = {"supported": 1.0, "undecided": 0.0, "refuted": -1.0}


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
    return {**shared, "kind": "report", "seeds": ",".join(str(problem.setting.seed) for problem in problems)}


def log_report(run: RunLog, report: Report, problems: Sequence[Problem]) -> None:
    """Log every file of a report, and each claim's mean, interval and verdict, with `step=level`."""
    log_setting(run, problems[0], None, None, one_seed=len(problems) == 1)
    with tempfile.TemporaryDirectory() as directory:
        for path, content in report.files.items():
            local = Path(directory, path)
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_bytes(content)
        run.directory(Path(directory), "")
    for finding in report.findings:
        _log_claim(run, finding)
    run.note(claims_note(report.findings))


def claims_note(findings: Sequence[Finding]) -> str:
    """Return the verdicts as a table in Markdown, its columns aligned for a terminal too."""
    rows = [("claim", "statement", "verdict", "sign agrees")]
    rows += [
        (
            finding.claim.id,
            finding.claim.statement,
            finding.verdict,
            f"{finding.num_agreeing} of {finding.num_measured}",
        )
        for finding in findings
    ]
    headings, *others = aligned(rows)
    return markdown([headings, *others], ["-" * (len(heading) + 2) for heading in headings])


def _log_claim(run: RunLog, finding: Finding) -> None:
    name = f"claims/{finding.claim.id}"
    run.metrics({f"{name}_verdict": _VERDICTS[finding.verdict]})
    for outcome in finding.outcomes:
        own = name if outcome.case.place.kind == "imp" else f"{name}_{outcome.case.label}"
        estimate = outcome.estimate
        numbers = {own: estimate.mean, f"{own}_low": estimate.low, f"{own}_high": estimate.high}
        run.metrics({key: value for key, value in numbers.items() if value is not None}, outcome.case.level)
