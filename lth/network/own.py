"""A user's own network as the rest of lth can use it, or why it can't be used.

What is usable is used: wrappers that only spread or compile the work are passed over, the logits are taken out
of whatever is returned, and tensors that repeat themselves in memory get memory of their own. Names of tensors
stay those of the user's network.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations

import torch
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lth.errors import InputError
from lth.inputs import Inputs, called
from lth.network.held import TORCHS_OWN
from lth.network.layout import is_ours
from lth.network.output import Logits, find_logits
from lth.network.parts import prunable_names
from lth.network.zeros import zeros_for
from lth.setting.network import NetworkSpec
from lth.setting.own_fault import described, own_faults

_COMPILED = "_orig_mod"  # what torch.compile calls the module that it wraps


class Unwrapped(nn.Module):
    """Calls the one module that a wrapper held, under the name that the wrapper gave it."""

    def __init__(self, name: str, inner: nn.Module) -> None:
        super().__init__()
        self.add_module(name, inner)

    def forward(self, *inputs: object, **named: object) -> object:
        """Return what the module returns."""
        return self._inner()(*inputs, **named)

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        try:
            return super().__getattr__(name)
        except AttributeError:  # the wrapper may have passed it on
            if not self.__dict__.get("_modules"):
                raise
            return getattr(self._inner(), name)  # type: ignore[no-any-return]

    def _inner(self) -> nn.Module:
        return next(iter(self.children()))


def made_usable(network: nn.Module, spec: NetworkSpec) -> nn.Module:
    """Return the user's network in evaluation mode, with one tensor of logits for its output.

    It is called in evaluation and in training mode, where lazy layers draw their weights; a copy is called in
    training mode, so that no statistics move.

    Raises:
        ValueError: If it can't be used: what, and what to do.
    """
    whose = f"network={spec.name}"
    network = _unwrapped(network, whose)
    check_tensors(network, whose)
    inputs = zeros_for(spec, 2)
    with own_faults(f"{whose} rejects inputs {spec.given_shape}:", spec.name), torch.no_grad():
        output = called(network.eval(), inputs)
    prunable_names(network)
    if is_ours(network):  # of which the rest is known
        return network
    check_tensors(network, whose)  # those too that are made by now
    trained = _copied(network, whose).train()
    with own_faults(f"{whose} fails in training mode:", spec.name), torch.no_grad():
        in_training = called(trained, inputs)
    shape = (2, *spec.outputs)
    if any(find_logits(whose, returned, shape)[1] is not returned for returned in (output, in_training)):
        network.register_forward_hook(Logits(whose, spec.outputs), with_kwargs=bool(spec.input_names))
    _check_own_tensors(network, trained, inputs, spec)
    return network


def _unwrapped(network: nn.Module, whose: str) -> nn.Module:
    """Return the network without what spreads it over devices or compiles it, which lth does itself.

    Raises:
        ValueError: If a part with parameters is scripted.
    """
    for name, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule) and any(True for _ in module.parameters()):
            raise InputError(
                f"{whose} holds a scripted module with parameters{_at(name)}, whose copies can't be trained; "
                "return the module itself, without torch.jit"
            )
    for module in list(network.modules()):
        if isinstance(module, torch.jit.ScriptModule):
            continue
        module._compiled_call_impl = None  # of `module.compile()`
        for name, child in list(module.named_children()):
            if (inner := _wrapped_name(child)) is not None:
                setattr(module, name, Unwrapped(inner, child.get_submodule(inner)))
    inner = _wrapped_name(network)
    return network if inner is None else Unwrapped(inner, network.get_submodule(inner))


def _wrapped_name(module: nn.Module) -> str | None:
    """Return what a wrapper calls the module in it; None if a module is no wrapper."""
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return "module"
    is_compiled = [name for name, _ in module.named_children()] == [_COMPILED]
    return _COMPILED if is_compiled and not isinstance(module, Unwrapped) else None


def check_tensors(network: nn.Module, whose: str) -> None:
    """Check that every parameter and buffer can be trained, stored and read back as it is.

    A tensor that repeats itself in memory (`expand`) gets memory of its own: nothing can be written to it.

    Raises:
        ValueError: If one can't.
    """
    for kind, tensors in (("parameter", network.named_parameters()), ("buffer", network.named_buffers())):
        for name, tensor in tensors:
            if is_lazy(tensor):
                continue
            what = f"{whose}: {kind} {name}"
            if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
                form = "quantised" if tensor.is_quantized else "without values (meta)"
                form = form if tensor.is_quantized or tensor.is_meta else f"of layout {tensor.layout}"
                raise InputError(f"{what} is {form}, which can't be stored; make it an ordinary tensor")
            if kind == "parameter" and tensor.dtype != torch.float32:
                raise InputError(
                    f"{what} is {tensor.dtype}; weights are trained and measured in float32: call "
                    "`.float()`, and leave fewer bits to `precision` (or make it a buffer)"
                )
            if not _is_storable(tensor.dtype):
                raise InputError(f"{what} is {tensor.dtype}, which can't be stored; choose another type")
            if _repeats_itself(tensor):
                tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
    _check_ties(network, whose)


def _is_storable(dtype: torch.dtype) -> bool:
    try:
        return tensors_from_bytes(tensors_to_bytes({"": torch.zeros(1).to(dtype)}))[""].dtype == dtype
    except Exception:  # whatever it raises for a type that it does not know
        return False


def _repeats_itself(tensor: Tensor) -> bool:
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.numel() > reach + 1


def _check_ties(network: nn.Module, whose: str) -> None:
    """Check that no parameter shares memory with another tensor: on another device, or in a copy, it would not.

    Raises:
        ValueError: If one does. Buffers and frozen parameters, which no training moves, may share theirs.
    """
    moving = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    by_memory = defaultdict[int, list[tuple[str, Tensor]]](list)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if not is_lazy(tensor) and tensor.numel():
            by_memory[tensor.untyped_storage().data_ptr()].append((name, tensor))
    for holders in by_memory.values():
        for (name, tensor), (other, second) in combinations(holders, 2):
            if not moving.isdisjoint((name, other)) and _overlap(tensor, second):
                raise InputError(
                    f"{whose}: {name} and {other} share memory but are two tensors; to tie parameters, assign "
                    "the one to both modules, else clone it"
                )


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Say whether two tensors in one storage have a byte in common, interleaved as they may be."""
    taken = torch.zeros(one.untyped_storage().nbytes(), dtype=torch.bool)
    _bytes_of(taken, one).fill_(True)
    return bool(_bytes_of(taken, other).any())


