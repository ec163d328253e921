"""From a place in the study (kind, level) to a trained solution; nothing is tracked here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from lth.brief import brief
from lth.data import ImageData, TensorData, TrainingData, prepare
from lth.data.augment import check_augmentation
from lth.data.tensors import spec_of
from lth.errors import InputError
from lth.network import build_network
from lth.network.layer_groups import layer_groups
from lth.network.mask import Mask
from lth.network.parts import coordinates_to_name
from lth.network.prune import survivors
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.computing import Computing
from lth.plan.former_keys import counts
from lth.plan.jobs import study_jobs
from lth.plan.keys import TaskKeys, results_of
from lth.plan.place import Beside, Copy, DenseState, Kind, OtherDense, Place
from lth.setting.own_code import OwnCode, file_digest, own_code
from lth.setting.reference import is_foreign, is_reference
from lth.setting.setting import Setting
from lth.setting.terms import Terms
from lth.solution.recipe import Ingredients, Start, start_dense, start_sparse
from lth.solution.recipe.beside import noise_seed, start_copy, start_other, start_state
from lth.solution.recipe.own import check_named
from lth.solution.recipe.permuted import check_permutable
from lth.solution.recipe.synflow import check_inputs
from lth.solution.solution import Solution
from lth.training.compilation import is_compiled
from lth.training.determinism import fix_workspaces
from lth.training.last_batch import check_last_batch
from lth.training.objective import Objective, objective_of
from lth.training.precision import training_format
from lth.training.schedule import Schedule, resolve_schedule, rewind_iteration
from lth.training.threads import threads_for
from lth.training.train import EpochRecord, Keeper, Procedure, Progress, TrainingState, train


@dataclass(frozen=True)
class Problem:
    """A setting made concrete: network, data on the device, schedule and keys that fit together."""

    setting: Setting
    images: ImageData | TensorData
    data: TrainingData
    network: nn.Module  # at its initialisation w0, on the CPU
    schedule: Schedule
    keys: TaskKeys
    others: tuple[torch.device, ...] = ()  # devices that share the examples of a curvature with the data's
    code: OwnCode | None = None  # what the user's own network is made of, as it was when it was built

    __repr__ = brief

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """Where curvature is computed, the device of the data first."""
        return (self.data.train.labels.device, *self.others)

    @property
    def dense(self) -> Mask:
        """m(0), which keeps all that can be pruned."""
        return Mask.dense(self.network, self.setting.pruning.prune_layers)

    @property
    def objective(self) -> Objective:
        """The loss that is trained on and measured in, and the metric beside it."""
        return objective_of(self.setting.training)

    @property
    def metric(self) -> str:
        """The metric beside the loss, once `auto` is resolved by the targets."""
        return self.objective.metric_of(self.data.train.labels)

    @property
    def terms(self) -> Terms:
        """How loss and metric are called, and in which units."""
        return Terms(self.setting.training.loss, self.metric, self.data.test.labels.ndim == 1)

    @property
    def measuring_threads(self) -> int:
        """How many threads a measurement takes on a CPU."""
        return threads_for(self.network, self.data.train)


def set_up(
    setting: Setting,
    images: ImageData | TensorData,
    device: torch.device,
    given: Solution | None = None,
    others: Sequence[torch.device] = (),
    *,
    given_computed_by: Sequence[str | None] = (),
) -> Problem:
    """Check that everything fits together, before any long work.

    Args:
        setting: What to train.
        images: The whole data set.
        device: Where to put the examples, and so where everything is computed.
        given: A solution of another study whose lineage replaces the levels up to its own.
        others: Further devices, for curvature.
        given_computed_by: The tag `lth.computed_by` of the runs of w(0), w(1), … to `given`, where it is known.

    Raises:
        ValueError: If network, data, amounts of examples, schedule and `given` do not fit.
    """
    spec = spec_of(setting.network, images)
    if given is not None and (given.spec, given.data_digest) != (spec, images.digest):
        raise InputError(
            f"from_run holds {given.spec.name} for data {given.data_digest[:12]}, but this is {spec.name} for "
            f"data {images.digest[:12]}; name a run of the same network and data set"
        )
    if given is not None and given.kind != "imp":
        raise InputError(f"from_run is a {given.kind} solution; levels are pruned from levels (or dense)")
    fix_workspaces([device, *others])
    objective_of(setting.training).check(images.train_labels)
    data = prepare(images, setting.data.train_examples, setting.seed, device)
    check_augmentation(data.train, setting.data.augmentation)
    study_jobs(setting.pruning.levels, setting.analysis)  # names only solutions that there are
    recorded = setting.training.epoch_examples
    try:
        recorded.of(len(data.train))
    except ValueError as error:
        raise InputError(f"epoch_examples={recorded}: {error}") from error
    schedule = resolve_schedule(setting.training, len(data.train))
    if given is not None and given.rewind.step != rewind_iteration(setting.training, schedule):
        raise InputError(
            f"rewind_step={setting.training.rewind_step}, but from_run rewinds to step {given.rewind.step}; "
            f"leave it out, or write {given.rewind.step}"
        )
    own = is_reference(spec.name)
    if own:
        own_code(spec.name)  # loads again what has changed, and refuses what has no source
    network = build_network(spec, setting.seed)
    check_last_batch(network, data.train, schedule.batch_size)
    code = own_code(spec.name) if own else None  # with what only building it has loaded
    keys = TaskKeys(
        setting,
        spec,
        images.digest,
        _computing(setting, device, schedule),
        codes=_own_codes(setting),
        network_code=None if code is None else code.digest,
        former_network_code=None if code is None else file_digest(spec.name),
        coordinates=coordinates_to_name(network) if is_foreign(spec.name) else None,
    )
    selection = setting.pruning.prune_layers
    _check_same_coordinates(given, Mask.dense(network, selection))
    inherited = (*given.ancestors, given.key) if given is not None else ()
    if not _is_own(inherited, keys, given_computed_by):
        keys = replace(keys, given=inherited)
    return Problem(
        setting=setting,
        images=images,
        data=data,
        network=network,
        schedule=schedule,
        keys=keys,
        others=tuple(others),
        code=code,
    )


def _own_codes(setting: Setting) -> dict[str, str]:
    """Return a digest of the code of every function of the user's that decides a training, by the parameter."""
    named = {name: getattr(setting.training, name) for name in ("optimizer", "loss", "metric")}
    named["own_method"] = setting.analysis.own_method
    return {what: own_code(name).digest for what, name in named.items() if is_reference(name)}


