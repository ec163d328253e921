"""What public implementations of pruning methods make of the network, weights and batch that ours are given."""

from __future__ import annotations

import argparse
import ast
import copy
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from lth.data.source import load_images
from lth.network.mask import Mask
from lth.network.prune import prune_lowest
from lth.network.weights import Weights
from lth.plan.place import Kind, Place
from lth.setting.preset import PRESETS
from lth.setting.setting import with_overrides
from lth.solution.problem import Problem, set_up
from lth.solution.recipe import Ingredients, start_sparse
from lth.solution.recipe.ac_dc import phases as our_phases
from lth.solution.recipe.erk import erk_mask
from lth.solution.recipe.gradual import sparsity_share
from lth.solution.recipe.grasp import preservations
from lth.solution.recipe.rigl import interval
from lth.solution.recipe.score import Untrained, untrained
from lth.solution.recipe.snip import sensitivities
from lth.solution.recipe.sparse_evolution import nearest_gone
from lth.solution.recipe.synflow import flow_scores
from lth.solution.solution import Solution
from lth.training.moving import Moved, Now
from lth.training.train import TrainingState

Scores = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """What both keep of a layer."""

    size: int
    ours: int
    theirs: int
    both: int
    difference: float | None = None  # largest, of scores, as a share of the largest score of the network

    @property
    def shared(self) -> float:
        """Share of what the one that keeps more keeps, that both do."""
        most = max(self.ours, self.theirs)
        return self.both / most if most else 1.0


@dataclass(frozen=True)
class Compared:
    """How far a method of ours is from a peer's."""

    layers: Mapping[str, Layer]
    note: str = ""

    @classmethod
    def of(
        cls, ours: Mask, theirs: Mask, scores: tuple[Scores, Scores] | None = None, note: str = ""
    ) -> Compared:
        """Compare masks, and scores if there are any, each by the sum of its magnitudes."""
        differences = {} if scores is None else _differences(*scores)
        layers = {}
        for name, kept in ours.keep.items():
            other = theirs.keep[name]
            both = int((kept & other).sum())
            layers[name] = Layer(kept.numel(), int(kept.sum()), int(other.sum()), both, differences.get(name))
        return cls(layers, note)

    def cells(self) -> tuple[str, ...]:
        """Return what is said of the whole network, and of the layer where least agrees."""
        ours, theirs, both = (sum(getattr(layer, what) for layer in self.layers.values()) for what in _COUNTS)
        shares = {name: each.shared for name, each in self.layers.items()}
        worst = min(shares, key=lambda name: shares[name])
        known = [each.difference for each in self.layers.values() if each.difference is not None]
        kept = f"{ours}" if ours == theirs else f"{ours} / {theirs}"
        apart = f"{max(known):.1g}" if known else ""
        return kept, f"{both / max(ours, theirs):.2%}", f"{shares[worst]:.2%} {worst}", apart, self.note

    def as_json(self) -> dict[str, Any]:
        """Return it for the file of results."""
        return {"note": self.note, "layers": {name: vars(layer) for name, layer in self.layers.items()}}


_COUNTS = ("ours", "theirs", "both")
_ROUNDS = 100  # of SynFlow


def _differences(ours: Scores, theirs: Scores) -> dict[str, float]:
    scaled = []
    for scores in (ours, theirs):
        total = sum(float(score.double().abs().sum()) for score in scores.values())
        scaled.append({name: score.double() / total for name, score in scores.items()})
    largest = max(float(score.abs().max()) for score in scaled[0].values())
    return {name: float((scaled[0][name] - scaled[1][name]).abs().max()) / largest for name in ours}


@dataclass(frozen=True)
class Case:
    """A network at its initialisation, of which a share is to be kept."""

    problem: Problem
    given: Ingredients

    @classmethod
    def of(cls, network: str, density: float) -> Case:
        """Return the first level of a study of the digits that prunes to the density at once."""
        setting = with_overrides(
            PRESETS["digits"], {"network": network, "prune_fraction": 1 - density, "levels": 1}
        )
        problem = set_up(setting, load_images("digits"), torch.device("cpu"))
        start = Weights.of(problem.network)
        dense = Solution(
            place=Place.imp(0),
            spec=problem.keys.spec,
            setting=setting,
            mask=problem.dense,
            initial=start,
            rewind=TrainingState(start, {}, 0),
            final=start,
            history=(),
            data_digest="",
            key="",
        )
        given = Ingredients(
            setting, problem.schedule, 1, dense, dense, copy.deepcopy(problem.network), problem.data.train
        )
        return cls(problem, given)

    def mask(self, kind: Kind) -> Mask:
        """Return the mask of a method of ours."""
        return start_sparse(kind, self.given).mask

    @property
    def density(self) -> float:
        """Share of the weights that is kept."""
        return self.given.num_kept / self.problem.dense.num_prunable

    def drawn(self, mask: Mask, seed: int) -> dict[str, Tensor]:
        """Return standard normal values of every prunable layer, zero where pruned."""
        stream = torch.Generator().manual_seed(seed)
        return {
            name: mask.apply_to(name, torch.randn(kept.shape, generator=stream))
            for name, kept in mask.keep.items()
        }


