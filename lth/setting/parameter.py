"""Every parameter of a study, declared once: a row says how it is read, what it may be, and what it decides.

What a user types, `--help`, the records in `setting.py`, the content keys and docs/parameters.md are read from
`PARAMETERS`. A result can read no parameter whose row does not name it (`Setting.deciding`), and its content
key is made of just those, so that no result is found under a parameter that it was not computed with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from lth.errors import InputError
from lth.setting import reader
from lth.setting.amount import ALL, Amount
from lth.setting.choice import value_hint
from lth.setting.reference import is_reference
from lth.setting.step import Step

Augmentation = Literal["none", "crop", "crop_flip"]
Precision = Literal["auto", "fp32", "bf16"]
Compile = Literal["auto", "on", "off"]
Snapshots = Literal["none", "log", "every"]
Scope = Literal["global", "layer"]
Rewind = Literal["weights", "lr", "none"]
Switch = Literal["off", "on"]
ScheduleName = Literal["milestones", "cosine", "linear", "constant"]
DirectionNorm = Literal["plain", "filter"]
MatchedLoss = Literal["off", "on"]
Vectors = Literal["off", "on"]

OPTIMIZERS = ("sgd", "adamw")
LOSSES = ("cross_entropy", "mse")
METRICS = ("auto", "accuracy", "r2")

StageName = Literal["setting", "data", "training", "pruning", "analysis"]
Result = Literal[
    "problem",  # network and data themselves: keys hold shape, code and digest instead of the name
    "plan",  # which solutions and measurements there are
    "solutions",  # the weights of all of them
    "sparse",  # those of level 1 and up, besides
    "fine_tune",  # those of that baseline, besides
    "own_method",  # those of that method, besides
    "spectra",
    "density",
    "volume",
    "mass",
    "radii",
    "lines",
    "surface",
    "distances",
    "matched",
    "subspaces",
    "parts",
    "function",
    "sharpness",
    "path",
    "forecast",
    "aligned",
    "layers",
    "analysis",  # what is shown of a level
    "report",  # nothing but that; it prints every parameter, so each of them decides it
]

TENTH = Amount(0.1)  # of the training set; docs/protocol.md, section 2

_REQUIRED: Final = object()
_MOST_EPOCHS = 1_000_000
_MOST_HALVINGS = 6  # into 64 parts: each halving takes as many products over all examples as a spectrum
_LARGEST = 3.4e38  # of float32, in which networks are trained


@dataclass(frozen=True)
class Bounds:
    """What a value must fulfil, and how a user is told."""

    holds: Callable[[Any], bool]
    expected: str


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Args:
        name: As it is typed.
        stage: The record that holds it; those of `setting` belong to no stage.
        read: Makes its value of what was typed.
        help: What `--help` says.
        decides: The results that depend on it.
        default: Left out by every preset that doesn't write it.
        choices: All it may be.
        or_own: Whether a function of the user's, `package.module:function`, does as well.
        bounds: Else what it must fulfil.
        since: The first version of content keys (`lth.plan.keys.ALGORITHM_VERSION`) that every value of it
            enters. A new parameter gets the next one: until then it enters only where it is not `before`, so
            that what was computed without it is still found.
        before: In writing, what versions did that had no such parameter, where that is not its default.
    """

    name: str
    stage: StageName
    read: Callable[[object], object]
    help: str
    decides: tuple[Result, ...]
    default: object = _REQUIRED
    choices: tuple[str, ...] = ()
    or_own: bool = False
    bounds: Bounds | None = None
    since: int = 1
    before: str | None = None

    @property
    def values(self) -> str:
        """All it may be, in writing; empty where that is anything that is read."""
        if self.choices:
            return ", ".join(self.choices) + (" or package.module:function" if self.or_own else "")
        return self.bounds.expected if self.bounds is not None else ""

    @property
    def unspoken(self) -> str:
        """In writing, what versions did that had no such parameter; if not said, the default."""
        return reader.spell(self.default) if self.before is None else self.before

    def parse(self, written: object) -> object:
        """Return the value that is written.

        Raises:
            ValueError: If it can't be read.
        """
        try:
            return self.read(written)
        except ValueError as error:
            raise InputError(f"{self.name}={written!r}: {error}") from error

    def check(self, value: object) -> None:
        """Check that a value is one that it may be.

        Raises:
            ValueError: If it is not.
        """
        if self.choices and value not in self.choices and not (self.or_own and is_reference(str(value))):
            hint = value_hint(str(value), self.choices, self.name)
            raise InputError(f"{self.name}={value!r} is unknown; choose one of {self.values}{hint}")
        if self.bounds is not None and not self.bounds.holds(value):
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            raise InputError(f"{self.name}={shown} is out of range; expected {self.bounds.expected}")


