"""Measure the geometry of one level or of a whole study: spectra, radii, lines, surface, distances, density."""

from __future__ import annotations

import click

from entrypoints.options import ProjectCommand, is_fresh, opened_study, parse_level, study_options
from lth.plan.jobs import Measure, parse_measures

_OF_A_LEVEL = "spectra,radii,lines"


@click.command(cls=ProjectCommand)
@click.option(
    "--level", default="all", help="0 is the dense network; all takes levels, baselines and the whole."
)
@click.option(
    "--measures",
    default=None,
    help="Of spectra, radii, lines, surface, distances, density. [default: all but density; at one level "
    "spectra,radii,lines]",
)
@study_options
def main(level: str, measures: str | None, **options: str | None) -> None:
    """Measure, and train first what is missing."""
    fresh = is_fresh(options)
    whole = level.strip() == "all"
    default = "all" if whole else _OF_A_LEVEL
    wanted = _parse_measures(default if measures is None else measures)
    if whole:
        if fresh:
            raise click.UsageError("fresh=true needs a level; name one")
        with opened_study(options) as study:
            study.check()
            run = study.measure_all(wanted)
            study.store.point_to(run, "measurements of the study", run)
            click.echo(f"Everything measured is under run {run}")
        return
    place = parse_level(None, None, level)
    with opened_study(options, level_of_from_run=place) as study:
        if set(wanted) & {"spectra", "radii", "lines"}:
            study.analysis(place, wanted, adopt=True, fresh=fresh)
        if "surface" in wanted:
            study.surface(place, adopt=True, fresh=fresh)
        if "distances" in wanted:
            study.distances(place, adopt=True, fresh=fresh)
        if "density" in wanted:
            study.spectral_density(place, adopt=True, fresh=fresh)


def _parse_measures(written: str) -> tuple[Measure, ...]:
    try:
        return parse_measures(written)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
