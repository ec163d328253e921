"""The folder that open_lth leaves of a level, as a solution; nothing in it is run.

    level_3/main/mask.pth               which weights are kept, by name
    level_3/main/model_ep0_it0.pth      where its training started
    level_3/main/model_ep160_it0.pth    where it ended
    level_3/main/logger                 `name,iteration,value` a line
    level_0/main/hparams.log            what it was trained with; beside every level

Source: https://github.com/facebookresearch/open_lth, foundations/paths.py.
"""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lth.data.normalisation import Normalisation
from lth.errors import InputError
from lth.network.mask import Mask
from lth.network.open_lth import names_of, open_lth_network, spec_of
from lth.network.parts import prunable_names
from lth.network.weights import Weights
from lth.plan.place import Kind, Place
from lth.setting.network import NetworkSpec
from lth.setting.open_lth import ours, preset_for
from lth.setting.preset import resolve
from lth.setting.setting import Setting
from lth.solution.solution import Solution
from lth.training.evaluate import Evaluation
from lth.training.train import EpochRecord, TrainingState

_MODEL = re.compile(r"model_ep(\d+)_it(\d+)\.pth", re.ASCII)
_LEVEL = re.compile(r"level_(\d+)", re.ASCII)
_HPARAM = re.compile(r"\s+\* (\w+) => (.*)")
_PIXEL = 255.0  # open_lth normalises pixels in [0, 1]
_GREY = ([0.1307], [0.3081])
_COLOURED = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])  # of CIFAR-10, too


@dataclass(frozen=True, order=True)
class _Step:
    epoch: int
    iteration: int  # in that epoch

    def of(self, per_epoch: int) -> int:
        return self.epoch * per_epoch + self.iteration


def read_open_lth(folder: Path, level: int | None = None, kind: Kind = "imp") -> Solution:
    """Return the solution that a folder of open_lth holds, with its mask and the weights it started from.

    The network is read off the tensors. `solution.normalise` is open_lth's, of pixels from 0 to 255. Where the
    training loss was not logged it is NaN.

    Args:
        folder: Of a level, such as `lottery_…/replicate_1/level_3/main`, or the one above it.
        level: By default what the folder's name says.
        kind: Which of our baselines a branch of open_lth's is, such as `random_init`.

    Raises:
        ValueError: If a file is missing or damaged, or is not of a network of open_lth's.
    """
    folder = _main(folder)
    found = _models(folder)
    (start, first), (end, last) = found[0], found[-1]
    state = _read(last)
    spec = spec_of(state)
    with torch.device("meta"):
        network = open_lth_network(spec)
    names = names_of(spec, network)
    final = _weights(last, state, names, network)
    mask = _mask(folder / "mask.pth", names, network)
    initial = mask.apply(_weights(first, _read(first), names, network))
    log = _log(folder / "logger")
    per_epoch = _iterations_per_epoch(log, end)
    setting = _setting(folder, spec, end)
    return Solution(
        place=Place(kind, _level(folder, mask) if level is None else level),
        spec=spec,
        setting=setting,
        mask=mask,
        initial=initial,
        rewind=TrainingState(initial, {}, start.of(per_epoch)),
        final=mask.apply(final),
        history=_history(log, per_epoch, start, end),
        data_digest="unknown",
        key=_digest(folder / "mask.pth", first, last),
        normalisation=_normalisation(spec),
    )


def _main(folder: Path) -> Path:
    """Return the folder with the files, which may be `main` of the one that was named.

    Raises:
        ValueError: If there is none.
    """
    for each in (folder, folder / "main"):
        if (each / "mask.pth").is_file():
            return each
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name that of a level of open_lth, …/level_3/main")
    below = sorted(path.parent for path in folder.rglob("mask.pth"))
    hint = f"; there is one in {below[0]}" if below else ", as every level of open_lth does"
    raise InputError(f"{folder} holds no mask.pth{hint}; name the folder of a level, …/level_3/main")


def _models(folder: Path) -> list[tuple[_Step, Path]]:
    """Return the models of a level by their step: of its start, which level 0 may hold alone, to its end."""
    of_start = folder.parent.with_name("level_0") / folder.name
    found = {step: path for each in (of_start, folder) for step, path in _in(each).items()}
    own = _in(folder)
    if not own:
        raise InputError(f"{folder} holds no model_ep*_it*.pth; it was not trained, or its models were removed")
    steps = [step for step in sorted(found) if step in own or step < min(own)]
    if len(steps) < 2:
        raise InputError(
            f"{folder} holds {own[steps[0]].name} alone; a level has the model that it started from, too: "
            f"finish its training, or copy that model from level_0"
        )
    return [(step, found[step]) for step in (min(steps), max(steps))]


def _in(folder: Path) -> dict[_Step, Path]:
    found = ((path, _MODEL.fullmatch(path.name)) for path in sorted(folder.glob("model_*.pth")))
    return {_Step(int(match[1]), int(match[2])): path for path, match in found if match is not None}


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, running nothing of it.

    Raises:
        ValueError: If it holds anything else, or is damaged.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  (which runs no code)
    except Exception as error:  # whatever zipfile, pickle and torch raise of damaged files
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{path} can't be read as tensors ({lines[0]:.120}); it is damaged, or none of open_lth's"
        ) from error
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds no tensors by name; it is none of open_lth's")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{path} holds {name!r}, which is no tensor by its name; it is none of open_lth's")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}  # of DataParallel