def _check_same_coordinates(given: Solution | None, dense: Mask) -> None:
    """Check that a lineage of elsewhere was pruned and moved in the parameters that the network has for it."""
    if given is None:
        return
    if (list(given.mask.keep), given.mask.frozen) != (list(dense.keep), dense.frozen):
        odd = min((given.mask.keep.keys() ^ dense.keep.keys()) | (given.mask.frozen ^ dense.frozen))
        raise InputError(
            f"from_run was trained with another choice of what is prunable and frozen ({odd}); train it again"
        )


def _computing(setting: Setting, device: torch.device, schedule: Schedule) -> Computing:
    """Return what every training of a study computes in, by its full schedule."""
    training = setting.training
    return Computing(
        training_format(training.precision, device),
        is_compiled(training.compile, device, schedule.num_iterations),
    )


def _is_own(lineage: tuple[str, ...], keys: TaskKeys, computed_by: Sequence[str | None]) -> bool:
    """Return whether w(0), w(1), … of these keys, of this version or the former, are the study's own.

    A former key says `auto` where the format was left open; then each tag must say that it was that of now.
    """
    levels = [Place.imp(level) for level in range(len(lineage))]
    if lineage == tuple(map(keys.solution, levels)):
        return True
    former = keys.former
    if former is None or lineage != tuple(map(former.solution, levels)):
        return False
    if keys.setting.training.precision != "auto" and not any(computed_by):
        return True
    return len(computed_by) == len(lineage) and all(counts(tag, keys.computing) for tag in computed_by)


