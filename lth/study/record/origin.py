"""Where the numbers of a report come from: what computed them, on what, when and in how long."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from lth.evidence.evidence import Evidence
from lth.inputs import each
from lth.network.parts import PRUNABLE, counts_of, parts
from lth.solution.problem import Problem
from lth.tracking.store import COMPUTED_BY, FoundRun

_COMMIT = "mlflow.source.git.commit"
_DEVICE = "device"
_PACKAGES = ("torch", "mlflow", "numpy", "scipy", "matplotlib")


def origin_of(
    problems: Sequence[Problem], evidences: Sequence[Evidence], runs: Sequence[FoundRun], commit: str
) -> tuple[tuple[str, str], ...]:
    """Return names and values for people, of which none depends on when the report is drawn.

    Args:
        problems: Of the studies, which differ in nothing but the seed.
        evidences: What was found of each.
        runs: Of what was found.
        commit: Of the code that draws the report; empty if it is not known.
    """
    tags = [run.data.tags for run in runs]
    packages = [f"{name} {_version(name)}" for name in _PACKAGES]
    rows = [
        ("lth", f"{_version('lth')}{f', commit {commit[:12]}' if commit else ''}, which drew this report"),
        ("computed by", _listed(_commits(tag.get(_COMMIT, "") for tag in tags))),
        ("when", _when(runs)),
        ("hours", _hours(evidences)),
        ("device", _listed(tag.get(_DEVICE, "") for tag in tags)),
        ("hardware", _listed(tag.get(COMPUTED_BY, "") for tag in tags)),
        ("drawn with", ", ".join([f"Python {platform.python_version()}", *packages])),
        ("network", _network(problems[0])),
        ("data", _data(problems[0])),
        ("results", _results(evidences)),
    ]
    return tuple((name, value) for name, value in rows if value)


def commit_of(run: FoundRun) -> str:
    """Return the commit of the code that made a run; empty if it is not known."""
    return str(run.data.tags.get(_COMMIT, ""))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # used from a folder that was never installed
        return "of a checkout"


def _commits(commits: Iterable[str]) -> list[str]:
    return [f"commit {commit[:12]}" for commit in commits if commit]


def _listed(values: Iterable[str]) -> str:
    return "; ".join(sorted({value for value in values if value}))


def _when(runs: Sequence[FoundRun]) -> str:
    began = [run.info.start_time for run in runs if run.info.start_time]
    ended = [run.info.end_time for run in runs if run.info.end_time]
    return f"{_minute(min(began))} to {_minute(max(ended))} UTC" if began and ended else ""


def _minute(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"


def _hours(evidences: Sequence[Evidence]) -> str:
    took = [evidence.seconds for evidence in evidences]
    known = [seconds for seconds in took if seconds is not None]
    if len(known) < len(took) or not known:
        return ""
    each = ", ".join(f"{seconds / 3600:.3g}" for seconds in known)
    return f"{sum(known) / 3600:.3g} of all trainings and measurements one after the other" + (
        f" ({each} by seed)" if len(known) > 1 else ""
    )


def _network(problem: Problem) -> str:
    counts = counts_of(parts(problem.network, problem.setting.pruning.prune_layers))
    every, prunable = sum(counts.values()), counts.get(PRUNABLE, 0)
    return f"{problem.setting.network}: {every:,} parameters, of which {prunable:,} can be pruned"


def _data(problem: Problem) -> str:
    data, images = problem.data, problem.images
    shapes = (" × ".join(map(str, tensor.shape[1:])) or "one" for _, tensor in each(data.train.images))
    what = f"{'images' if problem.keys.spec.is_of_images else 'examples'} of {' and '.join(shapes)}"
    train, test = len(data.train.labels), len(data.test.labels)
    return f"{images.name}: {train:,} training and {test:,} test {what}, SHA-256 {images.digest[:12]}"


def _results(evidences: Sequence[Evidence]) -> str:
    solutions = sum(len(evidence.attained) for evidence in evidences)
    measurements = sum(len(evidence.measured) for evidence in evidences)
    of = "" if len(evidences) == 1 else f" of {len(evidences)} seeds"
    return f"{solutions} solutions and {measurements} measurements{of}"
