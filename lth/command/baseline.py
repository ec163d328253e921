"""Train one baseline at the density of a level, and the levels below it that are missing."""

from __future__ import annotations

import click

from lth.command.options import (
    ProjectCommand,
    is_fresh,
    opened_study,
    parse_level,
    require_sparse,
    study_options,
)
from lth.plan.place import BASELINES, METHODS, Kind, Place


@click.command(cls=ProjectCommand)
@click.option("--kind", required=True, type=click.Choice((*BASELINES, *METHODS)), help="Which baseline.")
@click.option("--level", required=True, callback=parse_level, help="Whose density it gets.")
@study_options
def main(kind: Kind, level: int, **options: str | None) -> None:
    """Train the baseline KIND at LEVEL."""
    require_sparse(level)
    fresh = is_fresh(options)
    with opened_study(options, level_of_from_run=level - 1) as study:
        study.solution(Place(kind, level), adopt=True, fresh=fresh)


if __name__ == "__main__":
    main()
