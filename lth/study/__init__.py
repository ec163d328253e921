"""A study on a tracking store: its tasks, who does the next one, and the runs that hold the results."""

from lth.study.replication import Replication
from lth.study.results import MissingEvidenceError
from lth.study.study import Study

__all__ = ["MissingEvidenceError", "Replication", "Study"]