def check_level(problem: Problem, level: int, k: int = 0) -> None:
    """Check that a level can be pruned, and its space holds `k` eigenvalues, before anything is trained for it.

    Raises:
        ValueError: If a level up to it would keep no weight, or its space has fewer than k dimensions.
    """
    if problem.keys.given:
        return  # a lineage of another setting: its masks tell, once they are loaded
    mask, fraction = problem.dense, problem.setting.pruning.prune_fraction
    kept = sum(survivors(size, fraction, level) for size in _pruned_apart(problem))
    if level > 0 and kept == sum(survivors(size, fraction, level - 1) for size in _pruned_apart(problem)):
        raise InputError(
            f"prune_fraction={fraction} prunes none of the {kept} weights left at level {level}; "
            "raise it, or lower level"
        )
    never_pruned = LevelSpace(mask, Weights.of(problem.network)).dimension - mask.num_prunable
    if k > kept + never_pruned:
        raise InputError(
            f"k={k} exceeds the {kept + never_pruned} dimensions of level {level}; lower k or level"
        )


def check_kind(problem: Problem, kind: Kind) -> None:
    """Check that a way to a sparse network can be gone with this data and setting, before anything is trained.

    Raises:
        ValueError: If it can't.
    """
    if kind == "synflow":
        check_inputs(problem.data.train)
    if kind == "own_method":
        check_named(problem.setting)
    if kind == "permuted":
        check_permutable(problem.network, problem.data.train, problem.dense)


def check_next_larger(problem: Problem, last: int) -> None:
    """Check that the next-larger band can be pruned at every level, before anything is trained for it.

    Raises:
        ValueError: If a level keeps fewer weights than twice what is pruned of them.
    """
    fraction = problem.setting.pruning.prune_fraction
    for kept in _pruned_apart(problem):
        for level in range(1, last + 1):
            after = survivors(kept, fraction, 1)
            if 2 * (kept - after) > kept:
                raise InputError(
                    f"prune_fraction={fraction} prunes {kept - after} of {kept} weights at level {level}, and "
                    "the next-larger band needs as many again; choose at most 0.5"
                )
            kept = after


def _pruned_apart(problem: Problem) -> list[int]:
    """Return how many weights there are of which a share is pruned: all, or those of every layer."""
    if problem.setting.pruning.scope == "layer":
        return [kept.numel() for kept in problem.dense.keep.values()]
    return [problem.dense.num_prunable]


def check_measurable(problem: Problem) -> None:
    """Check that there are as many examples as are to be measured on, before anything is trained for it.

    Raises:
        ValueError: If there are fewer.
    """
    amount = problem.setting.analysis.hessian_examples
    try:
        count = amount.of(len(problem.data.train))
    except ValueError as error:
        raise InputError(f"hessian_examples={amount}: {error}") from error
    if (parts := 2**problem.setting.analysis.halvings) > count:
        raise InputError(
            f"halvings={problem.setting.analysis.halvings} makes {parts} parts of {count} examples; lower "
            "it, or raise hessian_examples"
        )


def check_layers(problem: Problem) -> None:
    """Check that the network has the layers that are named to be measured, before anything is done for it.

    Raises:
        ValueError: If a name is of none.
    """
    dense = problem.dense
    layer_groups(problem.network, problem.setting.analysis.layers, dense.keep, dense.frozen)


def check_paths_kept(problem: Problem) -> None:
    """Check that trainings keep the weights on their way that measuring follows, before any is done for it.

    Raises:
        ValueError: If they keep none.
    """
    setting = problem.setting
    if setting.training.trajectory != "none":
        return
    if "path" in setting.analysis.beyond:
        raise InputError(
            "beyond=path draws the ways of trainings, and trajectory=none keeps none of their weights; set "
            "trajectory=log or every, or leave path out"
        )
    if setting.analysis.matched_loss == "on":
        raise InputError(
            "matched_loss=on goes back along trainings, and trajectory=none keeps none of their weights; "
            "set trajectory=log or every, or matched_loss=off"
        )


