"""What each kind of result looks like as an MLflow run: tags, parameters, metrics, files and figures."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from lth.data.description import as_json, headline
from lth.data.source import is_public
from lth.evidence.caveat import caveats
from lth.evidence.evidence import Evidence
from lth.evidence.level import level_numbers
from lth.evidence.summary import LevelRow, markdown_table
from lth.evidence.table import Table
from lth.inputs import mapped
from lth.network.parts import FROZEN, PRUNABLE, counts_of, parts
from lth.plan.keys import entering
from lth.plan.place import Place
from lth.report.figure.mask import LayerShares, draw_mask
from lth.report.figure.trajectory import draw_trajectory
from lth.report.figure.trend import draw_trend
from lth.report.level import draw_level
from lth.setting.parameter import BY_NAME
from lth.setting.preset import changes_from_preset, title_of
from lth.setting.setting import spelled
from lth.solution.problem import Problem
from lth.solution.solution import Solution
from lth.study.record.card import model_card, model_name, model_parameters
from lth.study.record.data_splits import splits_of_metrics, test_split, training_split
from lth.study.record.layers import layer_metrics
from lth.study.record.load import CHECKPOINT
from lth.tracking.model import log_model
from lth.tracking.run import RunLog
from lth.tracking.store import KEY
from lth.training.objective import told
from lth.training.train import EpochRecord

_KEPT_BESIDES = "vectors"  # of spectra, whose numbers it does not change


def study_tags(problem: Problem) -> dict[str, str]:
    """Return the tags that every run of a study carries."""
    setting = problem.setting
    return {
        "preset": setting.preset,
        "changes": changes_from_preset(setting),
        "seed": str(setting.seed),
        "network": setting.network,
        "dataset": problem.images.name,
        "data_digest": problem.images.digest,
        "data_read": headline(problem.images),
        "lth.study": problem.keys.study(),
        **{f"lth.{name}": value for name, value in problem.keys.computing.written().items()},
    }


def study_name(problem: Problem, origin: str) -> str:
    """Return what a person calls the study: what it is of, seed, what it changes, the run it continues."""
    what, _, changes = title_of(problem.setting).partition(" · ")
    continued = f"from {origin[:8]}" if origin else ""
    parts = [what, f"seed {problem.setting.seed}", changes, continued]
    return " · ".join(filter(None, parts))


def measuring(problem: Problem) -> str:
    """Return how finely a study measures what its trends show, in the spelling a user would type it."""
    # As in keys: what younger parameters say only where it is not what was done before them.
    shown = entering(spelled(problem.setting, "spectra", "radii", "lines", "analysis"))
    deciding = [name for name in shown if BY_NAME[name].stage == "analysis" and name != _KEPT_BESIDES]
    return " ".join(f"{name}={shown[name]}" for name in deciding)


def task_tags(problem: Problem, kind: str, level: int, density: float | None, key: str) -> dict[str, str]:
    """Return the tags of one task of a study; a measurement across levels has no density."""
    place = {"kind": kind, "level": str(level), KEY: key}
    kept = {} if density is None else {"density": f"{density:.4g}"}
    return {**study_tags(problem), **place, **kept}


def log_setting(
    run: RunLog,
    problem: Problem,
    level: int | None,
    *,
    one_seed: bool = True,
    models: Sequence[str] = (),
) -> None:
    """Log every parameter as it is in force, and what the run reads.

    Args:
        run: Any of a study, or of a report.
        problem: The study's.
        level: Of the run's task, if it has one.
        one_seed: Whether the run is of the problem's seed alone.
        models: Ids of the logged models that its task starts from or measures.
    """
    place = {} if level is None else {"level": str(level)}
    setting = {name: value for name, value in problem.setting.in_force().items() if name != "seed" or one_seed}
    run.params({**setting, **place}, {"device": problem.data.train.labels.device.type, **_sizes(problem)})
    run.inputs([training_split(problem), test_split(problem)], models)


def log_place(run: RunLog, level: int, density: float | None) -> None:
    """Log level and density as metrics, which searches compare as numbers.

    MLflow's page that compares runs opens on the metric that came first: in a training, let others.
    """
    run.metrics({"level": level} if density is None else {"density": density, "level": level})


def _sizes(problem: Problem) -> dict[str, str]:
    """Return how many parameters there are, can be pruned and are frozen."""
    every = parts(problem.network, problem.setting.pruning.prune_layers)
    counts = counts_of(every)
    numbers = {
        "num_parameters": sum(counts.values()),
        "num_prunable": counts.get(PRUNABLE, 0),
        "num_frozen": counts.get(FROZEN, 0),
    }
    return {name: str(number) for name, number in numbers.items()}


def log_made_of(study: RunLog, problem: Problem) -> None:
    """Log what all trainings of a study are made of, on the study's run: they would say the same.

    That is what was read of the data set, which examples of it they are on, which files a user's own network is
    made of, and which of its parameters can be pruned, or why not.
    """
    study.json(as_json(problem.images, is_public=is_public(problem.setting.data.dataset)), "data.json")
    study.json(problem.data.positions.tolist(), "train_examples.json")
    if problem.code is not None:
        study.json(asdict(problem.code), "network_code.json")
    every = parts(problem.network, problem.setting.pruning.prune_layers)
    study.json([vars(part) for part in every], "parameters.json")


def log_epoch(run: RunLog, record: EpochRecord) -> None:
    """Log losses and accuracies at `step=epoch`."""
    run.metrics(evaluations(record), record.epoch)


def log_solution(run: RunLog, solution: Solution, directory: Path, problem: Problem, seconds: float) -> None:
    """Log the checkpoint that was written to `directory`, and what it cost."""
    of_all = solution.mask.density_of_all(solution.final)
    log_place(run, solution.level, solution.density)
    numbers = {"time/training_seconds": seconds, "density_of_all_parameters": of_all}
    run.metrics({**numbers, **layer_metrics(solution.mask)})
    run.directory(directory, CHECKPOINT)
    run.figure(draw_trajectory({Place(solution.kind, solution.level): solution.history}), "trajectory.png")
    last = solution.history[-1]
    run.note(
        f"**{solution.name}** of {solution.spec.name}: {solution.density:.1%} of "
        f"{solution.mask.num_prunable:,} prunable weights kept, "
        f"{of_all:.1%} of all parameters; training loss {last.train.loss:.4g}, "
        f"test {told(problem.metric, last.test.accuracy)}."
    )


def log_solution_model(run: RunLog, solution: Solution, problem: Problem, step: int) -> str | None:
    """Log the network with the final weights as a model, last of all; return why there is none, or None.

    The model takes raw inputs, of the type that the data set has: it normalises them itself.

    Args:
        run: Of the solution.
        solution: What to log.
        problem: Gives the structure, and what a person is told of it.
        step: The step after which these are the weights.
    """
    network = copy.deepcopy(problem.network).eval()
    solution.final.load_into(network)
    examples = problem.data.train
    return log_model(
        run,
        examples.normalisation.before(network),
        mapped(lambda tensor: torch.zeros(2, *tensor.shape[1:], dtype=tensor.dtype), examples.images),
        name=model_name(problem, solution.place),
        step=step,
        parameters=model_parameters(problem, solution),
        card=model_card(problem, solution, run.run_id),
        attained=splits_of_metrics(problem),
    )


def solution_trend(place: Place) -> str:
    """Return a metric that the study's trends have of a solution, `step=level`."""
    return "train/loss" if place.kind == "imp" else f"versus/{place.kind}_train_loss"


