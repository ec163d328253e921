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
    told_as,
)


@click.command(cls=ProjectCommand)
@click.option("--seeds", default=None, help="Such as 0,1,2 or 0-2. [seed]")
@click.option(
    "--figures",
    default=None,
    help="Such as 5,12,table1,beyond_trace: draws these alone and judges no claim. [all]",
)
@click.option("--open", "opens", default=None, **OPTIONAL, help="true: show it in a browser. [false]")
@study_options
def main(seeds: str | None, figures: str | None, opens: str | None, **options: str | None) -> None:
    """Draw every figure and judge every claim anew; nothing is trained or measured.

    Of a study that is not complete, it shows what is there so far, and says what is missing.
    """
    if is_fresh(options):
        raise click.UsageError("report draws anew anyway; leave fresh out")
    with told_as(click.UsageError):
        from lth.report.part import parse_figures  # here, so that --help answers at once

        exhibits = None if figures is None else parse_figures(figures)
    with opened_replication(options, seeds, reads_only=True) as replication:
        run_id = replication.report(exhibits)
        tell_report(replication, run_id)
        if is_true("open", opens):
            open_report(replication, run_id)


if __name__ == "__main__":
    main()
