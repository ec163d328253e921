"""The parameters every entry point shares, and the study they describe."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lth.command.help import write_options
from lth.command.typed import hinted, spelled_out
from lth.errors import InputError, MendableError
from lth.setting.door import short_line
from lth.setting.parameter import PARAMETERS
from lth.setting.preset import DEFAULT_PRESET, PRESETS
from lth.setting.seeds import parse_seeds
from lth.setting.terms import speaking
from lth.signals import interrupt_on_signals

if TYPE_CHECKING:
    from lth.study.open import Opening
    from lth.study.replication import Replication
    from lth.study.stability import StabilityOfTraining
    from lth.study.study import Study
    from lth.study.sweep import Sweep
    from lth.tracking.store import Store

Options = dict[str, str | None]
Command = TypeVar("Command", bound=Callable[..., Any])

# How and where a study runs: name, what --help says. What it is of is in lth.setting.parameter.
_RUNNING_OPTIONS = {
    "preset": f"Which default each parameter has: {', '.join(PRESETS)}. [{DEFAULT_PRESET}]",
    "data_dir": "Where the data set's files are; downloaded into ./data if left out.",
    "device": "auto, cpu, cuda or cuda:N; of several, as cuda:0,cuda:1, the first does all but share curvature "
    "with the others. [auto]",
    "from_run": "Run of the level before (for analyze: of the level itself), instead of this study's own.",
    "keep_every": "Seconds between two times that a training or a spectrum keeps its progress, at the least. "
    "[30]",
    "patience": "Seconds to wait for a tracking store that does not answer, or a full disk. [300]",
    "unsent": "Folder for finished results that can't be logged now; one that machines share serves them all. "
    "[./lth-unsent]",
    "system_metrics": "true: log what processor, memory and GPU do, every ten seconds. [false]",
    "fresh": "true: compute again even if a finished run of the same key exists.",
}

_SWITCHES = ("fresh", "system_metrics")  # of the process, and no part of a study

# Of a parameter that is `true` where nothing is said of it: `--fresh` as well as `-P fresh=true`.
OPTIONAL: dict[str, Any] = {"is_flag": False, "flag_value": "true"}

_FAULTS = "lth-faults.log"  # in the working directory
REPORT = "report.html"  # the artifact of a report
_LONGEST_VALUE = 1000  # characters; MLflow takes longer ones only in part


class ProjectCommand(click.Command):
    """A command whose errors are also written on the run that `mlflow run` made for it.

    Its help is in groups, a misspelt option gets a hint, and `-P name=value` is `--name value`, as `mlflow run`
    takes it.
    """

    def invoke(self, context: click.Context) -> Any:
        """Run the command, and explain a failure before it is reported."""
        with self._explained():
            return super().invoke(context)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, and explain what is wrong with it before it is reported."""
        with self._explained(), hinted(self.params):
            return super().parse_args(context, spelled_out(args))

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups: the command's own, how it runs, and the parameters by their stage."""
        write_options(self.get_params(context), _RUNNING_OPTIONS, formatter)

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
    return study_options_but()(command)


def study_options_but(*names: str) -> Callable[[Command], Command]:
    """Return what adds every parameter of a study but some, of which a command has options of its own."""
    texts = {**_RUNNING_OPTIONS, **{row.name: row.help for row in PARAMETERS}}
    options = [
        click.option(*_spellings(name), name, default=None, help=text, **(OPTIONAL if name == "fresh" else {}))
        for name, text in texts.items()
        if name not in names
    ]
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"]))


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
            store = _open_store(opening, attended, _say)
            study = build_study(opening, store, _say, level_of_from_run=level_of_from_run)
        with told_as(click.ClickException):
            yield study
            _tell_where(store)


@contextmanager
def opened_replication(
    options: Options, seeds: str | None, *, reads_only: bool = False, say: Callable[[str], None] | None = None
) -> Iterator[Replication]:
    """Build the same study under several seeds; user errors end the command as in `opened_study`.

    Args:
        options: As click parsed them.
        seeds: Such as `0,1,2` or `0-2`; where it is None, the parameter `seed` or its default.
        reads_only: Whether a store that is not there is refused and not made.
        say: Tells the user; by default line by line.
    """
    given = _given(options)
    with ExitStack() as attended:
        with told_as(click.UsageError):
            several = _seeds(seeds, given)
            from lth.study.open import Opening, build_replication

            opening = Opening.read(given)
            store = _open_store(opening, attended, say or _say, creates=not reads_only)
            replication = build_replication(opening, several, store, say or _say)
        with told_as(click.ClickException):
            yield replication
            _tell_where(store)


