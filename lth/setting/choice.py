"""What is meant by a value that a parameter can't have: a slip, another program's word, or none of ours."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from lth.setting.misspelt import CLOSE, plainly

# Words for the values of parameters, as `plainly` leaves them.
_OTHER_VALUES = {
    "optimizer": {"adamw": "torchadamw decoupledadam", "sgd": "momentum sgdm torchsgd nesterov vanillasgd"},
    "loss": {
        "cross_entropy": "ce xent xentropy nll nllloss logloss softmax crossentropyloss "
        "categoricalcrossentropy sparsecategoricalcrossentropy labelsmoothing",
        "mse": "l2 l2loss mseloss squared squarederror meansquarederror",
    },
    "metric": {"accuracy": "acc top1 top1accuracy error", "r2": "r2score rsquared r\N{SUPERSCRIPT TWO}"},
    "schedule": {
        "milestones": "step steps steplr multistep multisteplr piecewise",
        "cosine": "cos cosineannealing cosineannealinglr cosinewithwarmup",
        "linear": "lineardecay linearlr linearwithwarmup polynomial",
        "constant": "none off const constantlr fixed flat",
    },
    "augmentation": {
        "none": "off false no 0",
        "crop": "randomcrop translate shift",
        "crop_flip": "on true yes 1 standard default flipcrop cropandflip cifar flip hflip",
    },
    "precision": {"fp32": "float32 float single full 32", "bf16": "bfloat16 half mixed amp fp16 float16 16"},
    "scope": {"global": "globally network", "layer": "local layerwise perlayer uniform layers"},
    "trajectory": {"none": "off false no", "every": "all on true yes", "log": "logarithmic"},
    "direction_norm": {"plain": "none off no l2 unnormalized", "filter": "filternorm filterwise on"},
    "dataset": {
        "cifar10": "cifar cifarten",
        "fashion-mnist": "fmnist fashion",
        "imagefolder": "imagenet ilsvrc2012 imagefolders folder",
        "digits": "sklearndigits loaddigits",
        "topics": "text characters chars shakespeare pydoctopics",
    },
    "engine": {"processes": "local multiprocessing process"},
    "device": {"cuda": "gpu", "auto": "default"},
    "measures": {
        "spectra": "spectrum eigenvalues hessian curvature trace",
        "radii": "radius basin basins",
        "lines": "barrier barriers interpolation interpolations linear lmc",
        "surface": "landscape plane",
        "density": "esd slq spectraldensity",
    },
}
# Values that there are not, and what to do instead; `{}` is the name as torch.optim writes it.
_OTHERS_OPTIMISERS = {
    "adamw, which is torch's Adam at weight_decay=0, or": "Adam",
    "": "Adadelta Adafactor Adagrad Adamax ASGD LBFGS Muon NAdam RAdam RMSprop Rprop SparseAdam",
}
_OWN_OPTIMISER = "choose {}a function of parameters that returns {} (optimizer=package.module:function)"
_OWN_LOSS = (
    "write a function of (outputs, targets) that returns a value an example (loss=package.module:function)"
)
_ABSENT_VALUES = {
    "optimizer": {
        "lion lamb lars shampoo soap sophia adabelief ranger prodigy": _OWN_OPTIMISER.format("", "it")
    },
    "loss": {
        "mae l1 l1loss huber huberloss smoothl1 smoothl1loss hinge bce bceloss bcewithlogits bcewithlogitsloss "
        "binarycrossentropy focal kl kldiv kldivloss poisson ctc triplet": _OWN_LOSS
    },
    "schedule": {
        "exponential exponentiallr onecycle onecyclelr plateau reducelronplateau cyclic inversesqrt": (
            "an optimizer of your own (package.module:function) may follow one in its proportions"
        )
    },
    "augmentation": {
        "autoaugment randaugment cutout mixup cutmix trivialaugment colorjitter": (
            "hand over data that are augmented already (dataset=package.module:function)"
        )
    },
}
_SWITCHES = {"on": "true yes 1 enabled enable y t", "off": "false no 0 none disabled disable n f"}


def value_meant(written: str, known: Collection[str], parameter: str = "") -> str | None:
    """Return the one of the known values that is meant by what is none of them; None if none is.

    Args:
        written: As it was typed.
        known: All that there are.
        parameter: Whose, for the words that other programs have for its values.

    Example:
        >>> value_meant("Cosin", ["cosine", "linear"]), value_meant("sgdm", ["sgd", "adamw"], "optimizer")
        ('cosine', 'sgd')
        >>> value_meant("true", ["off", "on"]), value_meant("resnet81", ["resnet18", "vgg11"])
        ('on', 'resnet18')
    """
    plain, by_plain = plainly(written), {plainly(each): each for each in known}
    if plain in by_plain:
        return by_plain[plain]
    for value, words in {**_SWITCHES, **_OTHER_VALUES.get(parameter, {})}.items():
        if value in known and plain in words.split():
            return value
    if _instead(plain, parameter):
        return None
    close = get_close_matches(plain, by_plain, n=1, cutoff=CLOSE)
    if close:
        return by_plain[close[0]]
    longer = [name for name in by_plain if len(plain) > 2 and name.startswith(plain)]
    return by_plain[longer[0]] if longer else None


def value_hint(written: str, known: Collection[str], parameter: str = "") -> str:
    """Return what to add to a refusal of a value: `; did you mean cosine?`, what to do instead, or nothing.

    Example:
        >>> value_hint("cosin", ["cosine"], "schedule"), value_hint("x", ["cosine"], "schedule")
        ('; did you mean cosine?', '')
    """
    close = value_meant(written, known, parameter)
    if close is not None:
        return f"; did you mean {close}?"
    instead = _instead(plainly(written), parameter)
    return instead and f"; {instead}"


def _instead(plain: str, parameter: str) -> str:
    """Return what to do where a value is known and is none of ours; empty where it is not known."""
    if parameter == "optimizer":
        for ours, names in _OTHERS_OPTIMISERS.items():
            for name in names.split():
                if plain.removeprefix("torchoptim").removeprefix("torch") == name.lower():
                    return _OWN_OPTIMISER.format(ours and f"{ours} ", f"torch.optim.{name}")
    absent = _ABSENT_VALUES.get(parameter, {})
    return next((instead for words, instead in absent.items() if plain in words.split()), "")
