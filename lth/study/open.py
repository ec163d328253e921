"""A study opened from what a user writes: parameters in words, a tracking store, and where to compute."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch

from lth.data import ImageData, TensorData, load_images
from lth.data.description import headline, particulars
from lth.data.source import is_public
from lth.errors import InputError
from lth.network.parts import described as parts_described
from lth.setting.choice import value_hint
from lth.setting.misspelt import check_known
from lth.setting.numeral import parse_number
from lth.setting.own_code import described
from lth.setting.parameter import BY_NAME
from lth.setting.preset import DEFAULT_PRESET, resolve
from lth.setting.seeds import parse_seeds
from lth.setting.setting import Setting, with_overrides
from lth.solution.problem import set_up
from lth.solution.solution import Solution
from lth.study.record.load import load_solution, solution_run
from lth.study.replication import Replication
from lth.study.study import KEEP_EVERY, Study
from lth.study.unsent import UNSENT
from lth.tracking.client import PATIENCE, set_request_defaults
from lth.tracking.store import COMPUTED_BY, Store, is_finished

_DIGITS_SHOWN = 12  # of a digest
ANY_LEVEL = -1  # of `from_run`


@dataclass(frozen=True)
class Opening:
    """What a user says of a study, in plain values that any process can open it from.

    Args:
        preset: What the parameters are changed from; by default, that of `from_run`, or `digits`.
        parameters: Of the setting, by name.
        data_dir: Where the data set's files are.
        device: `auto`, `cpu`, `cuda`, `cuda:N`, or several.
        from_run: The run of the level before, instead of this study's own.
        keep_every: Seconds between two times that a task keeps its progress, at the least.
        patience: Seconds to wait for a store that does not answer.
        unsent: Where finished results are kept that can't be logged.
    """

    preset: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    data_dir: str | None = None
    device: str = "auto"
    from_run: str | None = None
    keep_every: float = KEEP_EVERY
    patience: float = PATIENCE
    unsent: str = str(UNSENT)

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Opening:
        """Read what was given by name; whatever is not a field of an opening is a parameter of the setting.

        Raises:
            ValueError: If a parameter is unknown, or a value can't be read, is out of range or not here.
        """
        written = {name: _written(value) for name, value in given.items() if value is not None}
        own = [field.name for field in fields(cls) if field.name != "parameters"]
        check_known(written, [*BY_NAME, *own])
        opening = cls(
            preset=written.pop("preset", None),
            data_dir=written.pop("data_dir", None),
            device=written.pop("device", "auto"),
            from_run=written.pop("from_run", None),
            keep_every=_seconds("keep_every", written.pop("keep_every", str(KEEP_EVERY)), KEEP_EVERY),
            patience=_seconds("patience", written.pop("patience", str(PATIENCE)), PATIENCE),
            unsent=_folder("unsent", written.pop("unsent", str(UNSENT))),
            parameters=written,
        )
        opening.setting()
        parse_devices(opening.device)
        return opening

    def setting(self) -> Setting:
        """Return what the parameters say, apart from those of `from_run`."""
        return resolve(DEFAULT_PRESET if self.preset is None else self.preset, self.parameters)

    def with_seed(self, seed: str) -> Opening:
        """Return the same under another seed."""
        return replace(self, parameters={**self.parameters, "seed": seed})


def build_study(
    opening: Opening,
    store: Store,
    say: Callable[[str], None],
    *,
    level_of_from_run: int | None = None,
    sibling: Study | None = None,
    describe: bool = True,
) -> Study:
    """Return the study of an opening.

    Args:
        opening: What the user said.
        store: Where it is tracked.
        say: Tells the user.
        level_of_from_run: The level that `from_run` must hold; None where it can't be given.
        sibling: Lends its data set.
        describe: Whether data and network are told of.

    Raises:
        ValueError: If a parameter is unknown, unreadable or out of range, or they do not fit together.
    """
    setting = opening.setting()
    device, *others = parse_devices(opening.device)
    parent: Solution | None = None
    computed_by: tuple[str | None, ...] = ()
    if opening.from_run is not None:
        parent = _load_parent(store, opening.from_run, level_of_from_run)
        computed_by = _computed_by(store, parent, opening.from_run)
        if opening.preset is None:
            setting = with_overrides(parent.setting, opening.parameters)
    images = sibling.problem.images if sibling is not None else None
    if images is None:
        width_height = setting.data.image_size
        size = (width_height[0], width_height[1]) if width_height else None
        images = load_images(setting.data.dataset, _data_dir(opening), size)
        if describe:
            _tell_data(images, setting.data.dataset, say)
    problem = set_up(setting, images, device, parent, others, given_computed_by=computed_by)
    if sibling is None and describe:
        if problem.code is not None:
            say(f"network {setting.network}: {described(problem.code)}")
        say(parts_described(problem.network, setting.pruning.prune_layers))
    pinned = {} if parent is None else {problem.keys.solution(parent.place): opening.from_run or ""}
    return Study(problem, store, say, pinned, opening.keep_every, Path(opening.unsent))


def build_replication(
    opening: Opening,
    seeds: Sequence[str],
    store: Store,
    say: Callable[[str], None],
    *,
    sibling: Study | None = None,
) -> Replication:
    """Return the same study under several seeds; without any, under that of the opening.

    Args:
        opening: What the user said.
        seeds: In writing.
        store: Where it is tracked.
        say: Tells the user.
        sibling: Of the same data set, which it lends.
    """
    studies: list[Study] = []
    for each in [opening.with_seed(seed) for seed in seeds] or [opening]:
        lender = studies[0] if studies else sibling
        studies.append(build_study(each, store, say, sibling=lender))
    opened = {
        "opening": {**asdict(opening), "parameters": dict(opening.parameters)},
        "seeds": list(seeds),
        "tracking": store.address,
        "experiment": store.experiment_name,
        "threads": torch.get_num_threads(),
    }
    return Replication(studies, say, opened)


def open_study(
    preset: str | None = None,
    *,
    seeds: str | Sequence[int] | None = None,
    say: Callable[[str], None] = print,
    **given: object,
) -> Study | Replication:
    """Open a study on the tracking store that MLflow is configured for; see `lth.open_study`."""
    set_request_defaults()
    opening = Opening.read({"preset": preset, **given})
    several = None if seeds is None else parse_seeds(seeds)
    if several is not None and any(given.get(name) is not None for name in ("seed", "from_run")):
        raise InputError("seeds goes with neither seed nor from_run; leave one of them out")
    store = Store(opening.patience, say, adopts=False)
    store.close_dead()
    if several is not None:
        return build_replication(opening, several, store, say)
    return build_study(opening, store, say, level_of_from_run=ANY_LEVEL)


def parse_devices(names: str) -> list[torch.device]:
    """Read `auto`, `cpu`, `cuda:1`, or several of them.

    Raises:
        ValueError: If one is unknown, not here, or named twice.
    """
    devices = [_device(name.strip()) for name in names.split(",")]
    if len({(device.type, device.index or 0) for device in devices}) < len(devices):
        raise InputError(f"device={names!r} names one device twice; name each once")
    return devices


def _device(name: str) -> torch.device:
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    except RuntimeError:
        hint = value_hint(name, ["auto", "cpu", "cuda"], "device")
        raise InputError(f"device={name!r} is unknown; choose auto, cpu, cuda or cuda:N{hint}") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device={name!r} is not supported (float64 is needed); choose cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device={name!r}: {torch.cuda.device_count()} CUDA devices are here; choose cpu or auto"
        )
    return device


def _tell_data(images: ImageData | TensorData, dataset: str, say: Callable[[str], None]) -> None:
    """Say what was read, and of a data set of the user's own what was not, too."""
    say(f"data {images.name}: {headline(images)}, digest {images.digest[:_DIGITS_SHOWN]}")
    if not is_public(dataset):
        for line in particulars(images):
            say(f"  {line}")


