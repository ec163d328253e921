"""The whole study: every level and baseline under every seed, all measurements, the claims and the report."""

from __future__ import annotations

import click

from entrypoints.options import (
    ProjectCommand,
    is_fresh,
    is_true,
    opened_replication,
    study_options,
    tell_report,
)
from entrypoints.workers import Table, parse, parse_retries


@click.command(cls=ProjectCommand)
@click.option(
    "--workers",
    default="auto",
    envvar="LTH_WORKERS",
    callback=parse,
    help="Processes that do the tasks; auto: as many as a CPU's cores have threads for. [default: auto]",
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "ray"]),
    default="processes",
    help="What does the tasks: processes of this machine, or a Ray cluster. [default: processes]",
)
@click.option(
    "--address",
    default=None,
    help="Of the Ray cluster: auto, local for one on this machine, or ray://…, host:port. [default: auto]",
)
@click.option(
    "--retries",
    default="3",
    callback=parse_retries,
    help="How often a task is gone on with whose process was lost. [default: 3]",
)
@click.option(
    "--keep_going",
    "--keep-going",
    "keep_going",
    default="true",
    help="Whether, where a task fails, all is done that does not need it. [default: true]",
)
@click.option(
    "--plan",
    default=None,
    help="true: only say what is to be done, in how many hours with how many workers. [default: false]",
)
@click.option(
    "--seeds", default=None, help="Such as 0,1,2; claims get an interval from two on. [default: seed]"
)
@click.option(
    "--declare",
    default=None,
    help="true: write down claims, seeds, margins and settings first; only: nothing else. [default: false]",
)
@study_options
def main(
    seeds: str | None,
    workers: int | None,
    engine: str,
    address: str | None,
    retries: int,
    keep_going: str,
    plan: str | None,
    declare: str | None,
    **options: str | None,
) -> None:
    """Train and measure everything that is missing, and report on it."""
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    goes_on, only_plans = is_true("keep_going", keep_going), is_true("plan", plan)
    if address is not None and engine != "ray":
        raise click.UsageError("address is of a Ray cluster; add engine=ray, or leave it out")
    table = Table()
    with opened_replication(options, seeds, say=table.say) as replication:
        from lth.study.completion import Manner

        if only_plans:
            click.echo(replication.plan())
            return
        if declare == "only" or is_true("declare", declare):
            replication.declare()
        if declare == "only":
            return
        cluster = (address or "auto") if engine == "ray" else None
        auto = 0 if cluster is not None else replication.worthwhile_workers
        count = auto if workers is None else workers
        manner = Manner(count, cluster, retries, keep_going=goes_on, watch=table.show)
        try:
            run_id = replication.complete(manner)
        finally:
            table.close()
        tell_report(replication, run_id)


if __name__ == "__main__":
    main()
