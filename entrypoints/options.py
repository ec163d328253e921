"""The parameters every entry point shares, and the study they describe."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from entrypoints import workers
from lth.errors import InputError, MendableError
from lth.setting.meant import meant_by
from lth.setting.parameter import PARAMETERS

if TYPE_CHECKING:
    from lth.study.open import Opening
    from lth.study.replication import Replication
    from lth.study.study import Study
    from lth.tracking.store import Store

Options = dict[str, str | None]
Command = TypeVar("Command", bound=Callable[..., Any])

# How and where a study runs: name, what --help says. What it is of is in lth.setting.parameter.
_RUNNING_OPTIONS = {
    "preset": "digits, resnet20-cifar10, vgg16-cifar10 or resnet20-fashion-mnist. [default: digits]",
    "data_dir": "Where the data set's files are; downloaded into ./data if left out.",
    "device": "auto, cpu, cuda or cuda:N; of several, as cuda:0,cuda:1, the first does all but share curvature "
    "with the others. [default: auto]",
    "from_run": "Run of the level before (for analyze: of the level itself), instead of this study's own.",
    "keep_every": "Seconds between two times that a training or a spectrum keeps its progress, at the least. "
    "[default: 30]",
    "patience": "Seconds to wait for a tracking store that does not answer, or a full disk. [default: 300]",
    "fresh": "true: compute again even if a finished run of the same key exists.",
}

_FAULTS = "lth-faults.log"  # in the working directory
_LONGEST_VALUE = 1000  # characters; MLflow takes longer ones only in part


class ProjectCommand(click.Command):
    """A command whose errors are also written on the run that `mlflow run` made for it."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command, and explain a failure before it is reported."""
        with self._explained():
            return super().invoke(context)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, and explain what is wrong with it before it is reported."""
        with self._explained():
            try:
                return super().parse_args(context, args)
            except click.NoSuchOption as error:
                known = {parameter.name for parameter in self.params if parameter.name}
                if (meant := meant_by(error.option_name.lstrip("-"), known)) is None:
                    raise
                told = f"No such option '{error.option_name}'. Did you mean '--{meant}'?"
                raise click.UsageError(told, error.ctx) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except click.ClickException as error:
            if "MLFLOW_RUN_ID" in os.environ:
                from lth.tracking.project.killed import keep_launched_run
                from lth.tracking.store import explain_launched_run

                with suppress(Exception):  # of a store that is away
                    explain_launched_run(error.format_message())
                    keep_launched_run()
            raise


def study_options(command: Command) -> Command:
    """Add every parameter of a study to a click command, spelled with `_` or `-`."""
    options = [
        click.option(f"--{name}", f"--{name.replace('_', '-')}", name, default=None, help=text)
        if "_" in name
        else click.option(f"--{name}", name, default=None, help=text)
        for name, text in {**_RUNNING_OPTIONS, **{row.name: row.help for row in PARAMETERS}}.items()
    ]
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


def parse_level(_context: click.Context | None, _parameter: click.Parameter | None, value: str) -> int:
    """Read a level: a whole number, 0 for the dense network."""
    from lth.setting.numeral import parse_whole

    try:
        level = parse_whole(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a level; write a whole number, such as 3") from None
    if not 0 <= level <= 100:
        raise click.BadParameter(f"{level} is not a level; write a whole number from 0 to 100")
    return level


def require_sparse(level: int) -> None:
    """Refuse level 0 where only pruned networks make sense."""
    if level == 0:
        raise click.BadParameter(
            "0 is the dense network; use train_dense for it, or level 1 and up", param_hint="--level"
        )


@contextmanager
def opened_study(options: Options, *, level_of_from_run: int | None = None) -> Iterator[Study]:
    """Build the study that the options describe; user errors end the command with one line and status 2.

    Args:
        options: As click parsed them; None where the user said nothing.
        level_of_from_run: The level that `from_run` must hold; None where it can't be given.
    """
    given = _given(options)
    with ExitStack() as attended:
        with told_as(click.UsageError):
            # Imported here so that --help and misspelt options answer at once.
            from lth.study.open import Opening, build_study

            opening = Opening.read(given)
            store = _open_store(opening, attended)
            study = build_study(opening, store, _say, level_of_from_run=level_of_from_run)
        with told_as(click.ClickException):
            yield study


@contextmanager
def opened_replication(
    options: Options, seeds: str | None, *, reads_only: bool = False
) -> Iterator[Replication]:
    """Build the same study under several seeds; user errors end the command as in `opened_study`.

    Args:
        options: As click parsed them.
        seeds: Such as `0,1,2`; where it is None, the parameter `seed` or its default.
        reads_only: Whether a store that is not there is refused and not made.
    """
    given = _given(options)
    with ExitStack() as attended:
        with told_as(click.UsageError):
            if seeds is not None and "seed" in given:
                raise InputError("seed and seeds both say which; leave one of them out")
            from lth.study.open import Opening, build_replication, parse_seeds

            several = [] if seeds is None else parse_seeds(seeds)
            opening = Opening.read(given)
            store = _open_store(opening, attended, creates=not reads_only)
            replication = build_replication(opening, several, store, _say)
        with told_as(click.ClickException):
            yield replication


def tell_report(replication: Replication, run_id: str) -> None:
    """Say what was found, and where the report is."""
    from lth.evidence.summary import text_table, text_table_over_seeds

    tables = {study.problem.setting.seed: study.rows() for study in replication.studies}
    for study, rows in zip(replication.studies, tables.values(), strict=True):
        click.echo(f"\n{study.name}\n{text_table(rows)}")
    if len(tables) > 1:
        click.echo(f"\nmean ± standard deviation over {len(tables)} seeds\n{text_table_over_seeds(tables)}")
    click.echo(f"\n{replication.verdicts(run_id)}\n")
    click.echo(f"The report, report.html, is an artifact of run {run_id}.")
    click.echo("To look at everything: make ui (or: mlflow ui), http://127.0.0.1:5000")


def _given(options: Options) -> dict[str, str]:
    """Prepare the process for a study, and return what the user said of it."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    _follow_launcher()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # a thread that waits leaves its core to others
    given = {name: value for name, value in options.items() if value is not None and name != "fresh"}
    for name, value in given.items():
        if len(value) > _LONGEST_VALUE:
            raise click.UsageError(
                f"{name}={value[:20]!r}… has {len(value):,} characters; write at most {_LONGEST_VALUE:,}"
            )
    return given


