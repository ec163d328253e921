"""The whole study: every level and baseline under every seed, all measurements, the claims and the report."""

from __future__ import annotations

from typing import Any

import click

from lth.command.manner import Wish, manner_options, plan_option
from lth.command.options import (
    OPTIONAL,
    ProjectCommand,
    is_fresh,
    is_true,
    opened_replication,
    study_options,
    tell_report,
    told_as,
)
from lth.command.workers import Table
from lth.errors import InputError
from lth.setting.seeds import parse_seeds


@click.command(cls=ProjectCommand)
@manner_options
@plan_option
@click.option("--seeds", default=None, help="Such as 0,1,2 or 0-2; claims get an interval from two on. [seed]")
@click.option(
    "--declare",
    default=None,
    **OPTIONAL,
    help="true: write down claims, seeds, margins and settings first; only: nothing else. [false]",
)
@click.option(
    "--reported",
    default=None,
    help="Seeds of this study's reports in another store, such as 0-2+0-4: they count as looks.",
)
@click.option(
    "--figures",
    default=None,
    help="Such as 5,12,table1: does only what these are drawn of, in this process, and draws them. [all]",
)
@study_options
def main(
    seeds: str | None,
    plan: str | None,
    declare: str | None,
    reported: str | None,
    figures: str | None,
    **options: Any,
) -> None:
    """Train and measure everything that is missing, and report on it."""
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    wish, only_plans = Wish.of(options), is_true("plan", plan)
    with told_as(click.UsageError):
        from lth.report.part import parse_figures  # here, so that --help answers at once

        exhibits = None if figures is None else parse_figures(figures)
        looks = [] if reported is None else _reports(reported)
    if exhibits is not None and (only_plans or declare is not None):
        raise click.UsageError("figures does less than a study; leave plan and declare out")
    if looks and (only_plans or exhibits is not None):
        raise click.UsageError("reported counts looks at a study, and no claim is judged here; leave it out")
    table = Table()
    with opened_replication(options, seeds, say=table.say) as replication:
        if only_plans:
            click.echo(replication.plan().text)
            return
        replication.count_reports(looks)
        if declare == "only" or is_true("declare", declare):
            replication.declare()
        if declare == "only":
            return
        try:
            if exhibits is not None:
                if wish.address is not None or (wish.workers or 1) > 1:
                    table.say("figures are done in this process; the same line beside it shares them")
                run_id = replication.draw(exhibits)
            else:
                run_id = replication.complete(wish.manner(replication.worthwhile_workers, table))
        finally:
            table.close()
        tell_report(replication, run_id)


def _reports(written: str) -> list[list[int]]:
    """Read the seeds of several reports, of two or more seeds each: fewer decide nothing."""
    try:
        reports = [list(map(int, parse_seeds(each))) for each in written.split("+")]
    except InputError as error:
        raise InputError(f"reported={written!r}, of which {error}; + parts reports, as in 0-2+0-4") from error
    if any(len(seeds) < 2 for seeds in reports):
        raise InputError(f"reported={written!r} has a report over one seed, which is no look; leave it out")
    return reports


if __name__ == "__main__":
    main()
