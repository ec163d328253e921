"""Which of the paper's claims hold in which published study: `python -m studies.what_holds` writes it.

`results/what_holds.md` has a row a claim and a column a study of two seeds or more, read from their
`verdicts.csv`; one seed decides nothing. Then the same of those claims that were held at one training loss too.
`python -m studies.publish` writes it anew.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from lth.evidence.table import markdown, rounded

FILE = "what_holds.md"
RESULTS = Path(__file__).parent.parent / "results"
_MARKS = {"supported": "✓", "refuted": "✗", "undecided": "?"}
_HEADER = """\
# What holds

The paper's claims in every study here of two seeds or more. ✓ supported, ✗ refuted, ? undecided, each with the
error that its study's report has left ([Reading a verdict](../docs/verdicts.md)). Before the semicolon: on
average over the levels or baselines a claim is about, with the mean and its interval over seeds. Behind it: in
every one of these cases, and in how many pairs of a seed and a case the sign agrees. A claim of one case has
the latter alone, behind its mean. In brackets behind a statement is what its number is. Written by
`python -m studies.what_holds`.

"""
_AT_ONE_LOSS = """
## At one training loss

The same where the two that are compared have one training loss, in the studies that measured it. The curvature
of cross-entropy falls with the loss, so that of two solutions the one trained further looks flatter for that
alone: here this is taken away ([At one loss](../docs/measures/regime.md#at-one-loss)).

"""


def main() -> None:
    """Write what the studies in `results` say of the claims."""
    (RESULTS / FILE).write_text(what_holds(RESULTS))


def what_holds(results: Path) -> str:
    """Return the claims by the studies published in `results`, in Markdown."""
    folders = sorted(path.parent for path in results.glob("*/verdicts.csv"))
    matched = _table(folders, "matched loss")
    return _HEADER + _table(folders, "paper") + (_AT_ONE_LOSS + matched if matched else "")


def _table(folders: Sequence[Path], family: str) -> str:
    """Return the claims of a family by study, in Markdown; nothing where no study has any."""
    columns: dict[str, dict[str, str]] = {}
    statements: dict[str, str] = {}
    for folder in folders:
        seeds = json.loads((folder / "study.json").read_text())["evidence_keys"]
        with (folder / "verdicts.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["family"] == family]
        if len(seeds) < 2 or not rows:
            continue
        columns[f"`{folder.name}`, {len(seeds)} seeds"] = {row["claim"]: _cell(row) for row in rows}
        statements |= {row["claim"]: f"{row['statement']} ({row['unit']})" for row in rows}
    if not columns:
        return ""
    cells = [
        (claim, statement, *(column.get(claim, "–") for column in columns.values()))
        for claim, statement in statements.items()
    ]
    headings = ("claim", "statement", *columns)
    return markdown([headings, *cells], [" --- " for _ in headings]) + "\n"


def _cell(row: dict[str, str]) -> str:
    """Return the verdicts on a claim, with the mean that they are of."""
    interval = f" [{', '.join(_rounded(row[end]) for end in ('low', 'high'))}]" if row["low"] else ""
    mean = f"{_rounded(row['mean'])}{interval}"
    everywhere, agrees = _MARKS[row["in_every_case"]], f"{row['sign_agrees']} of {row['of']}"
    if not row["on_average"]:
        return f"{everywhere} {mean}, {agrees}"
    return f"{_MARKS[row['on_average']]} {mean}; {everywhere} {agrees}"


def _rounded(number: str) -> str:
    return rounded(float(f"{float(number):.3g}")) if number else "–"


if __name__ == "__main__":
    main()
