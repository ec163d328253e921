"""The card of a solution's model: what it is, how it was trained, what it attains, and how to load it."""

from __future__ import annotations

import math
import re

from torch import Tensor

from lth.evidence.binomial import wilson_interval
from lth.inputs import by_input, each
from lth.plan.place import Place
from lth.setting.network import NetworkSpec
from lth.setting.preset import changes_from_preset, title_of
from lth.setting.reader import spell
from lth.setting.reference import is_reference
from lth.setting.setting import spelled
from lth.solution.problem import Problem
from lth.solution.recipe import RECIPES, recipe_of
from lth.solution.solution import Solution
from lth.training.objective import told

_REFUSED = re.compile(r"[^\w-]+")  # in a model's name
_NAMES = {"sgd": "SGD", "adamw": "AdamW", "cross_entropy": "cross-entropy", "mse": "mean squared error"}


def model_name(problem: Problem, place: Place) -> str:
    """Return the name of a solution's model: that of no other seed, and a level's the same in every study."""
    what = _REFUSED.sub("-", title_of(problem.setting).partition(" · ")[0])
    return f"{what}-seed-{problem.setting.seed}-{place.name.replace(' ', '-')}"


def model_parameters(problem: Problem, solution: Solution) -> dict[str, str]:
    """Return what a model can be searched by, besides its metrics."""
    setting = problem.setting
    return {
        "preset": setting.preset,
        "changes": changes_from_preset(setting),
        "network": setting.network,
        "dataset": problem.images.name,
        "seed": str(setting.seed),
        "kind": solution.kind,
        "level": str(solution.level),
        "key": solution.key,
    }


def model_card(problem: Problem, solution: Solution, run_id: str) -> str:
    """Return the card in Markdown."""
    setting = problem.setting
    lines = [
        f"# {solution.name} of {setting.network} on {problem.images.name}",
        f"**What**: {_how(problem, solution.place)}. {solution.density:.1%} of {solution.mask.num_prunable:,} "
        "prunable weights are kept; the others are exactly zero.",
        f"**Trained**: {_trained(problem, solution)}; "
        f"{changes_from_preset(setting) or 'nothing changed'} from preset {setting.preset}.",
        _attained(problem, solution),
        f"**Input**: {_inputs(problem, solution.spec)}. **Output**: {_outputs(problem, solution.spec)}.",
        f"```python\n{_loading(problem, solution, run_id)}\n```",
    ]
    return "\n\n".join(lines)


def _trained(problem: Problem, solution: Solution) -> str:
    training, spec = problem.setting.training, solution.spec
    examples = f"{len(problem.data.train):,} {'images' if spec.is_of_images else 'examples'}"
    optimiser = _NAMES.get(training.optimizer, training.optimizer)
    own = {"sgd": f"momentum {training.momentum:g}", "adamw": f"betas {spell(training.betas)}"}
    parts = [
        f"{solution.history[-1].epoch} epochs of {optimiser} on {examples}",
        f"batches of {training.batch_size}",
        f"learning rate {_rate(problem, solution.place)}",
        own.get(training.optimizer),
        "Nesterov" if training.nesterov == "on" else None,
        None if is_reference(training.optimizer) else f"weight decay {training.weight_decay:g}",
        None if math.isinf(training.grad_clip) else f"gradients of a norm of at most {training.grad_clip:g}",
        f"loss {_loss(problem)}",
        f"augmentation {problem.setting.data.augmentation}",
        f"seed {problem.setting.seed}",
    ]
    return ", ".join(filter(None, parts))


def _loss(problem: Problem) -> str:
    training = problem.setting.training
    smoothed = f" with label smoothing {training.label_smoothing:g}" if training.label_smoothing else ""
    return f"{_NAMES.get(training.loss, training.loss)}{smoothed}"


