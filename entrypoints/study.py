"""The whole study: every level and baseline under every seed, all measurements, the claims and the report."""

from __future__ import annotations

import click

from entrypoints.options import ProjectCommand, is_fresh, opened_replication, study_options, tell_report


@click.command(cls=ProjectCommand)
@click.option(
    "--seeds", default=None, help="Such as 0,1,2; claims get an interval from two on. [default: seed]"
)
@study_options
def main(seeds: str | None, **options: str | None) -> None:
    """Train and measure everything that is missing, and report on it."""
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    with opened_replication(options, seeds) as replication:
        tell_report(replication, replication.complete())


if __name__ == "__main__":
    main()