@contextmanager
def told_as(kind: type[click.ClickException]) -> Iterator[None]:
    """Turn errors that a user can mend into one line."""
    try:
        yield
    except InputError as error:
        raise kind(str(error)) from error
    except MendableError as error:  # nothing is wrong with the command
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        _say("interrupted; finished runs and the progress of this one are kept: the same command goes on")
        from lth.tracking.project.killed import mark_launched_run

        with suppress(Exception):  # of a store that is away
            mark_launched_run()
        sys.exit(130)
    except Exception as error:
        from lth.tracking.client import told

        raise click.ClickException(told(error) or _logged_fault(error)) from error


def _logged_fault(error: Exception) -> str:
    """Add the traceback of an error that no user made to a log, and return the line that says so."""
    from lth.tracking.client import one_line, without_password

    trace = without_password("".join(traceback.format_exception(error)))
    log = Path(_FAULTS).absolute()
    try:
        with log.open("a") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(sys.argv)}\n{trace}\n")
        where = f"at the end of {log}"
    except OSError:
        click.echo(trace, err=True)
        where = "above"
    return f"{type(error).__name__}: {one_line(error)}; no user's mistake: report it, the traceback is {where}"


def _open_store(opening: Opening, attended: ExitStack, *, creates: bool = True) -> Store:
    """Open the tracking store; the run of `mlflow run` shows that it is alive until `attended` is closed."""
    from lth.tracking.client import set_request_defaults
    from lth.tracking.store import Store

    set_request_defaults()
    store = Store(opening.patience, _say, creates=creates)
    _say(f"tracking in {store.description}")
    for line in store.unused():
        _say(line)
    attended.enter_context(store.attending())
    store.close_dead()
    return store


def is_fresh(options: Options) -> bool:
    """Read the parameter `fresh`."""
    return is_true("fresh", options.get("fresh"))


def is_true(name: str, value: str | None) -> bool:
    """Read `true` or `false`; None is false."""
    if value is None or value.lower() in ("false", "0", "no"):
        return False
    if value.lower() in ("true", "1", "yes"):
        return True
    raise click.BadParameter(f"{value!r} is neither true nor false", param_hint=f"--{name}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # `mlflow run` answers Ctrl-C, which reaches us too, with SIGTERM: what is being kept now goes on.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _follow_launcher() -> None:
    """Stop, as by SIGTERM, when what started this process is gone.

    That is `mlflow run`, which passes no signal on, or the command whose worker it is.
    """
    import psutil

    launcher = psutil.Process().parent()
    is_launched = "MLFLOW_RUN_ID" in os.environ
    if launcher is None or not (is_launched or workers.number()):
        return
    try:
        if is_launched and not any("mlflow" in word for word in launcher.cmdline()):
            return
    except psutil.Error:
        return

    def follow() -> None:
        launcher.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()