@contextmanager
def opened_sweep(options: Options, seeds: str | None, *, say: Callable[[str], None]) -> Iterator[Sweep]:
    """Build the studies of all settings that the options combine to; user errors end the command likewise."""
    given = _given(options)
    with ExitStack() as attended:
        with told_as(click.UsageError):
            several = _seeds(seeds, given)
            from lth.setting.grid import grid
            from lth.study.open import Opening
            from lth.study.sweep import Sweep

            opening = Opening.read(grid(given)[1][0])
            store = _open_store(opening, attended, say)
            sweep = Sweep(given, several, store, say)
        with told_as(click.ClickException):
            yield sweep
            _tell_where(store)


@contextmanager
def opened_stability(
    options: Options,
    seeds: str | None,
    steps: str,
    levels: str,
    copies: str,
    *,
    say: Callable[[str], None],
) -> Iterator[StabilityOfTraining]:
    """Build what tells the stability of a training; user errors end the command likewise."""
    with told_as(click.UsageError):
        from lth.study.stability import StabilityOfTraining, parse_levels

        masked = parse_levels(levels)
    given = {**options, "levels": str(max(1, *masked))}
    with opened_replication(given, seeds, say=say) as replication:
        with told_as(click.UsageError):
            stability = StabilityOfTraining(
                replication, given, steps=steps, levels=masked, copies=copies, say=say
            )
        yield stability


def _seeds(written: str | None, given: Mapping[str, str]) -> list[str]:
    """Read several seeds; none where the parameter `seed` or its default says which."""
    if written is None:
        return []
    if "seed" in given:
        raise InputError("seed and seeds both say which; leave one of them out")
    return parse_seeds(written)


def open_report(replication: Replication, run_id: str) -> None:
    """Show a report in a browser: the file of a store on this machine, else a copy of it."""
    import webbrowser
    from tempfile import mkdtemp

    store = replication.studies[0].store
    page = store.local_file(run_id, REPORT) or store.fetch(run_id, REPORT, mkdtemp(prefix="lth-report-"))
    if webbrowser.open(page.as_uri()):
        click.echo(f"Opened {page}")
    else:
        click.echo(f"There is no browser here; the report is {page}")


def tell_report(replication: Replication, run_id: str) -> None:
    """Say what was found, and where the report is."""
    from lth.evidence.summary import text_table, text_table_over_seeds

    tables = {study.problem.setting.seed: study.rows() for study in replication.studies}
    with speaking(replication.studies[0].problem.terms):
        for study, rows in zip(replication.studies, tables.values(), strict=True):
            click.echo(f"\n{study.name}\n{text_table(rows)}")
        if len(tables) > 1:
            over_seeds = text_table_over_seeds(tables)
            click.echo(f"\nmean ± standard deviation over {len(tables)} seeds\n{over_seeds}")
    click.echo(f"\n{replication.verdicts(run_id)}\n")
    click.echo(f"The report: {replication.where(run_id, 'report.html')}")
    click.echo(f"Its run: {replication.studies[0].store.link(run_id)}")


def _tell_where(store: Store) -> None:
    """Say last of all where the runs are to be seen."""
    from lth.study.record.views import RUNS, SOLUTIONS

    _say(f"The solutions, a row each: {store.runs_address(SOLUTIONS)}")
    _say(
        f"The runs: {store.runs_address(RUNS)}" + ("" if store.is_served else f" ({short_line('ui')} opens it)")
    )


def _given(options: Options) -> dict[str, str]:
    """Prepare the process for a study, and return what the user said of it."""
    interrupt_on_signals()
    _follow_launcher()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # a thread that waits leaves its core to others
    given = {name: value for name, value in options.items() if value is not None and name not in _SWITCHES}
    if is_true("system_metrics", options.get("system_metrics")):
        os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "true"
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
        for fault in getattr(error, "faults", ()):  # of tasks that failed, while others went on
            _say(_logged_fault(fault))
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


def _open_store(
    opening: Opening, attended: ExitStack, say: Callable[[str], None], *, creates: bool = True
) -> Store:
    """Open the tracking store; the run of `mlflow run` shows that it is alive until `attended` is closed."""
    from lth.tracking.client import set_request_defaults
    from lth.tracking.store import Store

    set_request_defaults()
    store = Store(opening.patience, say, creates=creates)
    say(f"tracking in {store.description}")
    for line in store.unused():
        say(line)
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


def _follow_launcher() -> None:
    """Stop, as by SIGTERM, when `mlflow run`, which passes no signal on, started this process and is gone."""
    import psutil

    launcher = psutil.Process().parent()
    if launcher is None or "MLFLOW_RUN_ID" not in os.environ:
        return
    try:
        if not any("mlflow" in word for word in launcher.cmdline()):
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
