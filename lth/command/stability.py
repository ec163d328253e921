"""From which step on a training is stable to SGD noise: the rewind step for a network and data of one's own."""

from __future__ import annotations

from typing import Any

import click

from lth.command.manner import Wish, manner_options, plan_option
from lth.command.options import (
    ProjectCommand,
    is_fresh,
    is_true,
    opened_stability,
    study_options_but,
)
from lth.command.workers import Table
from lth.plan.stability import DEFAULT_COPIES, DEFAULT_LEVELS, DEFAULT_STEPS


@click.command(cls=ProjectCommand)
@manner_options
@click.option(
    "--steps",
    default=DEFAULT_STEPS,
    help=f"Candidates for the rewind step: 0,500,2ep,5%. [{DEFAULT_STEPS}]",
)
@click.option(
    "--levels",
    default=DEFAULT_LEVELS,
    help="Whose masks the copies have, such as 0,3; 0 is the dense network, and levels before are trained if "
    f"missing. [{DEFAULT_LEVELS}]",
)
@click.option(
    "--copies",
    default=str(DEFAULT_COPIES),
    help=f"Trained from each candidate, each under SGD noise of its own. [{DEFAULT_COPIES}]",
)
@plan_option
@click.option("--seeds", default=None, help="Such as 0,1,2 or 0-2; the step gets an interval from two. [seed]")
@study_options_but("levels")
def main(seeds: str | None, plan: str | None, steps: str, levels: str, copies: str, **options: Any) -> None:
    """Tell from which step on copies of a training under other SGD noise end without a barrier between them.

    It is the step to rewind to: before it there are no lottery tickets that match the dense network (Frankle et
    al. 2020). Interrupted, the same line goes on; what is there is found where steps, levels, copies or seeds
    are added.
    """
    if is_fresh(options):
        raise click.UsageError("fresh=true would train everything again; use it on one entry point at a time")
    wish, only_plans, table = Wish.of(options), is_true("plan", plan), Table()
    with opened_stability(options, seeds, steps, levels, copies, say=table.say) as stability:
        if only_plans:
            click.echo(stability.plan().text)
            return
        try:
            run_id = stability.complete(wish.manner(stability.worthwhile_workers, table))
        finally:
            table.close()
        click.echo(f"\n{stability.summary(run_id)}\n")
        click.echo(f"The figure: {stability.where(run_id)} and stability.csv, beside it")


if __name__ == "__main__":
    main()
