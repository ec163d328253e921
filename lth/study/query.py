"""Every solution that an experiment holds, of all its studies and seeds, as one pandas DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lth.errors import InputError
from lth.plan.place import SOLUTIONS
from lth.setting.parameter import BY_NAME
from lth.study.record.tidy import rows_of, tidy
from lth.tracking.client import set_request_defaults
from lth.tracking.store import FoundRun, Store

if TYPE_CHECKING:
    from pandas import DataFrame

_TAGS = ("preset", "changes", "kind", "level", "device")  # what a run says of itself besides its parameters


def results(experiment: str | None = None, **where: object) -> DataFrame:
    """Return a row a solution; see `lth.results`."""
    from pandas import DataFrame  # here: it takes half a second to import, and nothing else needs it

    unknown = sorted(name for name in where if name not in BY_NAME and name not in _TAGS)
    if unknown:
        known = ", ".join([*_TAGS, *BY_NAME])
        raise InputError(f"{unknown[0]} is no parameter to choose results by; choose from {known}")
    set_request_defaults()
    store = Store(adopts=False, creates=False, experiment=experiment)
    runs = store.search("tags.kind != 'measurement' AND attributes.status = 'FINISHED'")
    wanted = {name: _several(value) for name, value in where.items()}
    solutions = [run for run in runs if _is_solution(run) and _fits(run, wanted)]
    others = [run for run in runs if not _is_solution(run)]
    if any(not _is_measured(run) for run in solutions if run.data.tags["kind"] != "imp"):
        others += store.search("tags.measure = 'spectra' AND attributes.status = 'FINISHED'")
    rows = rows_of([*solutions, *others])
    differing = _differing(solutions)
    of_run = {str(run.info.run_id): run for run in solutions}
    for row in rows:
        parameters = of_run[str(row["run_id"])].data.params
        row |= {name: _number(parameters.get(name, "")) for name in differing if name not in row}
    table = tidy(rows)
    return DataFrame(list(table.rows), columns=list(table.headings))


def _is_solution(run: FoundRun) -> bool:
    return run.data.tags.get("kind") in SOLUTIONS


def _is_measured(run: FoundRun) -> bool:
    return any(name.startswith("landscape/") for name in run.data.metrics)


def _fits(run: FoundRun, wanted: dict[str, tuple[str, ...]]) -> bool:
    said = {**run.data.params, **run.data.tags}
    return all(any(_equal(said.get(name, ""), value) for value in values) for name, values in wanted.items())


def _several(value: object) -> tuple[str, ...]:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(map(str, value)) if several and isinstance(value, Sequence) else (str(value),)


def _equal(first: str, second: str) -> bool:
    """Say whether two spellings are of one value, as `0.10` and `0.1` are."""
    return first == second or _number(first) == _number(second)


def _number(written: str) -> float | str:
    try:
        return float(written)
    except ValueError:
        return written


def _differing(runs: Sequence[FoundRun]) -> list[str]:
    """Return the parameters that are not the same in all runs."""
    values: dict[str, set[str]] = {name: {run.data.params.get(name, "") for run in runs} for name in BY_NAME}
    return [name for name, found in values.items() if len(found) > 1]