def _at_least(least: int, why: str = "") -> Bounds:
    return Bounds(lambda value: value >= least, f"at least {least}{why}")


_EPOCHS = Bounds(lambda epochs: 1 <= epochs <= _MOST_EPOCHS, f"a whole number from 1 to {_MOST_EPOCHS}")
_POSITIVE = Bounds(lambda value: 0 < value < math.inf, "positive")
_RATE = Bounds(lambda rate: 0 < rate < _LARGEST, f"a positive number below {_LARGEST:g}")
_LAST_OR_RATE = Bounds(lambda rate: rate is None or 0 < rate < _LARGEST, "positive")
_NEXT = 3  # version of the keys, which a new parameter enters only where it is not its default
_BETAS = Bounds(lambda betas: all(0 <= beta < 1 for beta in betas), "two numbers in [0, 1), such as 0.9,0.999")
_THREE = Bounds(lambda plane: len(plane) == len(set(plane)) == 3, "three solutions, such as 0,last,one_shot")

_ON_EXAMPLES: tuple[Result, ...] = (
    "spectra",
    "density",
    "radii",
    "lines",
    "surface",
    "matched",
    "subspaces",
    "parts",
    "function",
    "sharpness",
    "forecast",
    "volume",
    "mass",
    "aligned",
    "layers",
)

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "seed",
        "setting",
        reader.seed,
        "Of initialisation, data order, augmentation, draws and directions; several: seeds=0,1,2.",
        decides=("solutions", *_ON_EXAMPLES),
        default=0,
        bounds=Bounds(lambda seed: 0 <= seed < 2**31, "a whole number from 0 to 2147483647"),
    ),
    Parameter(
        "network",
        "setting",
        reader.text,
        "resnet20, resnet8-w8, vgg16, lenet-300-100, mlp-64-64, vit6-w192, transformer2-w64 (of tokens), …, "
        "torchvision:resnet50 or any of its classifiers, or package.module:function (runs its code).",
        decides=("problem",),
    ),
    Parameter(
        "dataset",
        "data",
        reader.text,
        "digits, topics, cifar10, cifar100, mnist, fashion-mnist, tiny-imagenet, imagefolder, or "
        "package.module:name (runs it).",
        decides=("problem",),
    ),
    Parameter(
        "train_examples",
        "data",
        reader.amount,
        "A number, a fraction or all.",
        decides=("solutions", *_ON_EXAMPLES),
        default=ALL,
    ),
    Parameter(
        "augmentation",
        "data",
        reader.text,
        "none, crop or crop_flip.",
        decides=("solutions",),
        default="none",
        choices=get_args(Augmentation),
    ),
    Parameter(
        "image_size",
        "data",
        reader.size,
        "That images of a folder are given: 64 or 64x48, width by height; none leaves them.",
        decides=("problem",),
        default=reader.Size(),
        bounds=Bounds(lambda size: all(side >= 1 for side in size), "64 or 64x48"),
        since=_NEXT,
        before="none",
    ),
    Parameter("epochs", "training", reader.whole, "Of one training.", decides=("solutions",), bounds=_EPOCHS),
    Parameter(
        "batch_size",
        "training",
        reader.whole,
        "Examples a step; at least 2 with BatchNorm.",
        decides=("solutions",),
        bounds=_at_least(1),
    ),
    Parameter("lr", "training", reader.number, "Initial learning rate.", decides=("solutions",), bounds=_RATE),
    Parameter(
        "momentum",
        "training",
        reader.number,
        "Of optimizer=sgd.",
        decides=("solutions",),
        bounds=Bounds(lambda momentum: 0 <= momentum < 1, "a number in [0, 1)"),
    ),
    Parameter(
        "weight_decay",
        "training",
        reader.number,
        "L2 penalty on every parameter; decoupled with adamw.",
        decides=("solutions",),
        bounds=Bounds(lambda decay: 0 <= decay < _LARGEST, f"zero or more, below {_LARGEST:g}"),
    ),
    Parameter(
        "milestones",
        "training",
        reader.steps,
        "Where lr falls tenfold: 50%,75% of the training, 80ep,120ep or steps, or none.",
        decides=("solutions",),
    ),
    Parameter(
        "rewind_step",
        "training",
        reader.step,
        "The rewind point k: 1000, 2ep or 5%.",
        decides=("solutions",),
    ),
    Parameter(
        "fine_tune_epochs",
        "training",
        reader.whole,
        "Of the fine_tune baseline.",
        decides=("fine_tune",),
        bounds=_EPOCHS,
    ),
    Parameter(
        "fine_tune_lr",
        "training",
        reader.last_or_number,
        "Of the fine_tune baseline: a number, or last for the schedule's last; a hundredth of lr if that "
        "falls to zero.",
        decides=("fine_tune",),
        default=None,
        bounds=_LAST_OR_RATE,
    ),
    Parameter(
        "precision",
        "training",
        reader.text,
        "fp32, bf16, or auto: bf16 where the device computes it natively.",
        decides=("solutions",),
        default="auto",
        choices=get_args(Precision),
    ),
    Parameter(
        "compile",
        "training",
        reader.text,
        "on, off, or auto: on for a long training on a GPU.",
        decides=("solutions",),
        default="auto",
        choices=get_args(Compile),
        before="off",
    ),
    Parameter(
        "epoch_examples",
        "training",
        reader.amount,
        "Training examples whose loss is recorded after an epoch; the last takes all.",
        decides=("solutions",),
        default=TENTH,
        before="all",
    ),
    Parameter(
        "trajectory",
        "training",
        reader.text,
        "Which epochs' weights are kept: none, log or every.",
        decides=("solutions",),
        default="log",
        choices=get_args(Snapshots),
    ),
    Parameter(
        "loss",
        "training",
        reader.text,
        "cross_entropy, mse, or package.module:function of (outputs, targets), a value an example.",
        decides=("solutions", *_ON_EXAMPLES),
        default="cross_entropy",
        choices=LOSSES,
        or_own=True,
        since=_NEXT,
        before="cross_entropy",
    ),
    Parameter(
        "label_smoothing",
        "training",
        reader.number,
        "Of loss=cross_entropy: the share of a target that all classes share.",
        decides=("solutions", *_ON_EXAMPLES),
        default=0.0,
        bounds=Bounds(lambda share: 0 <= share < 1, "a number in [0, 1)"),
        since=_NEXT,
        before="0.0",
    ),
    Parameter(
        "metric",
        "training",
        reader.text,
        "Beside the loss: accuracy, r2, auto (accuracy of classes, else r2) or package.module:function.",
        decides=("solutions", "lines", "aligned"),
        default="auto",
        choices=METRICS,
        or_own=True,
        since=_NEXT,
        before="auto",
    ),
    Parameter(
        "optimizer",
        "training",
        reader.text,
        "sgd, adamw, or package.module:function of the parameters (runs its code).",
        decides=("solutions",),
        default="sgd",
        choices=OPTIMIZERS,
        or_own=True,
        since=_NEXT,
        before="sgd",
    ),
    Parameter(
        "nesterov",
        "training",
        reader.text,
        "Nesterov's momentum of optimizer=sgd: on or off.",
        decides=("solutions",),
        default="off",
        choices=get_args(Switch),
        since=_NEXT,
        before="off",
    ),
    Parameter(
        "betas",
        "training",
        reader.pair,
        "Of optimizer=adamw.",
        decides=("solutions",),
        default=(0.9, 0.999),
        bounds=_BETAS,
        since=_NEXT,
        before="0.9,0.999",
    ),
    Parameter(
        "schedule",
        "training",
        reader.text,
        "How lr falls: milestones, cosine or linear (to zero), or constant.",
        decides=("solutions",),
        default="milestones",
        choices=get_args(ScheduleName),
        since=_NEXT,
        before="milestones",
    ),
    Parameter(
        "warmup",
        "training",
        reader.step,
        "In which lr first rises in a straight line: 500, 2ep or 5%.",
        decides=("solutions",),
        default=Step(0),
        since=_NEXT,
        before="0",
    ),
    Parameter(
        "grad_clip",
        "training",
        reader.number_or_none,
        "Largest norm of a gradient, over all parameters that are not pruned, or none.",
        decides=("solutions",),
        default=math.inf,
        bounds=Bounds(lambda norm: norm > 0, "a positive number, or none"),
        since=_NEXT,
        before="none",
    ),
    Parameter(
        "sam_rho",
        "training",
        reader.number,
        "How far away sharpness-aware steps (SAM) take their gradient, such as 0.05; 0: plain steps.",
        decides=("solutions",),
        default=0.0,
        bounds=Bounds(lambda rho: 0 <= rho < _LARGEST, f"zero or more, below {_LARGEST:g}"),
        since=_NEXT,
        before="0.0",
    ),
    Parameter(
        "prune_fraction",
        "pruning",
        reader.number,
        "Share of the survivors pruned at each level.",
        decides=(
            "sparse",
            "spectra",
            "density",
            "radii",
            "lines",
            "forecast",
            "volume",
            "mass",
        ),  # sizes the next-larger band, too
        default=0.2,
        bounds=Bounds(lambda fraction: 0 < fraction < 1, "a number in (0, 1)"),
    ),
    Parameter(
        "levels",
        "pruning",
        reader.whole,
        "How many levels a study has after the dense network.",
        decides=("plan",),
        default=10,
        bounds=Bounds(lambda levels: 1 <= levels <= 100, "a whole number from 1 to 100"),
    ),
    Parameter(
        "scope",
        "pruning",
        reader.text,
        "Whether the smallest weights are those of the whole network, or of every layer for itself.",
        decides=("sparse", "spectra", "density", "radii", "lines", "forecast", "volume", "mass"),
        default="global",
        choices=get_args(Scope),
        since=_NEXT,
        before="global",
    ),
    Parameter(
        "rewind",
        "pruning",
        reader.text,
        "What a level of IMP goes back to: weights and schedule of the rewind point, the schedule alone, "
        "or neither, which fine-tunes.",
        decides=("sparse",),
        default="weights",
        choices=get_args(Rewind),
        since=_NEXT,
        before="weights",
    ),
    Parameter(
        "prune_layers",
        "pruning",
        reader.names,
        "What can be pruned: default (convolutions, fully-connected), -first, -last, embedding, attention, "
        "transposed, recurrent, patterns such as blocks.*.out.",
        decides=("solutions",),
        default=("default",),
        bounds=Bounds(lambda said: len(said) > 0 and all(part not in ("", "-") for part in said), "names"),
        since=_NEXT,
        before="default",
    ),
    Parameter(
        "k",
        "analysis",
        reader.whole,
        "Leading eigenvalues in log_eig_product.",
        decides=("spectra", "matched", "subspaces", "parts", "forecast", "volume"),
        default=100,
        bounds=_at_least(1),
    ),
    Parameter(
        "basis_gib",
        "analysis",
        reader.number,
        "Memory for the basis of a spectrum, in GiB (of a GPU at most half); less of it takes more products.",
        decides=("spectra", "matched", "subspaces", "parts", "forecast", "volume", "layers"),
        default=10.0,
        bounds=Bounds(lambda gib: 0 < gib <= 2**20, "a positive number of GiB, at most a million"),
        since=_NEXT,
    ),
    Parameter(
        "second_k",
        "analysis",
        reader.number,
        "Share of k in a second log_eig_product.",
        decides=("report",),  # to see whether a trend depends on the cut
        default=0.5,
        bounds=Bounds(lambda share: 0 < share < 1, "a share of k, in (0, 1)"),
    ),
    Parameter(
        "trace_probes",
        "analysis",
        reader.whole,
        "Random vectors for the Hessian's trace.",
        decides=("spectra", "matched", "parts", "forecast", "volume", "layers"),
        default=20,
        bounds=_at_least(2, " (a standard error)"),
    ),
    Parameter(
        "density_probes",
        "analysis",
        reader.whole,
        "Random vectors for the Hessian's spectral density.",
        decides=("density",),
        default=10,
        bounds=_at_least(2, " (a standard error)"),
    ),
    Parameter(
        "density_steps",
        "analysis",
        reader.whole,
        "Products with each of them.",
        decides=("density",),
        default=80,
        bounds=_at_least(1),
    ),
    Parameter(
        "hessian_examples",
        "analysis",
        reader.amount,
        "For curvature, radii and surface: a number, a fraction or all.",
        decides=(
            "spectra",
            "density",
            "radii",
            "surface",
            "matched",
            "subspaces",
            "parts",
            "sharpness",
            "forecast",
            "volume",
            "mass",
            "aligned",
            "layers",
        ),
        default=TENTH,
    ),
    Parameter(
        "directions",
        "analysis",
        reader.whole,
        "Random directions for radii, and draws of a change for sharpness.",
        decides=("radii", "matched", "sharpness"),
        default=50,
        bounds=_at_least(2),
    ),
    Parameter(
        "direction_norm",
        "analysis",
        reader.text,
        "filter (Li et al. 2018) or plain.",
        decides=("analysis", "report"),  # both are measured
        default="filter",
        choices=get_args(DirectionNorm),
    ),
    Parameter(
        "cutoff_margin",
        "analysis",
        reader.number,
        "Loss (nats of cross-entropy) by which a basin's cutoff lies above the worse solution's.",
        decides=("radii", "matched", "volume", "mass"),
        default=0.1,
        bounds=_POSITIVE,
    ),
    Parameter(
        "points",
        "analysis",
        reader.whole,
        "On a straight line, ends included.",
        decides=("lines",),
        default=31,
        bounds=_at_least(3),
    ),
    Parameter(
        "grid",
        "analysis",
        reader.whole,
        "Points a side of the loss surface.",
        decides=("surface",),
        default=25,
        bounds=_at_least(3),
    ),
    Parameter(
        "plane",
        "analysis",
        reader.names,
        "Three solutions that span the surface: levels, last, or baselines at the last level.",
        decides=("plan",),
        default=("0", "last", "random_init"),
        bounds=_THREE,
    ),
    Parameter(
        "every_level",
        "analysis",
        reader.names,
        "Baselines that a study trains and measures at all levels, such as random_init,lr_rewind.",
        decides=("plan",),
        default=(),
    ),
    Parameter(
        "methods",
        "analysis",
        reader.names,
        "Further ways to a sparse network, trained and measured at the last level: snip, grasp, synflow, erk, "
        "magnitude_at_init, rigl, set, gradual, ac_dc, safe, layer_magnitude, shuffled, signs_only, "
        "magnitudes_only, distribution_only, cyclic_random, permuted, unpermuted, or none.",
        decides=("plan",),
        default=(),
        since=_NEXT,
    ),
    Parameter(
        "own_method",
        "analysis",
        reader.text,
        "A way of yours beside methods: package.module:function (runs its code), or none.",
        decides=("plan", "own_method"),
        default="none",
        bounds=Bounds(lambda name: name == "none" or is_reference(name), "none or package.module:function"),
        since=_NEXT,
    ),
    Parameter(
        "matched_loss",
        "analysis",
        reader.text,
        "on: measure curvature and radii also where the training losses of those compared are one.",
        decides=("plan",),
        default="off",
        choices=get_args(MatchedLoss),
        since=3,
    ),
    Parameter(
        "vectors",
        "analysis",
        reader.text,
        "on: keep the leading eigenvectors, and measure what they span.",
        decides=("plan", "spectra", "volume"),
        default="off",
        choices=get_args(Vectors),
        since=_NEXT,
    ),
    Parameter(
        "halvings",
        "analysis",
        reader.whole,
        "Times the examples are halved, to see how log_eig_product depends on their number; 0: not at all.",
        decides=("plan",),
        default=0,
        bounds=Bounds(lambda count: 0 <= count <= _MOST_HALVINGS, f"a whole number from 0 to {_MOST_HALVINGS}"),
        since=_NEXT,
    ),
    Parameter(
        "beyond",
        "analysis",
        reader.names,
        "What a study measures beyond the paper: density, function, sharpness, path, forecast, volume, "
        "aligned, layers, or none.",
        decides=("plan",),
        default=(),
        since=_NEXT,
    ),
    Parameter(
        "rho",
        "analysis",
        reader.numbers,
        "How much each weight changes, as a share of itself, where beyond=sharpness measures; one or several.",
        decides=("sharpness",),
        default=(0.01, 0.1),
        bounds=Bounds(
            lambda sizes: len(set(sizes)) == len(sizes) > 0 and all(0 < size < math.inf for size in sizes),
            "one or several different positive numbers, such as 0.01,0.1",
        ),
        since=_NEXT,
    ),
    Parameter(
        "volume_directions",
        "analysis",
        reader.whole,
        "Random directions for a local volume; fewer than 25 tell nothing of its tail.",
        decides=("volume",),
        default=100,
        bounds=_at_least(2),
        since=_NEXT,
    ),
    Parameter(
        "mass_draws",
        "analysis",
        reader.whole,
        "Of beyond=volume: draws of the Gaussian whose share in a basin is its mass; four runs share them.",
        decides=("mass",),
        default=60,
        bounds=_at_least(8),
        since=_NEXT,
    ),
    Parameter(
        "mass_window",
        "analysis",
        reader.number,
        "Of beyond=volume: the Gaussian's width, as a share of the rewind point's root mean square weight.",
        decides=("mass",),
        default=0.4,
        bounds=Bounds(lambda share: 0 < share < math.inf, "a positive number"),
        since=_NEXT,
    ),
    Parameter(
        "align_points",
        "analysis",
        reader.whole,
        "Of beyond=aligned: points on a straight line, ends included.",
        decides=("aligned",),
        default=11,
        bounds=_at_least(3),
        since=_NEXT,
    ),
    Parameter(
        "layers",
        "analysis",
        reader.names,
        "Of beyond=layers: each, every layer that can be pruned, or names and patterns such as "
        "stem.*,blocks.0+blocks.1, of which + makes one group.",
        decides=("layers",),
        default=("each",),
        bounds=Bounds(
            lambda said: len(said) > 0 and all(part.strip() for each in said for part in each.split("+")),
            "each, or names and patterns of layers",
        ),
        since=_NEXT,
    ),
    Parameter(
        "layer_k",
        "analysis",
        reader.whole,
        "Of beyond=layers: leading eigenvalues of every layer, or as many as it has.",
        decides=("layers",),
        default=10,
        bounds=_at_least(1),
        since=_NEXT,
    ),
    Parameter(
        "loss_margin",
        "analysis",
        reader.number,
        "Loss (nats of cross-entropy) below which a barrier in it counts as none.",
        decides=("report",),
        default=0.01,
        bounds=_POSITIVE,
    ),
    Parameter(
        "error_margin",
        "analysis",
        reader.number,
        "Share of test examples (else of the metric) below which a barrier in the error counts as none.",
        decides=("report",),
        default=0.02,
        bounds=Bounds(lambda share: 0 < share < 1, "a number in (0, 1)"),
    ),
)

BY_NAME: Final = {parameter.name: parameter for parameter in PARAMETERS}


def of_stage(stage: StageName) -> tuple[Parameter, ...]:
    """Return the parameters of a stage, in their order."""
    return tuple(parameter for parameter in PARAMETERS if parameter.stage == stage)


def default_of(name: str) -> Callable[[], Any]:
    """Return what makes the default of a parameter.

    Raises:
        KeyError: If every preset has to write it.
    """
    default = BY_NAME[name].default
    if default is _REQUIRED:
        raise KeyError(f"{name} has no default")
    return lambda: default