@contextmanager
def _imported_from(path: Path) -> Iterator[None]:
    """Let a peer be imported from its checkout; its modules are forgotten behind it."""
    before = set(sys.modules)
    sys.path.insert(0, str(path))
    try:
        yield
    finally:
        sys.path.remove(str(path))
        for name in set(sys.modules) - before:
            if str(path) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def magnitude(path: Path, case: Case) -> dict[str, Compared]:
    """Synaptic-Flow's `Mag`: the smallest weights of the initialisation."""
    theirs, _ = _synaptic_flow(path, case, "Mag", None, train=False)
    return {"magnitude_at_init": Compared.of(case.mask("magnitude_at_init"), theirs)}


def snip(path: Path, case: Case) -> dict[str, Compared]:
    """Synaptic-Flow's `SNIP`, with BatchNorm as in training, and as it comes, in evaluation mode."""
    found = {}
    with untrained(case.given, "snip") as at_start:
        ours = sensitivities(at_start, case.problem.dense)
        for train, note in ((True, "BatchNorm in training"), (False, "as it comes: BatchNorm in evaluation")):
            theirs, scores = _synaptic_flow(path, case, "SNIP", at_start, train=train)
            name = "snip" if train else "snip, in evaluation mode"
            found[name] = Compared.of(case.mask("snip"), theirs, (ours, scores), note)
    return found


def grasp(path: Path, case: Case) -> dict[str, Compared]:
    """Synaptic-Flow's `GraSP` with logits as they are, and as it comes: over 200, and in evaluation mode."""
    found = {}
    variants = {
        "grasp": (1, True, "logits as they are"),
        "grasp, logits / 200": (200, True, "T = 200, BatchNorm in training"),
        "grasp, logits / 200, in evaluation mode": (200, False, "as it comes"),
    }
    with untrained(case.given, "grasp") as at_start:
        ours = preservations(at_start, case.problem.dense)
        for name, (temperature, train, note) in variants.items():
            theirs, scores = _synaptic_flow(path, case, "GraSP", at_start, train=train, temp=temperature)
            found[name] = Compared.of(case.mask("grasp"), theirs, (ours, scores), note)
    return found


def synflow(path: Path, case: Case) -> dict[str, Compared]:
    """Synaptic-Flow's `SynFlow` in 100 rounds, of which ours rounds the counts as it does; and as it comes."""
    found, ours = {}, _our_synflow(case)
    variants = {
        "synflow": (torch.float64, ours, "in float64, counts rounded alike"),
        "synflow, in float32": (torch.float32, case.mask("synflow"), "as it comes: counts rounded otherwise"),
    }
    for name, (dtype, mask, note) in variants.items():
        torch.set_default_dtype(dtype)
        try:
            theirs, _ = _synaptic_flow(path, case, "SynFlow", None, train=False, rounds=_ROUNDS)
        finally:
            torch.set_default_dtype(torch.float32)
        found[name] = Compared.of(mask, theirs, None, note)
    return found


def _our_synflow(case: Case) -> Mask:
    """Return the mask of SynFlow by our scores, with as many weights after each round as the peer's."""
    network = copy.deepcopy(case.problem.network).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    ones = torch.ones(1, *case.problem.keys.spec.given_shape, dtype=torch.float64)
    mask, total = case.problem.dense, case.problem.dense.num_prunable
    for number in range(1, _ROUNDS + 1):
        left = total - int((1 - case.density ** (number / _ROUNDS)) * total)
        mask = prune_lowest(flow_scores(network, mask, ones), mask, mask.num_kept - left)
    return mask


