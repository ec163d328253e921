"""The card of a solution's model: what it is, how it was trained, what it attains, and how to load it."""

from __future__ import annotations

from lth.evidence.binomial import wilson_interval
from lth.plan.place import Kind, Place
from lth.setting.preset import changes_from_preset
from lth.setting.setting import spelled
from lth.solution.problem import Problem
from lth.solution.solution import Solution

_HOW: dict[Kind, str] = {
    "imp": "iterative magnitude pruning: of w({before}) the smallest {share} of the weights left were pruned, "
    "the others went back to the rewind point and were trained again",
    "one_shot": "the dense network pruned by magnitude in one go, rewound and trained",
    "fine_tune": "w({before}) pruned and trained on at a small constant learning rate, without rewinding",
    "lr_rewind": "w({before}) pruned and trained on along the learning rates from the rewind point",
    "random_init": "the mask of level {level} on a fresh random initialisation, trained from the start",
    "random_prune": "of w({before}) a random {share} of the weights left were pruned, the others rewound and "
    "trained",
    "random_prune_one_shot": "the dense network pruned at random in one go, rewound and trained",
    "prune_larger": "of w({before}) the next-larger {share} of the weights left were pruned and the smallest "
    "kept, then rewound and trained",
}


def model_name(problem: Problem, place: Place) -> str:
    """Return the name of a solution's model: that of no other seed, and a level's the same in every study."""
    return f"{problem.setting.preset}-seed-{problem.setting.seed}-{place.name.replace(' ', '-')}"


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
    training, last = problem.setting.training, solution.history[-1]
    accuracy, examples = last.test.accuracy, len(problem.data.test)
    low, high = wilson_interval(accuracy, examples)
    setting = problem.setting
    trained = (
        f"{solution.history[-1].epoch} epochs of SGD on {len(problem.data.train):,} images, batches of "
        f"{training.batch_size}, learning rate {_rate(problem, solution.kind)}, momentum "
        f"{training.momentum:g}, weight decay {training.weight_decay:g}, augmentation "
        f"{setting.data.augmentation}, seed {setting.seed}"
    )
    lines = [
        f"# {solution.name} of {setting.network} on {problem.images.name}",
        f"**What**: {_how(problem, solution.place)}. {solution.density:.1%} of {solution.mask.num_prunable:,} "
        "prunable weights are kept; the others are exactly zero.",
        f"**Trained**: {trained}; {changes_from_preset(setting) or 'nothing changed'} from preset "
        f"{setting.preset}.",
        f"**Test accuracy**: {accuracy:.2%}, 95 % interval {low:.2%} to {high:.2%} (Wilson, {examples:,} "
        f"images); training loss {last.train.loss:.4g} nats.",
        f"**Input**: float32 `(n, {', '.join(map(str, solution.spec.input_shape))})`, each channel normalised "
        "as `(x - mean) / std` of the raw values. **Output**: logits of "
        f"{solution.spec.num_classes} classes.",
        f"```python\n{_loading(problem, solution, run_id)}\n```",
    ]
    return "\n\n".join(lines)


def _rate(problem: Problem, kind: Kind) -> str:
    training = problem.setting.training
    if kind != "fine_tune":
        falls = spelled(problem.setting)["milestones"]
        return f"{training.lr:g}" + (f", tenfold less at {falls}" if training.milestones else "")
    return "the last of the schedule" if training.fine_tune_lr is None else f"{training.fine_tune_lr:g}"


def _how(problem: Problem, place: Place) -> str:
    if place.level == 0:
        return "the dense network"
    share = f"{problem.setting.pruning.prune_fraction:.0%}"
    return _HOW[place.kind].format(before=place.level - 1, level=place.level, share=share)


def _loading(problem: Problem, solution: Solution, run_id: str) -> str:
    examples = problem.data.train
    mean, std = (tensor.flatten().tolist() for tensor in (examples.mean, examples.std))
    return "\n".join(
        [
            "import mlflow, torch",
            "",
            f'network = mlflow.pytorch.load_model("runs:/{run_id}/{model_name(problem, solution.place)}")',
            f"mean, std = torch.tensor({_shown(mean)}), torch.tensor({_shown(std)})",
            "logits = network((images.float() - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))",
            "",
            "# with its mask, its rewind point and its history:",
            "import lth",
            "",
            f'solution = lth.load_solution("{run_id}")',
        ]
    )


def _shown(values: list[float]) -> str:
    return f"[{', '.join(f'{value:.9g}' for value in values)}]"
