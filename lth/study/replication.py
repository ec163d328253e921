"""A study repeated under several seeds, and the report on which claims hold over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lth.plan.keys import content_key
from lth.report import REPORT_VERSION, Report, write_report
from lth.study.record.report import log_report, report_name, report_tags
from lth.study.study import Study
from lth.tracking.store import KEY


class Replication:
    """Studies that differ in nothing but their seed.

    Methods return the id of the run that holds the report; it is the run that `mlflow run` created, if it did.
    """

    def __init__(self, studies: Sequence[Study], say: Callable[[str], None]) -> None:
        self.studies = tuple(studies)
        self._store = studies[0].store
        self._say = say

    def complete(self) -> str:
        """Complete every study, and report on them; what is finished is found."""
        for study in self.studies:
            study.check()
        for study in self.studies:
            study.complete()
        found = self._store.find(self._key())
        if found is not None:
            self._say(f"{self.name}: found in run {found}, nothing to compute")
            self._store.point_to(found, self.name)
            return found
        return self.report()

    def report(self) -> str:
        """Draw and judge everything anew from stored numbers; nothing is computed.

        Raises:
            MissingEvidenceError: If something was not trained or measured yet.
        """
        self._say(f"reading what {len(self.studies)} {'study' if len(self.studies) == 1 else 'studies'} found")
        evidences = [study.evidence() for study in self.studies]
        problems = [study.problem for study in self.studies]
        with self._store.open(self.name, {**report_tags(problems), KEY: self._key()}, adopt=True) as run:
            self._say(f"drawing the report, in run {run.run_id}")
            computing = problems[0].keys.computing
            report: Report = write_report(evidences, self._store.link, computing.written())
            log_report(run, report, problems)
        return run.run_id

    def verdicts(self, run_id: str) -> str:
        """Return the claims and their verdicts, as the run of a report states them."""
        return self._store.note(run_id)

    @property
    def name(self) -> str:
        """What a person calls the report."""
        return report_name([study.problem for study in self.studies])

    def _key(self) -> str:
        return content_key(
            {
                "task": "report",
                "report_version": REPORT_VERSION,
                "evidence": [study.problem.keys.evidence() for study in self.studies],
            }
        )
