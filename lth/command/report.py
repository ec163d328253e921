"""The report of a study drawn again from its stored numbers."""

from __future__ import annotations

import click

from lth.command.options import ProjectCommand, is_fresh, opened_replication, study_options, tell_report


@click.command(cls=ProjectCommand)
@click.option("--seeds", default=None, help="Such as 0,1,2. [default: seed]")
@study_options
def main(seeds: str | None, **options: str | None) -> None:
    """Draw every figure and judge every claim anew; nothing is trained or measured."""
    if is_fresh(options):
        raise click.UsageError("report draws anew anyway; leave fresh out")
    with opened_replication(options, seeds, reads_only=True) as replication:
        tell_report(replication, replication.report())


if __name__ == "__main__":
    main()