def _synaptic_flow(
    path: Path,
    case: Case,
    pruner: str,
    at_start: Untrained | None,
    *,
    train: bool,
    rounds: int = 1,
    **settings: object,
) -> tuple[Mask, Scores]:
    """Return the mask and the last scores of a pruner, of our network with their layers for ours."""
    with _imported_from(path):
        from Layers import layers  # type: ignore[import-not-found]
        from prune import prune_loop  # type: ignore[import-not-found]
        from Pruners import pruners  # type: ignore[import-not-found]
        from Utils.generator import masked_parameters  # type: ignore[import-not-found]

        network = _with_layers_of(layers, copy.deepcopy(case.problem.network)).to(torch.get_default_dtype())
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        theirs = getattr(pruners, pruner)(masked_parameters(network))
        for name, value in settings.items():
            setattr(theirs, name, value)
        if at_start is None:
            spec = case.problem.keys.spec
            batch = (torch.zeros(1, *spec.given_shape), torch.zeros(1, dtype=torch.int64))
        else:
            batch = (at_start.inputs, at_start.targets)
        prune_loop(
            network,
            nn.CrossEntropyLoss(),
            theirs,
            [batch],
            torch.device("cpu"),
            case.density,
            "exponential",
            "global",
            rounds,
            train_mode=train,
        )
        kept = {names[id(parameter)]: mask.bool() for mask, parameter in theirs.masked_parameters}
        scores = {names[key]: score for key, score in theirs.scores.items()}
        return Mask({name: kept[name] for name in case.problem.dense.keep}), scores


def _with_layers_of(layers: Any, network: nn.Module) -> nn.Module:
    """Return the network with every convolution and matrix of the class that the peer prunes."""
    for name, child in list(network.named_children()):
        if isinstance(child, nn.Conv2d | nn.Linear):
            other = getattr(layers, type(child).__name__)
            made = copy.deepcopy(child)
            made.__class__ = other
            for part in ("weight", "bias"):
                if getattr(made, part) is not None:
                    made.register_buffer(f"{part}_mask", torch.ones_like(getattr(made, part)))
            if isinstance(child, nn.Conv2d):  # their forward calls with the bias it has masked
                made._conv_forward = nn.Conv2d._conv_forward.__get__(made)  # type: ignore[method-assign]
            setattr(network, name, made)
        else:
            _with_layers_of(layers, child)
    return network


def rigl(path: Path, case: Case) -> dict[str, Compared]:
    """rigl-torch: one move of the mask a third of the way, by drawn weights and gradients."""
    start = start_sparse("rigl", case.given)
    assert start.movement is not None
    last, every = interval(start.schedule.num_iterations)
    step, mask = last // 3 // every * every, start.mask
    weights, gradients = case.drawn(mask, 0), case.drawn(case.problem.dense, 1)
    ours = start.movement.move(Now(step, mask, weights, gradients, {}))
    with _imported_from(path):
        from rigl_torch.RigL import IndexMaskHook, RigLScheduler  # type: ignore[import-not-found]

        network = copy.deepcopy(case.problem.network)
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        theirs = RigLScheduler(
            network, optimizer, dense_allocation=0.5, T_end=last, delta=every, ignore_linear_layers=False
        )
        theirs.step, theirs.S = step, [0.5] * len(theirs.W)
        theirs.backward_masks = [mask.keep[names[id(weight)]].clone() for weight in theirs.W]
        theirs.backward_hook_objects = [IndexMaskHook(index, theirs) for index in range(len(theirs.W))]
        for weight, hook in zip(theirs.W, theirs.backward_hook_objects, strict=True):
            weight.data = weights[names[id(weight)]].clone()
            weight.grad, hook.dense_grad = torch.zeros_like(weight), gradients[names[id(weight)]]
        theirs._rigl_step()
        moved = {names[id(w)]: each for w, each in zip(theirs.W, theirs.backward_masks, strict=True)}
        ended = {names[id(weight)]: weight.data for weight in theirs.W}
    values = _after(ours, mask, weights)
    note = f"at step {step} of {last}; left as they were: {_gone_of(mask, ours.mask):.1%} moved"
    same = Mask({name: moved[name] for name in mask.keep})
    return {"rigl, a move": Compared.of(ours.mask, same, (values, ended), note)}


def _after(moved: Moved, before: Mask, weights: Scores) -> dict[str, Tensor]:
    """Return the weights behind a move of ours: those that come back are zero."""
    return {name: before.apply_to(name, moved.mask.apply_to(name, each)) for name, each in weights.items()}


def _gone_of(before: Mask, after: Mask) -> float:
    return 1 - int((before.flat() & after.flat()).sum()) / before.num_kept


def set_by_its_authors(path: Path, case: Case) -> dict[str, Compared]:
    """SET's own code for layers with masks: what it keeps of a layer, whose convolutions are matrices there."""
    file = path / "SET-MLP-Keras-Weights-Mask" / "set_mlp_keras_cifar10.py"
    functions = _functions_of(file, "find_first_pos", "find_last_pos", "rewireMask")
    mask, weights, ours = _after_death(case)
    kept = {}
    for name, weight in weights.items():
        matrix = weight.flatten(1).double().numpy()
        none_back = functions["rewireMask"](argparse.Namespace(zeta=0.3), matrix, 0)[1]
        kept[name] = torch.from_numpy(none_back != 0).reshape(weight.shape) & mask.keep[name]
    note = "theirs: a fraction of a weight goes too"
    return {"set, what stays": Compared.of(ours, Mask(kept), None, note)}