def _data_dir(opening: Opening) -> Path | None:
    if opening.data_dir == "":
        raise InputError("data_dir='' names no directory; write . for this one, or leave it out")
    return Path(opening.data_dir) if opening.data_dir is not None else None


def _computed_by(store: Store, parent: Solution, run_id: str) -> tuple[str | None, ...]:
    """Return what computed w(0), w(1), … to a solution, as their runs say; None where there is none."""
    before = [next(filter(is_finished, store.of_key(key)), None) for key in parent.ancestors]
    tags = [None if run is None else run.data.tags.get(COMPUTED_BY) for run in before]
    return (*tags, solution_run(store, run_id).data.tags.get(COMPUTED_BY))


def _load_parent(store: Store, run_id: str, level: int | None) -> Solution:
    if level is None:
        raise InputError("from_run has no meaning here; leave it out")
    parent = load_solution(store, run_id)
    if level not in (ANY_LEVEL, parent.level):
        raise InputError(f"from_run={run_id} holds {parent.name}; a run of level {level} is needed")
    return parent


def _written(value: object) -> str:
    """Return a value as it is typed on a command line."""
    return ",".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _seconds(name: str, written: str, default: float) -> float:
    try:
        seconds = parse_number(written)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InputError(f"{name}={written!r} is not a number of seconds; write {default:.0f}")
    return seconds


def _folder(name: str, written: str) -> str:
    folder = Path(written).expanduser()
    if not written.strip():
        raise InputError(f"{name}={written!r} names no folder; leave it out for ./{UNSENT}")
    first = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not first.is_dir():
        raise InputError(
            f"{name}={written!r}: {first} is a file; name a folder, which is made when it is needed"
        )
    return str(folder)
