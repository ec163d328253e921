"""Studies of several settings side by side, and what compares them."""

from __future__ import annotations

import click

from lth.command import workers as crew
from lth.command.options import ProjectCommand, is_fresh, opened_sweep, study_options, typed_arguments


@click.command(cls=ProjectCommand)
@click.option(
    "--workers",
    default="auto",
    envvar="LTH_WORKERS",
    callback=crew.parse,
    help="Processes that share the tasks; auto: as many as a CPU's cores have threads for. [auto]",
)
@click.option("--seeds", default=None, help="Such as 0,1,2, of each setting. [seed]")
@study_options
def main(seeds: str | None, workers: int | None, **options: str | None) -> None:
    """Complete a study of each combination of parameters with several values (lr=0.05,0.1), and compare them.

    A parameter that is a list itself has its values between semicolons (milestones=80ep,120ep;60ep).
    Interrupted, the same line goes on; study and report with the parameters of one setting find all of it.
    """
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    with opened_sweep(options, seeds) as sweep:
        if number := crew.number():
            sweep.take_part(number)
            return
        sweep.check()
        count = sweep.worthwhile_workers if workers is None else workers
        with crew.working(count, ["lth.command.sweep", *typed_arguments()], click.echo):
            run_id = sweep.complete()
        click.echo(f"\n{sweep.comparison(run_id)}\n")
        click.echo(f"The comparison: {sweep.where(run_id, 'comparison.png')} and comparison.csv, beside it")


if __name__ == "__main__":
    main()
