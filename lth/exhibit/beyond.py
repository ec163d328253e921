"""What this project shows beyond the paper's figures and tables."""

from __future__ import annotations

from lth.exhibit.beyond_barriers import BARRIERS
from lth.exhibit.beyond_every_level import EVERY_LEVEL
from lth.exhibit.beyond_scale import SCALE
from lth.exhibit.beyond_trace import TRACE
from lth.exhibit.exhibit import Exhibit

BEYOND: tuple[Exhibit, ...] = (BARRIERS, SCALE, TRACE, EVERY_LEVEL)