def _bytes_of(storage: Tensor, tensor: Tensor) -> Tensor:
    """Return the view of a storage's bytes that a tensor in it is made of."""
    size = tensor.element_size()
    strides = [size * stride for stride in tensor.stride()]
    return storage.as_strided((*tensor.shape, size), (*strides, 1), size * tensor.storage_offset())


def _copied(network: nn.Module, whose: str) -> nn.Module:
    """Return a copy of the network, as every training and every measurement makes one.

    Raises:
        ValueError: If it can't be copied: because of which attribute of which module, where that is known.
    """
    try:
        return copy.deepcopy(network)
    except Exception as error:
        for module_name, module in network.named_modules():
            for name, value in vars(module).items():
                if name not in TORCHS_OWN and not _is_copyable(value):
                    raise InputError(
                        f"{whose} can't be copied: attribute {name}{_at(module_name)} is a "
                        f"{type(value).__name__} ({described(error)}); make it where it is used, or leave it "
                        "out of the copy by `__getstate__`"
                    ) from error
        raise InputError(f"{whose} can't be copied by copy.deepcopy: {described(error)}") from error


def _is_copyable(value: object) -> bool:
    try:
        copy.deepcopy(value)
    except Exception:  # any that a class of theirs raises
        return False
    return True


def _check_own_tensors(network: nn.Module, trained: nn.Module, inputs: Inputs, spec: NetworkSpec) -> None:
    """Check that a copy computes with its own parameters, not with those it is a copy of, and how they move.

    Raises:
        ValueError: If something that is not copied, such as a lambda, holds on to the network, a parameter is
            frozen in one mode alone, or has a sparse gradient.
    """
    whose = f"network={spec.name}"
    with own_faults(f"{whose} fails in training mode:", spec.name), torch.enable_grad():
        returned = called(trained, inputs)
    _check_freezing(network, trained, whose)
    logits = find_logits(whose, returned, (2, *spec.outputs))[1]
    foreign = _with_gradient(network)
    if not (foreign and logits.requires_grad):
        return
    with own_faults(f"{whose} fails in its backward pass:", spec.name):
        gradients = _gradients(logits, foreign)
    for name, gradient in gradients.items():
        if gradient is not None:
            raise InputError(
                f"{whose}: a copy of it computes with {name} of the original: a lambda, closure, hook or "
                "weakref there holds on to the module; call the module by its attribute in `forward` instead"
            )
    with suppress(Exception):  # what fails in a backward pass is told, with its line, when a step is tried
        gradients = _gradients(logits, _with_gradient(trained))
    for name, gradient in gradients.items():
        if gradient is not None and gradient.layout != torch.strided:
            raise InputError(f"{whose}: the gradient of {name} is sparse; leave out `sparse=True` of its layer")


def _with_gradient(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def _gradients(logits: Tensor, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor | None]:
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        logits.sum(), list(parameters.values()), retain_graph=True, allow_unused=True
    )
    return dict(zip(parameters, found, strict=True))


def _check_freezing(network: nn.Module, trained: nn.Module, whose: str) -> None:
    """Check that the same parameters are frozen in training and in evaluation mode.

    Raises:
        ValueError: If one is in one of them alone: what is pruned and measured would not be what moves.
    """
    in_training = dict(trained.named_parameters())
    for name, parameter in network.named_parameters():
        if name in in_training and in_training[name].requires_grad != parameter.requires_grad:
            where = ("evaluation", "training")[parameter.requires_grad]
            raise InputError(
                f"{whose}: {name} is frozen in {where} mode only (requires_grad=False); freeze it in __init__, "
                "or leave it free in both, and switch nothing in `train`, `eval` or `forward`"
            )


def _at(module: str) -> str:
    return f" of {module}" if module else ""
