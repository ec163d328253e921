"""Measure a level or a whole study: spectra, radii, lines, surface, distances, and what else is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from lth.command.options import ProjectCommand, is_fresh, opened_study, parse_level, study_options
from lth.errors import InputError
from lth.plan.jobs import (
    BEYOND,
    MEASURES,
    CurvatureJob,
    Job,
    Measure,
    RadiiJob,
    chosen,
    level_jobs,
    parse_measures,
    study_jobs,
)
from lth.setting.reader import names
from lth.setting.terms import speaking

if TYPE_CHECKING:
    from lth.study.study import Study

_OF_A_LEVEL = "spectra,radii,lines"
# What is measured if a parameter says so, and how.
_ASKED_FOR: Mapping[Measure, str] = {
    "matched": "matched_loss=on",
    "subspaces": "vectors=on",
    "parts": "halvings=2",
    **{measure: f"beyond={measure}" for measure in BEYOND},
}


@click.command(cls=ProjectCommand)
@click.option(
    "--level", default="all", help="0 is the dense network; all takes levels, baselines and the whole."
)
@click.option(
    "--measures",
    default=None,
    help=f"Of {', '.join(MEASURES)}. [all that the parameters ask for; at one level spectra,radii,lines]",
)
@study_options
def main(level: str, measures: str | None, **options: str | None) -> None:
    """Measure, and train first what is missing."""
    fresh = is_fresh(options)
    whole = level.strip() == "all"
    default = "all" if whole else _OF_A_LEVEL
    wanted = _parse_measures(default if measures is None else measures)
    named = measures is not None and measures.strip() != "all"
    if named:
        options = _asking(options, wanted)
    if whole:
        if fresh:
            raise click.UsageError("fresh=true needs a level; name one")
        with opened_study(options) as study:
            _besides(study, wanted, named)
            study.check()
            run = study.measure_all(wanted)
            study.store.point_to(run, "measurements of the study", run)
            _tell_all(study, wanted)
            click.echo(f"Everything measured is under run {run}")
        return
    place = parse_level(None, None, level)
    _check_measures(place, wanted)
    with opened_study(options, level_of_from_run=place) as study:
        jobs = chosen(level_jobs(place), wanted)
        if jobs:
            study.analysis(place, wanted, adopt=True, fresh=fresh)
        for job in _besides(study, wanted, named):
            if job.level == place:
                study.measurement(job, adopt=True, fresh=fresh)
                jobs.append(job)
        if "surface" in wanted:
            study.surface(place, adopt=True, fresh=fresh)
            jobs.append(study.surface_of(place))
        if "distances" in wanted:
            study.distances(place, adopt=True, fresh=fresh)
            jobs.append(study.distances_of(place))
        if not jobs:
            raise InputError(
                f"level {place} has no {', '.join(wanted)} of its own, which the whole study has; ask for it "
                "with level=all"
            )
        _tell(study, jobs)


def _asking(options: Mapping[str, str | None], wanted: tuple[Measure, ...]) -> dict[str, str | None]:
    """Return options that ask for what is wanted beyond the paper as well, since it was named."""
    asked = list(names(options.get("beyond") or "none"))
    asked += [measure for measure in wanted if measure in BEYOND and measure not in asked]
    return dict(options) | ({"beyond": ",".join(asked)} if asked else {})


def _besides(study: Study, wanted: tuple[Measure, ...], named: bool) -> list[Job]:
    """Return what is wanted that a parameter has to ask for; refuse what is named and none asks for."""
    setting, found = study.problem.setting, list[Job]()
    every = study_jobs(setting.pruning.levels, setting.analysis)
    for measure in filter(wanted.__contains__, _ASKED_FOR):
        jobs = chosen(every, [measure])
        if named and not jobs:
            raise InputError(f"{measure} is measured with {_ASKED_FOR[measure]}; add that")
        found += jobs
    return found


def _tell_all(study: Study, wanted: tuple[Measure, ...]) -> None:
    """Say what was found, a row a solution, and what that row has no room for."""
    from lth.evidence.summary import text_table

    with speaking(study.problem.terms):
        click.echo(f"\n{text_table(study.rows())}\n")
    setting = study.problem.setting
    jobs = study_jobs(setting.pruning.levels, setting.analysis)
    rest = [job for job in chosen(jobs, wanted) if not isinstance(job, CurvatureJob | RadiiJob)]
    _tell(study, rest)


def _tell(study: Study, jobs: Sequence[Job]) -> None:
    """Say the numbers of measurements, with their units."""
    from lth.report.spoken import said

    with speaking(study.problem.terms):
        click.echo(f"\n{said(study.found(jobs))}\n")


def _check_measures(level: int, wanted: tuple[Measure, ...]) -> None:
    """Refuse what a level does not have, where nothing else was asked for."""
    own = dict.fromkeys(job.measure for job in level_jobs(level))
    if set(wanted) <= set(_OF_A_LEVEL.split(",")) - own.keys():
        raise click.UsageError(f"level {level} has no {', '.join(wanted)} of its own; it has {', '.join(own)}")


def _parse_measures(written: str) -> tuple[Measure, ...]:
    try:
        return parse_measures(written)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
