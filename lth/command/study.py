"""The whole study: every level and baseline under every seed, all measurements, the claims and the report."""

from __future__ import annotations

import click

from lth.command import workers as crew
from lth.command.options import (
    OPTIONAL,
    ProjectCommand,
    is_fresh,
    is_true,
    opened_replication,
    study_options,
    tell_report,
    typed_arguments,
)


@click.command(cls=ProjectCommand)
@click.option(
    "--workers",
    default="auto",
    envvar="LTH_WORKERS",
    callback=crew.parse,
    help="Processes that share the tasks; auto: as many as a CPU's cores have threads for. [auto]",
)
@click.option("--seeds", default=None, help="Such as 0,1,2; claims get an interval from two on. [seed]")
@click.option(
    "--declare",
    default=None,
    **OPTIONAL,
    help="true: write down claims, seeds, margins and settings first; only: nothing else. [false]",
)
@study_options
def main(seeds: str | None, workers: int | None, declare: str | None, **options: str | None) -> None:
    """Train and measure everything that is missing, and report on it."""
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    with opened_replication(options, seeds) as replication:
        if number := crew.number():
            replication.take_part(number)
            return
        if declare == "only" or is_true("declare", declare):
            replication.declare()
        if declare == "only":
            return
        count = replication.worthwhile_workers if workers is None else workers
        with crew.working(count, ["lth.command.study", *typed_arguments()], click.echo):
            run_id = replication.complete()
        tell_report(replication, run_id)


if __name__ == "__main__":
    main()
