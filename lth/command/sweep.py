"""Studies of several settings side by side, and what compares them."""

from __future__ import annotations

from typing import Any

import click

from lth.command.manner import Wish, manner_options, plan_option
from lth.command.options import ProjectCommand, is_fresh, is_true, opened_sweep, study_options
from lth.command.workers import Table


@click.command(cls=ProjectCommand)
@manner_options
@plan_option
@click.option("--seeds", default=None, help="Such as 0,1,2 or 0-2, of each setting. [seed]")
@study_options
def main(seeds: str | None, plan: str | None, **options: Any) -> None:
    """Complete a study of each combination of parameters with several values (lr=0.05,0.1), and compare them.

    A parameter that is a list itself has its values between semicolons (milestones=80ep,120ep;60ep).
    Interrupted, the same line goes on; study and report with the parameters of one setting find all of it.
    """
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    wish, only_plans, table = Wish.of(options), is_true("plan", plan), Table()
    with opened_sweep(options, seeds, say=table.say) as sweep:
        if only_plans:
            click.echo(sweep.plan())
            return
        sweep.check()
        try:
            run_id = sweep.complete(wish.manner(sweep.worthwhile_workers, table))
        finally:
            table.close()
        click.echo(f"\n{sweep.comparison(run_id)}\n")
        click.echo(f"The comparison: {sweep.where(run_id, 'comparison.png')} and comparison.csv, beside it")


if __name__ == "__main__":
    main()