def log_solution_trend(
    study: RunLog, place: Place, density: float, last: EpochRecord, layers: Mapping[str, float]
) -> None:
    """Add a solution's end to the trends of the study, `step=level`; a baseline's under its own name.

    Args:
        study: The study's run.
        place: Of the solution.
        density: Of its mask.
        last: What it attained.
        layers: The density of each layer, by metric name.
    """
    if place.kind == "imp":
        numbers = {**evaluations(last), "density": density, **layers}
    else:
        attained = {"train_loss": last.train.loss, "test_accuracy": last.test.accuracy}
        numbers = {f"versus/{place.kind}_{name}": value for name, value in attained.items()}
    study.metrics(numbers, place.level)
    study.flush()


def log_analysis(run: RunLog, evidence: Evidence, level: int) -> dict[str, float]:
    """Log the numbers of a level, what is to be known of them, and its figures; return the numbers by metric.

    Args:
        run: Of the analysis.
        evidence: At least of what was measured at the level.
        level: L.
    """
    numbers = level_numbers(evidence, level)
    if warnings := [caveat.warning for caveat in caveats(numbers, evidence.setting.analysis)]:
        run.note("\n".join(f"- **warning**: {warning}" for warning in warnings))
        run.tags({"lth.warnings": "; ".join(warnings)})
    run.metrics(numbers, level)
    run.flush()
    for path, figure in draw_level(evidence, level).items():
        run.figure(figure, path)
    return numbers


ANALYSIS_TREND = (
    "landscape/hessian_trace"  # a metric that the study's trends have of every analysis, `step=level`
)


def log_analysis_trend(study: RunLog, metrics: Mapping[str, float], level: int) -> None:
    """Add the landscape among an analysis' metrics to the trends of the study, `step=level`."""
    study.metrics({name: value for name, value in metrics.items() if name.startswith("landscape/")}, level)
    study.flush()


def log_results(study: RunLog, rows: Sequence[LevelRow], every: Table, layers: LayerShares) -> None:
    """Show the table of a study in its description, all that is known of its solutions, and the trends.

    Args:
        study: The study's run.
        rows: The headline numbers.
        every: A row a solution, a column a number.
        layers: What each layer keeps.
    """
    study.note(markdown_table(rows))
    study.file("results.md", markdown_table(rows).encode())
    study.file("results.csv", every.csv().encode())
    study.json([dict(zip(every.headings, row, strict=True)) for row in every.rows], "results.json")
    study.figure(draw_trend(rows), "trend.png")
    study.figure(draw_mask(layers), "mask.png")
    study.file("mask.csv", layers.table().csv().encode())


def evaluations(record: EpochRecord) -> dict[str, float]:
    """Return what is logged of an epoch, by metric name."""
    return {
        "test/accuracy": record.test.accuracy,  # first, where MLflow compares runs
        "train/loss": record.train.loss,
        "train/accuracy": record.train.accuracy,
        "test/loss": record.test.loss,
    }
