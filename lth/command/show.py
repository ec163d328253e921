"""What there is to choose from, shown without a store: the presets and their parameters."""

from __future__ import annotations

import click

from lth.command.options import ProjectCommand, told_as
from lth.setting.parameter import PARAMETERS
from lth.setting.preset import PRESETS, resolve


@click.group()
def main() -> None:
    """Show what there is to choose from: `lth show preset`."""


@main.command(cls=ProjectCommand)
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Show every parameter of the preset NAME, or of all presets side by side."""
    with told_as(click.UsageError):
        shown = {name: resolve(name, {}).flat()} if name is not None else _every_preset()
    rows = [["", *shown, ""], *[[row.name, *_values(row.name, shown), row.help] for row in PARAMETERS]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        click.echo(line.rstrip())


def _every_preset() -> dict[str, dict[str, str]]:
    return {name: setting.flat() for name, setting in PRESETS.items()}


def _values(parameter: str, presets: dict[str, dict[str, str]]) -> list[str]:
    return [flat[parameter] for flat in presets.values()]


if __name__ == "__main__":
    main()
