"""What `--help` lists: a command's own options, the parameters with the default of each preset, how it runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from lth.setting.parameter import BY_NAME, StageName
from lth.setting.preset import PRESETS

_OWN, _RUNNING = "Of this command", "How it runs"
_GROUPS: dict[StageName, str] = {
    "setting": "What is studied",
    "data": "Data",
    "training": "Training",
    "pruning": "Pruning",
    "analysis": "Measuring and judging",
}


def write_options(
    parameters: Sequence[click.Parameter], running: Collection[str], formatter: click.HelpFormatter
) -> None:
    """Write options in groups, those of a study with what each preset takes where nothing is said.

    Args:
        parameters: Of a command, with its `--help`.
        running: The names of those that say how a study runs.
        formatter: Of click.
    """
    options = [parameter for parameter in parameters if isinstance(parameter, click.Option)]
    for group in (_OWN, *_GROUPS.values(), _RUNNING):
        rows = [_row(each) for each in options if _group(str(each.name), running) == group]
        if rows:
            with formatter.section(group):
                formatter.write_dl(rows)
    if any(parameter.name in BY_NAME for parameter in parameters):
        formatter.write_paragraph()
        formatter.write_text(
            "In brackets is the default; where presets differ, that of each. Names are written with _ or -."
        )


def defaults(name: str) -> str:
    """Return the default of a parameter by preset, in a few words.

    >>> defaults("nesterov"), defaults("momentum")
    ('off', 'mnist_lenet_300_100 0.0, others 0.9')

    Args:
        name: Of the parameter.
    """
    by_preset = {preset: setting.flat()[name] for preset, setting in PRESETS.items()}
    values = list(by_preset.values())
    common = max(reversed(values), key=values.count)
    if values.count(common) == len(values):
        return common
    others = [f"{preset} {value}" for preset, value in by_preset.items() if value != common]
    return ", ".join([*others, f"others {common}"])


def _group(name: str, running: Collection[str]) -> str:
    if name == "preset":
        return _GROUPS["setting"]
    if name in BY_NAME:
        return _GROUPS[BY_NAME[name].stage]
    return _RUNNING if name in running else _OWN


def _row(parameter: click.Option) -> tuple[str, str]:
    """Return how an option is written, and what it does."""
    name, text = str(parameter.name), parameter.help or ""
    if name in BY_NAME:
        text = f"{text} [{defaults(name)}]"
    elif parameter.required:
        text = f"{text} [required]"
    return next(option for option in parameter.opts if option.startswith("--")), text