def _attained(problem: Problem, solution: Solution) -> str:
    last, examples = solution.history[-1], len(problem.data.test)
    value, loss = last.test.accuracy, f"training loss {last.train.loss:.4g}"
    loss = problem.terms.of_loss(loss)
    if problem.metric != "accuracy":
        return f"**Test {told(problem.metric, value)}** on {examples:,} examples; {loss}."
    if problem.data.test.labels.ndim > 1:  # those of an example are not independent
        return f"**Test accuracy**: {value:.2%} of the targets of {examples:,} examples; {loss}."
    low, high = wilson_interval(value, examples)
    of = "images" if solution.spec.is_of_images else "examples"
    return (
        f"**Test accuracy**: {value:.2%}, 95 % interval {low:.2%} to {high:.2%} (Wilson, {examples:,} {of}); "
        f"{loss}."
    )


def _inputs(problem: Problem, spec: NetworkSpec) -> str:
    examples, said = problem.data.train, []
    means = by_input(examples.mean)
    for (name, tensor), shape in zip(each(examples.images), spec.shapes, strict=True):
        form = f"{_type(tensor)} `({', '.join(map(str, ('n', *shape)))})`"
        read = "" if means[name] is None else ", raw: each channel is normalised as `(x - mean) / std` inside"
        said.append(f"{f'`{name}`: ' if spec.input_names else ''}{form}{read}")
    return "; ".join(said)


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _outputs(problem: Problem, spec: NetworkSpec) -> str:
    if not problem.data.train.labels.is_floating_point():
        targets = " × ".join(map(str, spec.outputs[:-1]))
        return f"logits of {spec.num_classes} classes{f' for each of {targets} targets' if targets else ''}"
    return f"float32 `(n, {', '.join(map(str, spec.outputs))})`, as the targets are"


def _rate(problem: Problem, place: Place) -> str:
    training = problem.setting.training
    if place.level > 0 and recipe_of(place.kind, problem.setting.pruning.rewind) is RECIPES["fine_tune"]:
        return "the last of the schedule" if training.fine_tune_lr is None else f"{training.fine_tune_lr:g}"
    written = spelled(problem.setting)
    falls = {
        "milestones": f"tenfold less at {written['milestones']}" if training.milestones else None,
        "cosine": "down to zero along a cosine",
        "linear": "down to zero in a straight line",
        "constant": None,
    }[training.schedule]
    warmup = f"after a warm-up of {written['warmup']}" if training.warmup.count else None
    return ", ".join(filter(None, (f"{training.lr:g}", falls, warmup)))


def _how(problem: Problem, place: Place) -> str:
    if place.level == 0:
        return "the dense network"
    share = f"{problem.setting.pruning.prune_fraction:.0%}"
    how = recipe_of(place.kind, problem.setting.pruning.rewind).how
    return how.format(before=place.level - 1, level=place.level, share=share)


def _loading(problem: Problem, solution: Solution, run_id: str) -> str:
    spec = solution.spec
    several = spec.input_names or [f"input_{number}" for number in range(len(spec.shapes))]
    given = ", ".join(several) if not spec.is_of_one else "images" if spec.is_of_images else "inputs"
    order = "" if spec.is_of_one else ", in this order"
    build = "network = solution.network.train()"
    if is_reference(spec.name):
        function = spec.name.partition(":")[2]
        build = f"network = {function}(…)  # your own\nsolution.weights.load_into(network)"
    return "\n".join(
        [
            "import mlflow",
            "",
            f'network = mlflow.pytorch.load_model("runs:/{run_id}/{model_name(problem, solution.place)}")',
            f"outputs = network({given})  # raw, as the data set has them{order}",
            "",
            "# to train it on, with its mask, its rewind point and its history:",
            "import lth",
            "",
            f'solution = lth.load_solution("{run_id}")',
            build,
            f"inputs = solution.normalise({_structured(spec, given)})",
        ]
    )


def _structured(spec: NetworkSpec, given: str) -> str:
    """Return how raw inputs are written in the structure that the network takes."""
    if spec.is_of_one:
        return given
    if spec.input_names:
        return "{" + ", ".join(f'"{name}": {name}' for name in spec.input_names) + "}"
    return f"({given})"
