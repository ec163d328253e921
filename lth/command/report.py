"""The report of a study drawn again from its stored numbers."""

from __future__ import annotations

import click

from lth.command.options import (
    OPTIONAL,
    ProjectCommand,
    is_fresh,
    is_true,
    open_report,
    opened_replication,
    study_options,
    tell_report,
)


@click.command(cls=ProjectCommand)
@click.option("--seeds", default=None, help="Such as 0,1,2. [seed]")
@click.option("--open", "opens", default=None, **OPTIONAL, help="true: show it in a browser. [false]")
@study_options
def main(seeds: str | None, opens: str | None, **options: str | None) -> None:
    """Draw every figure and judge every claim anew; nothing is trained or measured."""
    if is_fresh(options):
        raise click.UsageError("report draws anew anyway; leave fresh out")
    with opened_replication(options, seeds, reads_only=True) as replication:
        run_id = replication.report()
        tell_report(replication, run_id)
        if is_true("open", opens):
            open_report(replication, run_id)


if __name__ == "__main__":
    main()