def plan(
    problem: Problem,
    place: Place,
    previous: Solution | None,
    dense: Solution | None,
    other: Solution | None = None,
) -> Start:
    """Return mask, start and schedule of a solution.

    From level 1 on w(L-1) is needed, w(0) and a dense network from another initialisation by some.
    """
    setting = problem.keys.resolved.deciding(*results_of(place, problem.setting.pruning.rewind))
    if place.level == 0:
        return start_dense(problem.network, setting, len(problem.data.train))
    if previous is None:
        raise InputError(f"{place.name} starts from w({place.level - 1}); give it")
    given = Ingredients(
        setting, problem.schedule, place.level, previous, dense, problem.network, problem.data.train, other
    )
    return start_sparse(place.kind, given)


def plan_beside(
    problem: Problem, place: Beside, reached: TrainingState | None, previous: Solution | None
) -> Start:
    """Return mask, start and schedule of a training beside the study's.

    Args:
        problem: The study's.
        place: Of the training.
        reached: The latest state of the dense training that it starts from; None for the initialisation.
        previous: w(L-1), whose smallest weights m(L) leaves out; of the dense network None.
    """
    setting = problem.keys.resolved.deciding("solutions", "sparse")
    dense = start_dense(problem.network, setting, len(problem.data.train))
    if isinstance(place, DenseState):
        return start_state(place, dense, reached)
    if isinstance(place, OtherDense):
        return start_other(dense, problem.keys.spec, setting.seed)
    mask = dense.mask
    if previous is not None:
        mask = Ingredients(setting, problem.schedule, place.level, previous).mask
    return start_copy(mask, dense.state if reached is None else reached, problem.schedule)


def procedure(problem: Problem, place: Place | None = None) -> Procedure:
    """Return how a study trains on the device of the examples; some have SGD noise of their own."""
    setting, computing = problem.keys.resolved.deciding("solutions"), problem.keys.computing
    return Procedure(
        augmentation=setting.data.augmentation,
        precision=computing.precision,
        seed=noise_seed(setting.seed, place) if isinstance(place, Copy | OtherDense) else setting.seed,
        compiled=computing.compiled,
        epoch_examples=setting.training.epoch_examples,
        objective=objective_of(setting.training),
    )


def check_end(start: Start, mask: Mask, place: Place) -> None:
    """Check that a mask that moved ended with as many weights as it was to.

    Raises:
        ValueError: If it did not.
    """
    if mask.num_kept != start.num_kept:
        raise InputError(
            f"the mask of {place.name} moved to {mask.num_kept} weights, and was to end with {start.num_kept}; "
            "prune it to that by the last step, as with given.pruned_by_size(now.weights, now.mask)"
        )


def solve(
    problem: Problem,
    place: Place,
    start: Start,
    previous: Solution | None = None,
    *,
    resumed: Progress | None = None,
    keeper: Keeper | None = None,
    on_epoch: Callable[[EpochRecord, Weights], None] | None = None,
) -> Solution:
    """Train from `start`, or on from `resumed`, to the solution of `place`; see `train`.

    Raises:
        TrainingDivergedError: If a loss becomes NaN or infinite.
    """
    result = train(
        problem.network,
        start.state,
        start.mask,
        problem.data,
        start.schedule,
        procedure(problem, place),
        movement=start.movement,
        capture_at=start.capture_at,
        until=start.until,
        resumed=resumed,
        keeper=keeper,
        on_epoch=on_epoch,
        label=place.name,
    )
    rewind = result.captured if previous is None else previous.rewind
    assert rewind is not None, "the dense training passes the rewind step: resolve_schedule checked it"
    check_end(start, result.mask, place)
    return Solution(
        place=place,
        spec=problem.keys.spec,
        setting=problem.setting,
        mask=result.mask,
        initial=start.state.weights,
        rewind=rewind,
        final=result.final,
        history=result.history,
        data_digest=problem.images.digest,
        key=problem.keys.solution(place),
        ancestors=problem.keys.ancestors(place.level),
        normalisation=problem.data.train.normalisation,
        mask_moved=start.movement is not None,
    )
