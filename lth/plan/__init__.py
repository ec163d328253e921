"""What a study consists of: places, jobs and the content keys of their results; plain values, no torch."""

from lth.plan.jobs import Job, study_jobs
from lth.plan.place import BASELINES, Kind, Place, Point

__all__ = ["BASELINES", "Job", "Kind", "Place", "Point", "study_jobs"]
