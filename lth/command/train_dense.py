"""Train the dense network, level 0, and keep its rewind point."""

from __future__ import annotations

import click

from lth.command.options import ProjectCommand, is_fresh, opened_study, study_options
from lth.plan.place import Place


@click.command(cls=ProjectCommand)
@study_options
def main(**options: str | None) -> None:
    """Train w(0), the dense network."""
    fresh = is_fresh(options)
    with opened_study(options) as study:
        study.solution(Place.imp(0), adopt=True, fresh=fresh)


if __name__ == "__main__":
    main()
