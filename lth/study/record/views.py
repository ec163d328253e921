"""What a person sees first in MLflow's UI: views of an experiment's runs, with columns, a filter and charts.

A view is what the UI's button `Share` writes. A later UI that does not know it any more shows its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUNS, SOLUTIONS = "runs", "solutions"  # names of views
ONE_ROW_A_SOLUTION = "params.level LIKE '%' AND metrics.`test/accuracy` >= -1e9"  # any: r2 may be negative

_COLUMNS = (
    "params.`seed`",
    "metrics.`density`",
    "metrics.`test/accuracy`",
    "metrics.`landscape/log_eig_product`",
    "metrics.`landscape/radius_mean`",
    "metrics.`landscape/barrier_loss`",
)
_CHARTS = (  # horizontal axis, vertical axis
    ("landscape/log_eig_product", "test/accuracy"),
    ("density", "test/accuracy"),
    ("density", "landscape/log_eig_product"),
    ("landscape/log_eig_product", "landscape/radius_mean"),
)
_MOST_RUNS = 100  # in a chart
_SECTION = "solutions"


def views() -> Mapping[str, Mapping[str, Any]]:
    """Return by name: the studies with their runs beneath them, and a flat table with a row a solution."""
    columns = {"selectedColumns": list(_COLUMNS)}
    return {RUNS: columns, SOLUTIONS: {**columns, **_flat(), **_charts()}}


def _flat() -> dict[str, Any]:
    """Return the filter, and an order other than by time, which is the one that shows runs under others."""
    return {
        "searchFilter": ONE_ROW_A_SOLUTION,
        "orderByKey": "metrics.`density`",
        "orderByAsc": False,
        "runsHiddenMode": "SHOWALL",
    }


def _charts() -> dict[str, Any]:
    section = {"uuid": _SECTION, "name": "Solutions", "display": True, "isReordered": True}
    charts = [
        {
            "type": "SCATTER",
            "uuid": f"{_SECTION}-{number}",
            "metricSectionId": _SECTION,
            "deleted": False,
            "isGenerated": False,
            "runsCountToCompare": _MOST_RUNS,
            "xaxis": {"key": x, "type": "METRIC"},
            "yaxis": {"key": y, "type": "METRIC"},
        }
        for number, (x, y) in enumerate(_CHARTS)
    ]
    # Reordered, or the sections that the UI adds would come first by their names.
    return {"compareRunSections": [section], "compareRunCharts": charts, "isAccordionReordered": True}
