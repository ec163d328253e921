"""Train one level of iterative magnitude pruning with rewinding, and the levels below it that are missing."""

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
from lth.plan.place import Place


@click.command(cls=ProjectCommand)
@click.option("--level", required=True, callback=parse_level, help="1 is the first sparse level.")
@study_options
def main(level: int, **options: str | None) -> None:
    """Train w(LEVEL)."""
    require_sparse(level)
    fresh = is_fresh(options)
    with opened_study(options, level_of_from_run=level - 1) as study:
        study.solution(Place.imp(level), adopt=True, fresh=fresh)


if __name__ == "__main__":
    main()
