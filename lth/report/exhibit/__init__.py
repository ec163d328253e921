"""Every figure and table of a study, from frozen evidence: a seed's numbers, then its drawing, alone or of all.

`EXHIBITS` are the paper's, in its order; `BEYOND` are what this project adds.
"""

from lth.evidence.table import Table
from lth.report.exhibit.exhibit import Exhibit
from lth.report.exhibit.paper import BEYOND, EVERY, EXHIBITS, exhibits_beyond

__all__ = ["BEYOND", "EVERY", "EXHIBITS", "Exhibit", "Table", "exhibits_beyond"]
