"""Runs found by what a tag says, in a time that does not grow with the runs of the store.

To find a tag by its value, MLflow reads that tag of all runs; by its name, it uses an index. So a tag that runs
are found by is written twice: as it is, and under a name that holds the first two digits of its value,

    lth.key = 3f9a…        lth.key.3f = 3f9a…

of which each is on few runs. An experiment whose results all have the second says so. In one that an earlier
version began, values are searched for as well: each once a process, for what is added since has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property

from mlflow.entities import Experiment, Run

from lth.tracking.client import PatientClient

KEY = "lth.key"  # the tag that holds a run's content key
STUDY = "lth.study"  # on every run of a study: its key
INDEXED = "lth.indexed"  # on an experiment all of whose results are found by the names of their tags
_FOUND_BY = (KEY, STUDY)
_DIGITS = 2  # of the value: names are few enough for a list of them, and 100,000 runs leave 400 to a name


def indexed(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags with what those are found by that runs are found by.

    >>> indexed({"kind": "imp", "lth.key": "3f9a"})
    {'kind': 'imp', 'lth.key': '3f9a', 'lth.key.3f': '3f9a'}
    """
    return {**tags, **{_index(tag, tags[tag]): tags[tag] for tag in _FOUND_BY if tag in tags}}


class Lookup:
    """Finds the runs of one experiment.

    Args:
        client: Of the tracking store.
        experiment: As it was when the store was opened.
    """

    def __init__(self, client: PatientClient, experiment: Experiment) -> None:
        self._client, self._experiment = client, experiment
        self._id = str(experiment.experiment_id)
        self._before: dict[tuple[str, str], list[str]] = {}  # runs of earlier versions by what was looked for

    def runs(self, tag: str, value: str) -> list[Run]:
        """Return every active run with this key or study, the latest first."""
        found = self._client.search_runs(self._id, f"tags.`{_index(tag, value)}` = '{value}'")
        if self.first_before is None:
            return found
        known = {run.info.run_id for run in found}
        found += (run for run in self._unindexed(tag, value) if run.info.run_id not in known)
        return sorted(found, key=lambda run: int(run.info.start_time), reverse=True)

    @cached_property
    def first_before(self) -> Run | None:
        """The first result of the experiment, if an earlier version wrote it; None if no such one is there."""
        if INDEXED in self._experiment.tags:
            return None
        first = self._client.oldest_run(self._id, f"tags.`{KEY}` LIKE '%'")
        if first is not None and _index(KEY, first.data.tags[KEY]) not in first.data.tags:
            return first
        with suppress(Exception):  # who may not write that asks again the next time
            self._client.set_experiment_tag(self._id, INDEXED, "true")
        return None

    def _unindexed(self, tag: str, value: str) -> list[Run]:
        """Return what only the value of a tag tells, as it is now; which runs these are does not change."""
        if (tag, value) not in self._before:
            found = self._client.search_runs(self._id, f"tags.`{tag}` = '{value}'")
            name = _index(tag, value)
            self._before[tag, value] = [run.info.run_id for run in found if name not in run.data.tags]
            return found
        if not (ids := self._before[tag, value]):
            return []
        return self._client.search_runs(self._id, f"attributes.run_id IN ({', '.join(map(repr, ids))})")


def _index(tag: str, value: str) -> str:
    return f"{tag}.{value[:_DIGITS]}"
