"""The table of docs/parameters.md, made of `PARAMETERS`; run as a program, it writes that file anew."""

from __future__ import annotations

from pathlib import Path

from lth.setting.parameter import PARAMETERS, Parameter
from lth.setting.preset import DEFAULT_PRESET, PRESETS

_DOCUMENT = Path(__file__).parents[2] / "docs" / "parameters.md"
_DECIDES = {
    "problem": "everything, by its content",
    "plan": "which tasks there are",
    "sparse": "solutions from level 1 on",
}


def as_markdown() -> str:
    """Return a row for every parameter: what it is, what it may be, what `digits` takes, what it decides."""
    standard = PRESETS[DEFAULT_PRESET].flat()
    rows = [
        ("parameter", "what", "values", f"in `{DEFAULT_PRESET}`", "decides"),
        ("---",) * 5,
        *[
            (f"`{row.name}`", row.help, _values(row), f"`{standard[row.name]}`", _decides(row))
            for row in PARAMETERS
        ],
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _values(row: Parameter) -> str:
    return row.values


def _decides(row: Parameter) -> str:
    return ", ".join(_DECIDES.get(result, result) for result in row.decides)


def _write() -> None:
    before, _, rest = _DOCUMENT.read_text().partition("| parameter |")
    after = rest.partition("\n\n")[2]
    _DOCUMENT.write_text(f"{before}{as_markdown()}\n{after}")


if __name__ == "__main__":
    _write()