def _after_death(case: Case) -> tuple[Mask, Scores, Mask]:
    """Return a mask of ERK, drawn weights, and what our SET leaves of it before others come back."""
    mask = erk_mask(case.given)
    weights = case.drawn(mask, 0)
    left = {
        name: nearest_gone(weight, Mask({name: mask.keep[name]}), name).keep[name]
        for name, weight in weights.items()
    }
    return mask, weights, Mask(left)


def set_by_itop(path: Path, case: Case) -> dict[str, Compared]:
    """The death of SET in ITOP: of negative weights it keeps as many as were to go, the most negative."""
    mask, weights, ours = _after_death(case)
    with _imported_from(path):
        from sparselearning.core import Masking  # type: ignore[import-not-found]

        args = argparse.Namespace(fix=False, update_frequency=100)
        theirs = Masking(None, death_rate=0.3, death_mode="SET", growth_mode="random", args=args)
        kept = {}
        for name, weight in weights.items():
            theirs.name2nonzeros[name] = int(mask.keep[name].sum())
            theirs.name2zeros[name] = int((~mask.keep[name]).sum())
            kept[name] = theirs.magnitude_and_negativity_death(mask.keep[name].float(), weight, name)
    note = "theirs: of negative weights as many stay as were to go"
    return {"set, what stays by ITOP": Compared.of(ours, Mask(kept), None, note)}


def erk(path: Path, case: Case) -> dict[str, Compared]:
    """Jaxpruner's sparsities by ERK, that of RigL's code: how many weights each layer keeps."""
    functions = _functions_of(
        path / "jaxpruner" / "sparsity_distributions.py", "get_n_zeros", "get_sparsities_erdos_renyi"
    )
    shapes = {name: tuple(kept.shape) for name, kept in case.problem.dense.keep.items()}
    sparsities = functions["get_sparsities_erdos_renyi"](shapes, 1 - case.density)
    mask, layers = erk_mask(case.given), {}
    for name, kept in mask.keep.items():
        theirs = round((1 - sparsities[name]) * kept.numel())
        ours = int(kept.sum())
        layers[name] = Layer(kept.numel(), ours, theirs, min(ours, theirs))
    return {"erk, weights a layer": Compared(layers, "a fraction of a weight is rounded otherwise")}


def gradual(path: Path, _case: Case) -> dict[str, Compared]:
    """Jaxpruner's cubic schedule: how much of 10⁶ weights is pruned at each of 55 moments."""
    functions = _functions_of(path / "jaxpruner" / "sparsity_schedules.py", "_polynomial_decay_sparsity")
    layers, whole, last = {}, 10**6, 55
    for number in range(last + 1):
        ours = round(whole * sparsity_share(number, last))
        theirs = round(whole * functions["_polynomial_decay_sparsity"](number / last, 1.0, 3))
        layers[f"moment {number}"] = Layer(whole, ours, theirs, min(ours, theirs))
    return {"gradual, pruned of a million": Compared(layers)}


def phases(path: Path, _case: Case) -> dict[str, Compared]:
    """The phases of AC/DC's settings for 100 epochs of ImageNet: the epochs that each mask begins at."""
    file = path / "configs" / "neurips" / "iht_imagenet_resnet50_insta_cosinelr_s90_ep100.yaml"
    said = yaml.safe_load(file.read_text())
    theirs = {
        **{epoch: True for each in said["pruners"].values() for epoch in range(*_range(each))},
        **{epoch: False for each in said["recyclers"].values() for epoch in range(*_range(each))},
    }
    ours = our_phases(100)
    layers = {
        f"epoch {epoch}": Layer(
            1, int(epoch in ours), int(epoch in theirs), int(ours.get(epoch) == theirs[epoch])
        )
        for epoch in sorted(ours.keys() | theirs.keys())
    }
    return {"ac_dc, phases": Compared(layers, "which epochs of 100 begin one, and which")}


def _range(said: Mapping[str, Any]) -> tuple[int, int, int]:
    start, every, end = said["epochs"]
    return start, end, every


def _functions_of(file: Path, *names: str) -> dict[str, Any]:
    """Return functions of a file that imports what is not there, such as JAX, and they don't need."""
    tree = ast.walk(ast.parse(file.read_text()))
    chosen: list[ast.stmt] = [node for node in tree if isinstance(node, ast.FunctionDef) and node.name in names]
    space: dict[str, Any] = {"np": np, "logging": logging}
    exec(compile(ast.Module(chosen, []), str(file), "exec"), space)
    return space