def _weights(
    path: Path, state: Mapping[str, Tensor], names: Mapping[str, str], network: torch.nn.Module
) -> Weights:
    """Return the tensors of a file by our names.

    Raises:
        ValueError: If one is missing, of another shape, or not finite.
    """
    expected = network.state_dict()
    _check_shapes(path, state, {name: expected[own] for name, own in names.items()})
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(
                f"{path}: {name} holds NaN or infinity; its training diverged, so nothing is of it"
            )
    own = {ours: state[name].to(expected[ours].dtype) for name, ours in names.items()}
    parameters, buffers = network.named_parameters(), network.named_buffers()
    return Weights({name: own[name] for name, _ in parameters}, {name: own[name] for name, _ in buffers})


def _mask(path: Path, names: Mapping[str, str], network: torch.nn.Module) -> Mask:
    """Return which weights are kept, in the order of the network.

    Raises:
        ValueError: If it is not of every layer, or holds anything but zeros and ones.
    """
    kept, expected = _read(path), network.state_dict()
    prunable = prunable_names(network)
    theirs = {own: name for name, own in names.items() if own in prunable}
    _check_shapes(path, kept, {name: expected[own] for own, name in theirs.items()})
    for name, tensor in kept.items():
        if not bool(((tensor == 0) | (tensor == 1)).all()):
            raise InputError(f"{path}: {name} holds more than zeros and ones; it is damaged, or no mask")
    return Mask({own: kept[theirs[own]].bool() for own in prunable})


def _check_shapes(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    shapes, wanted = ({n: tuple(t.shape) for n, t in each.items()} for each in (found, expected))
    if shapes != wanted:
        odd = min(name for name in shapes.keys() | wanted.keys() if shapes.get(name) != wanted.get(name))
        raise InputError(
            f"{path}: tensor {odd} has shape {shapes.get(odd)}, and the network of this level "
            f"{wanted.get(odd)}; the files of the folder are not of one network"
        )


def _log(path: Path) -> dict[str, dict[int, float]]:
    """Return by metric its value at every iteration; nothing where nothing was logged.

    Raises:
        ValueError: If a line is of another form.
    """
    by_metric: dict[str, dict[int, float]] = {}
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read ({error}); it is damaged") from error
    for line in filter(str.strip, lines):
        try:
            name, iteration, value = line.split(",")
            by_metric.setdefault(name, {})[int(iteration)] = float(value)
        except ValueError:
            raise InputError(f"{path} says {line[:60]!r}; expected metric,iteration,value") from None
    return by_metric


def _iterations_per_epoch(log: Mapping[str, Mapping[int, float]], end: _Step) -> int:
    """Return how many steps an epoch has, as the last line of the log says; one where it does not."""
    last = max((max(values) for values in log.values()), default=0)
    whole, rest = divmod(last - end.iteration, end.epoch) if end.epoch else (0, 1)
    return whole if rest == 0 and whole > 0 else max(1, end.iteration)


def _history(
    log: Mapping[str, Mapping[int, float]], per_epoch: int, start: _Step, end: _Step
) -> tuple[EpochRecord, ...]:
    """Return what was logged at the end of every epoch after the start, and at the end."""
    first, last = start.of(per_epoch), end.of(per_epoch)
    steps = sorted({step for values in log.values() for step in values})
    return tuple(
        EpochRecord(max(1, step // per_epoch), _evaluation(log, "train", step), _evaluation(log, "test", step))
        for step in steps
        if first < step <= last and (step % per_epoch == 0 or step == last)
    )


def _evaluation(log: Mapping[str, Mapping[int, float]], split: str, step: int) -> Evaluation:
    loss, accuracy = (log.get(f"{split}_{what}", {}).get(step, math.nan) for what in ("loss", "accuracy"))
    return Evaluation(loss, accuracy)


def _setting(folder: Path, spec: NetworkSpec, end: _Step) -> Setting:
    """Return open_lth's default for the network, changed by what `hparams.log` says where it is there."""
    preset = preset_for(spec.name)
    found, unknown = ours(_hparams(folder.parent.with_name("level_0") / folder.name / "hparams.log"))
    if unknown:
        warnings.warn(
            f"lth has no parameter for {', '.join(unknown)} of open_lth; solution.setting does not say so",
            stacklevel=4,
        )
    length = {"epochs": str(end.epoch)} if end.epoch and not end.iteration else {}
    return resolve(preset, {**length, **found, "network": spec.name})


def _hparams(path: Path) -> dict[str, str]:
    """Return the flags that a level 0 says; what it says of pretraining alone is how far was rewound."""
    flags: dict[str, str] = {}
    is_pretraining = False
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        match = _HPARAM.fullmatch(line)
        if match is None:
            is_pretraining = line.startswith("Pretraining")
        elif not is_pretraining:
            flags[match[1]] = match[2]
        elif match[1] == "training_steps":
            flags["rewinding_steps"] = match[2]
    return flags


def _level(folder: Path, mask: Mask) -> int:
    for part in (folder.name, folder.parent.name):
        if match := _LEVEL.fullmatch(part):
            return int(match[1])
    if mask.density == 1:
        return 0
    raise InputError(f"{folder} does not say which level it is, as …/level_3/main does; give level=3")


def _normalisation(spec: NetworkSpec) -> Normalisation | None:
    if not spec.is_of_images or spec.shapes[0][0] not in (1, 3):
        return None
    mean, std = _GREY if spec.shapes[0][0] == 1 else _COLOURED
    return Normalisation(*(_PIXEL * torch.tensor(values).reshape(-1, 1, 1) for values in (mean, std)))


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
