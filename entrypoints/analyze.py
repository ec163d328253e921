"""Measure the geometry of one level or of a whole study: spectra, radii, lines, surface, distances."""

from __future__ import annotations

import click

from entrypoints.options import ProjectCommand, is_fresh, opened_study, parse_level, study_options

_OF_A_LEVEL = "spectra,radii,lines"


@click.command(cls=ProjectCommand)
@click.option(
    "--level", default="all", help="0 is the dense network; all takes levels, baselines and the whole."
)
@click.option(
    "--measures",
    default=None,
    help="Of spectra, radii, lines, surface, distances. [default: all; at one level spectra,radii,lines]",
)
@study_options
def main(level: str, measures: str | None, **options: str | None) -> None:
    """Measure, and train first what is missing."""
    from lth.graph import parse_measures

    fresh = is_fresh(options)
    if level.strip() == "all":
        if fresh:
            raise click.UsageError("fresh=true needs a level; name one")
        with opened_study(options) as study:
            study.check()
            run = study.measure_all(parse_measures(measures))
            click.echo(f"Everything measured is under run {run}")
        return
    place = parse_level(None, None, level)
    with opened_study(options, level_of_from_run=place) as study:
        wanted = parse_measures(measures or _OF_A_LEVEL)
        if set(wanted) & {"spectra", "radii", "lines"}:
            study.analysis(place, wanted, adopt=True, fresh=fresh)
        if "surface" in wanted:
            study.surface(place, adopt=True, fresh=fresh)
        if "distances" in wanted:
            study.distances(place, adopt=True, fresh=fresh)


if __name__ == "__main__":
    main()
