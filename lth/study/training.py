"""One training as a task of a study: on a tracked run, resumed where a process before this one stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lth.network.weights import Weights
from lth.plan.place import Beside, Place
from lth.solution.checkpoint import read_solution, write_solution
from lth.solution.problem import Problem, procedure, solve
from lth.solution.progress_file import progress_environment
from lth.solution.recipe import Start
from lth.solution.solution import Solution
from lth.study.record.beside import log_beside
from lth.study.record.solution import log_epoch, log_solution, log_solution_model
from lth.study.record.training_progress import ProgressKeeper
from lth.study.unsent import Unsent
from lth.tracking.run import RunLog
from lth.training.capture import launches_told
from lth.training.objective import told
from lth.training.threads import threads_for
from lth.training.train import EpochRecord, snapshot_epochs


def computed_by(problem: Problem) -> str:
    """Return what decides the bits of a training besides its key: in which only it can be gone on from."""
    how, train = procedure(problem), problem.data.train
    threads = threads_for(problem.network, train, problem.schedule.batch_size)
    return progress_environment(train.labels.device, how.precision, compiled=how.compiled, threads=threads)


def train_on(
    run: RunLog,
    problem: Problem,
    place: Place,
    start: Start,
    previous: Solution | None,
    directory: Path,
    *,
    keep_every: float,
    unsent: Unsent,
    say: Callable[[str], None],
) -> Solution:
    """Train a solution, keeping its progress on `run` as it goes, and log what came of it.

    Args:
        run: Is written to; what it kept of an earlier attempt is gone on from, to the same bits.
        problem: The study's.
        place: Of the solution.
        start: Its mask, state and schedule.
        previous: w(L-1); None for the dense network.
        directory: Empty; for the checkpoint.
        keep_every: Seconds between two times that the progress is kept.
        unsent: Keeps the solution if it can't be logged, and is asked for it before it is trained.
        say: Tells the user.
    """
    key, environment = problem.keys.solution(place), computed_by(problem)
    keeper = ProgressKeeper(run, directory, key, environment, keep_every, say)
    kept = unsent.fetch(directory, read_solution)
    if kept is not None:
        solution, seconds = kept
        say("  it was trained before and is not logged yet: logging it now")
        for record in solution.history:
            log_epoch(run, record)
    else:
        solution = _train(run, problem, place, start, previous, keeper, say)
        seconds = keeper.seconds
        write_solution(directory, solution)
    unsent.complete(seconds)
    trained = time.monotonic()
    run.check_owner()
    if isinstance(place, Beside):
        log_beside(run, place, solution, directory, seconds)
    else:
        log_solution(run, solution, directory, problem, seconds)
        reason = log_solution_model(run, solution, problem, start.schedule.num_iterations)
        if reason is not None:
            run.tags({"lth.warnings": reason})
            say(f"  warning: {reason}")
    run.metrics({"time/tracking_seconds": keeper.spent + time.monotonic() - trained})
    say(f"  {_reached(solution, problem)}{seconds:.0f} s")
    return solution


def _reached(solution: Solution, problem: Problem) -> str:
    """Return what to say of where a training ended; nothing of one that ended within its first epoch."""
    if not solution.history:
        return ""
    last = solution.history[-1]
    return f"training loss {last.train.loss:.4g}, test {told(problem.metric, last.test.accuracy)}, "


def _train(
    run: RunLog,
    problem: Problem,
    place: Place,
    start: Start,
    previous: Solution | None,
    keeper: ProgressKeeper,
    say: Callable[[str], None],
) -> Solution:
    """Train from the start, or on from what the run kept, and log every epoch."""
    resumed = keeper.find()
    if resumed is not None:
        done = f"{resumed.state.step} of {start.schedule.num_iterations}"
        say(f"  going on after step {done}, where an earlier process stopped")
        for record in resumed.history:
            log_epoch(run, record)  # what that process could not send
    snapshots = "none" if isinstance(place, Beside) else problem.setting.training.trajectory
    keep = snapshot_epochs(snapshots, start.schedule.num_epochs)

    def on_epoch(record: EpochRecord, weights: Weights) -> None:
        log_epoch(run, record)
        if record.epoch in keep:
            keeper.snapshot(record.epoch, weights)

    with launches_told(lambda reason: say(f"  {reason}")):
        return solve(problem, place, start, previous, resumed=resumed, keeper=keeper, on_epoch=on_epoch)
