"""Who does the tasks of a command, as a user says it: how many processes, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lth.command.options import OPTIONAL, is_true
from lth.command.workers import Table, parse, parse_retries, parse_share

if TYPE_CHECKING:
    from lth.study.completion import Manner

Command = TypeVar("Command", bound=Callable[..., Any])

plan_option = click.option(
    "--plan",
    default=None,
    **OPTIONAL,
    help="true: only say what is to be done, in how many hours with how many workers. [false]",
)

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--workers",
        default="auto",
        envvar="LTH_WORKERS",
        callback=parse,
        help="Processes that do the tasks; auto: as many as a CPU's cores have threads for. [auto]",
    ),
    click.option(
        "--engine",
        type=click.Choice(["processes", "ray"]),
        default="processes",
        help="What does the tasks: processes of this machine, or a Ray cluster. [processes]",
    ),
    click.option(
        "--address",
        default=None,
        help="Of the Ray cluster: auto, local for one on this machine, or ray://…, host:port. [auto]",
    ),
    click.option(
        "--gpu_share",
        "--gpu-share",
        "gpu_share",
        default=None,
        callback=parse_share,
        help="Of the Ray cluster's GPUs, the part of one that a task gets, such as 0.5. [1 where one is used]",
    ),
    click.option(
        "--retries",
        default="3",
        callback=parse_retries,
        help="How often a task is gone on with whose process was lost. [3]",
    ),
    click.option(
        "--keep_going",
        "--keep-going",
        "keep_going",
        default="true",
        help="Whether, where a task fails, all is done that does not need it. [true]",
    ),
)


def manner_options(command: Command) -> Command:
    """Give a command the options that `Wish.of` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Wish:
    """What a user said of who does the tasks."""

    workers: int | None  # None: as many as are worth it
    address: str | None  # of a Ray cluster; None for processes of this machine
    gpu_share: float | None  # of a GPU, for a task on Ray; None for what is usual
    retries: int
    keep_going: bool

    @classmethod
    def of(cls, options: dict[str, Any]) -> Wish:
        """Take the options of `manner_options` out of those of a command.

        Raises:
            UsageError: If they contradict each other.
        """
        workers, engine, address = (options.pop(name) for name in ("workers", "engine", "address"))
        if address is not None and engine != "ray":
            raise click.UsageError("address is of a Ray cluster; add engine=ray, or leave it out")
        share = options.pop("gpu_share")
        if share is not None and engine != "ray":
            raise click.UsageError("gpu_share is of a Ray cluster's GPUs; add engine=ray, or leave it out")
        cluster = (address or "auto") if engine == "ray" else None
        keep_going = is_true("keep_going", options.pop("keep_going"))
        return cls(workers, cluster, share, options.pop("retries"), keep_going)

    def manner(self, worthwhile: int, table: Table) -> Manner:
        """Return how studies are completed.

        Args:
            worthwhile: How many processes are worth it on this machine.
            table: Shows how far they are.
        """
        from lth.study.completion import Manner

        auto = worthwhile if self.address is None else 0
        count = auto if self.workers is None else self.workers
        return Manner(
            count, self.address, self.gpu_share, self.retries, keep_going=self.keep_going, watch=table.show
        )
