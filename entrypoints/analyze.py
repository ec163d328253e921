"""Measure the geometry of a level: spectra, radii, the line to the level before, the loss surface."""

from __future__ import annotations

import click

from entrypoints.options import ProjectCommand, is_fresh, opened_study, parse_level, study_options


@click.command(cls=ProjectCommand)
@click.option("--level", required=True, callback=parse_level, help="0 is the dense network.")
@study_options
def main(level: int, **options: str | None) -> None:
    """Measure w(LEVEL), and train it first if it is missing."""
    fresh = is_fresh(options)
    with opened_study(options, level_of_from_run=level) as study:
        study.analysis(level, adopt=True, fresh=fresh)
        if level > 0:
            study.surface(level, fresh=fresh)


if __name__ == "__main__":
    main()
