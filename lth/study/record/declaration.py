"""What a declaration looks like as an MLflow run: claims, their rules, seeds and settings as one document."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lth.evidence.claim import claims_of
from lth.evidence.declaration import Declaration, digest
from lth.plan.keys import content_key, entering
from lth.setting.reader import names
from lth.setting.setting import spelled
from lth.solution.problem import Problem
from lth.study.record.report import REPORTED, report_tags, reported_study, reports_of, was_before
from lth.study.record.solution import study_name
from lth.tracking.run import RunLog
from lth.tracking.store import KEY, FoundRun, Store, is_finished

DOCUMENT = "declaration.json"
DECLARED = "lth.declared"  # on a declaration: what it is of, whichever the seeds
_KIND = "declaration"


def declaration_name(problem: Problem) -> str:
    """Return what a person calls the run."""
    return f"{study_name(problem, '')} · declaration"


def document(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return what is declared."""
    return {
        "seeds": [problem.setting.seed for problem in problems],
        "claims": [
            {"id": claim.id, "statement": claim.statement, "rule": claim.rule, "digest": digest(claim)}
            for claim in claims_of(problems[0].setting)
        ],
        "settings": declared_settings(problems[0]),
        "study": reported_study(problems[0]),
    }


def declared_settings(problem: Problem) -> dict[str, str]:
    """Return the settings of a study as a declaration has them."""
    settings = entering(spelled(problem.keys.resolved))  # what was declared before stays declared
    return {name: value for name, value in settings.items() if name != "seed"}


def declaration_tags(problems: Sequence[Problem]) -> dict[str, str]:
    """Return the tags of a declaration's run."""
    content = document(problems)
    tags = {name: value for name, value in report_tags(problems).items() if name != REPORTED}
    return {**tags, "kind": _KIND, DECLARED: content["study"], KEY: content_key({"task": _KIND, **content})}


def log_declaration(run: RunLog, problems: Sequence[Problem]) -> None:
    """Log what is declared, for people and for reports to come."""
    content = document(problems)
    run.json(content, DOCUMENT)
    rows = [f"- {claim['id']}: {claim['statement']}" for claim in content["claims"]]
    seeds = ", ".join(map(str, content["seeds"]))
    run.note("\n".join([f"Declared before the study began, for seeds {seeds}:", "", *rows]))


def declarations(store: Store, problem: Problem) -> list[Declaration]:
    """Return what was declared of the study of a problem, whichever the seeds, the first one first."""
    study = reported_study(problem)
    reports = reports_of(store, study)
    return [_read(store, run, reports) for run in _finished(store, f"tags.`{DECLARED}` = '{study}'")]


def declarations_elsewhere(store: Store, problem: Problem) -> list[Declaration]:
    """Return what was declared of studies with other settings, the first one first."""
    runs = _finished(store, f"tags.kind = '{_KIND}'")
    return [_read(store, run) for run in runs if run.data.tags[DECLARED] != reported_study(problem)]


def _finished(store: Store, filter_string: str) -> list[FoundRun]:
    return [run for run in reversed(store.search(filter_string)) if is_finished(run)]


def _methods(settings: Mapping[str, str]) -> frozenset[str]:
    """Return the methods of a study as it was spelled out, its own by the place it takes among them."""
    own = names(settings.get("own_method", "none"))
    return frozenset({*names(settings.get("methods", "none")), *(["own_method"] if own else [])})


def _read(store: Store, run: FoundRun, reports: Sequence[FoundRun] = ()) -> Declaration:
    before = [each for each in reports if was_before(each, run)]
    with tempfile.TemporaryDirectory() as directory:
        content = json.loads(store.fetch(run.info.run_id, DOCUMENT, directory).read_text())
    return Declaration(
        where=run.info.run_id,
        when=datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seeds=tuple(int(seed) for seed in content["seeds"]),
        claims={str(claim["id"]): str(claim["digest"]) for claim in content["claims"]},
        methods=_methods(content["settings"]),
        settings=content["settings"],
        reported=frozenset(int(seed) for each in before for seed in each.data.tags["seeds"].split(",")),
    )
