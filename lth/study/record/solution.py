"""What each kind of result looks like as an MLflow run: tags, parameters, metrics, files and figures."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from lth.data.description import as_json, headline
from lth.data.source import is_public
from lth.evidence.caveat import caveats
from lth.evidence.evidence import Evidence
from lth.evidence.level import level_numbers
from lth.evidence.summary import LevelRow, markdown_table
from lth.network.parts import FROZEN, PRUNABLE, counts_of, parts
from lth.network.zeros import zeros_for
from lth.plan.place import Place
from lth.report.figure.trajectory import draw_trajectory
from lth.report.figure.trend import draw_trend
from lth.report.level import draw_level
from lth.setting.parameter import BY_NAME
from lth.setting.preset import changes_from_preset, title_of
from lth.setting.setting import spelled
from lth.solution.problem import Problem
from lth.solution.solution import Solution
from lth.study.record.load import CHECKPOINT
from lth.tracking.model import log_model
from lth.tracking.run import RunLog
from lth.tracking.store import KEY
from lth.training.train import EpochRecord


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
    shown = spelled(problem.setting, "spectra", "radii", "lines", "analysis")
    return " ".join(f"{name}={shown[name]}" for name in shown if BY_NAME[name].stage == "analysis")


def task_tags(problem: Problem, kind: str, level: int, density: float | None, key: str) -> dict[str, str]:
    """Return the tags of one task of a study; a measurement across levels has no density."""
    place = {"kind": kind, "level": str(level), KEY: key}
    kept = {} if density is None else {"density": f"{density:.4g}"}
    return {**study_tags(problem), **place, **kept}


def log_setting(
    run: RunLog, problem: Problem, level: int | None, density: float | None, *, one_seed: bool = True
) -> None:
    """Log every parameter as it is in force, and what is numeric about the run as metrics too."""
    place = {} if level is None else {"level": str(level)}
    setting = {name: value for name, value in problem.setting.in_force().items() if name != "seed" or one_seed}
    run.params({**setting, **place}, {"device": problem.data.train.labels.device.type, **_sizes(problem)})
    numbers = {"seed": float(problem.setting.seed)} if one_seed else {}
    if level is not None:
        numbers["level"] = float(level)
    if density is not None:
        numbers["density"] = density
    run.metrics(numbers)
    run.data(problem.images.name, problem.images.digest, problem.images.source, "training")


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


def data_document(problem: Problem) -> dict[str, Any]:
    """Return what was read of the data set, as a JSON document; it looks through all images."""
    return as_json(problem.images, is_public=is_public(problem.setting.data.dataset))


def log_made_of(run: RunLog, problem: Problem, data: Mapping[str, Any]) -> None:
    """Log what was read of the data set, and which files of the user's own the network is made of."""
    run.json(data, "data.json")
    if problem.code is not None:
        run.json(asdict(problem.code), "network_code.json")


def log_epoch(run: RunLog, record: EpochRecord) -> None:
    """Log losses and accuracies at `step=epoch`."""
    run.metrics(_evaluations(record), record.epoch)


def log_solution(run: RunLog, solution: Solution, directory: Path, problem: Problem, seconds: float) -> None:
    """Log the checkpoint that was written to `directory`, what can be pruned of it, and what it cost."""
    of_all = solution.mask.density_of_all(solution.final)
    run.metrics({"time/training_seconds": seconds, "density_of_all_parameters": of_all})
    run.json(problem.data.positions.tolist(), "train_examples.json")
    run.json([vars(part) for part in parts(problem.network)], "parameters.json")
    run.directory(directory, CHECKPOINT)
    run.figure(draw_trajectory({Place(solution.kind, solution.level): solution.history}), "trajectory.png")
    last = solution.history[-1]
    run.note(
        f"**{solution.name}** of {solution.spec.name}: {solution.density:.1%} of "
        f"{solution.mask.num_prunable:,} prunable weights kept, "
        f"{of_all:.1%} of all parameters; training loss {last.train.loss:.4g}, "
        f"test accuracy {last.test.accuracy:.2%}."
    )


def log_solution_model(run: RunLog, solution: Solution, network: nn.Module) -> str | None:
    """Log the network with the final weights as a model, last of all; return why there is none, or None.

    Args:
        run: Of the solution.
        solution: What to log.
        network: Gives the structure.
    """
    network = copy.deepcopy(network).eval()
    solution.final.load_into(network)
    last = solution.history[-1]
    return log_model(
        run,
        network,
        zeros_for(solution.spec, 2),
        name=solution.name.replace(" ", "_"),
        parameters={"level": str(solution.level), "kind": solution.kind, "key": solution.key},
        metrics={"final/train_loss": last.train.loss, "final/test_accuracy": last.test.accuracy},
    )


def solution_trend(place: Place) -> str:
    """Return a metric that the study's trends have of a solution, `step=level`."""
    return "train/loss" if place.kind == "imp" else f"versus/{place.kind}_train_loss"


def log_solution_trend(study: RunLog, place: Place, density: float, last: EpochRecord) -> None:
    """Add a solution's end to the trends of the study, `step=level`; a baseline's under its own name."""
    if place.kind == "imp":
        numbers = {**_evaluations(last), "density": density}
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


def log_results(study: RunLog, rows: Sequence[LevelRow]) -> None:
    """Show the table of a study in its description, and the trends as a figure."""
    study.note(markdown_table(rows))
    study.file("results.md", markdown_table(rows).encode())
    study.json([vars(row) for row in rows], "results.json")
    study.figure(draw_trend(rows), "trend.png")


def _evaluations(record: EpochRecord) -> dict[str, float]:
    return {
        "train/loss": record.train.loss,
        "train/accuracy": record.train.accuracy,
        "test/loss": record.test.loss,
        "test/accuracy": record.test.accuracy,
    }
