"""What this project shows beyond the paper's figures and tables."""

from __future__ import annotations

from lth.report.exhibit.beyond_barriers import BARRIERS
from lth.report.exhibit.beyond_every_level import EVERY_LEVEL
from lth.report.exhibit.beyond_scale import SCALE
from lth.report.exhibit.beyond_trace import TRACE
from lth.report.exhibit.exhibit import Exhibit

BEYOND: tuple[Exhibit, ...] = (BARRIERS, SCALE, TRACE, EVERY_LEVEL)
