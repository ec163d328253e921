"""The report of a study: every figure, table and claim in one page, from stored evidence alone.

The same evidence gives the same bytes: nothing in a report depends on when, where or how often it is drawn.
"""

from lth.report.compose import REPORT_VERSION, Report, Scope, write_report
from lth.report.exhibit import Exhibit

__all__ = ["REPORT_VERSION", "Exhibit", "Report", "Scope", "write_report"]
