"""Networks as users write them, by what is odd in them; all map images (1, 6, 6) to three classes."""

from __future__ import annotations

import random
import threading
import weakref
from collections import deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

Forward = Callable[[nn.Module, Tensor], object]
Two = namedtuple("Two", ["logits", "aux"])


@dataclass
class Fields:
    """What a Hugging Face model returns, in short."""

    loss: None
    logits: Tensor


class OwnError(Exception):
    """An exception of the user's own, which fails to say what is wrong."""

    def __str__(self) -> str:
        raise KeyError("no message")


class Net(nn.Module):
    """A convolution, BatchNorm and a linear layer; `before` and `after` are what a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(16, 3)
        self.made()

    def made(self) -> None:
        """Add what a test needs."""

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x))).flatten(1)

    def forward(self, x: Tensor) -> object:
        return self.returned(self.fc(self.features(x)))

    def returned(self, logits: Tensor) -> object:
        return logits


def built(**methods: Callable[..., object]) -> Callable[[], nn.Module]:
    """Return a function that builds a `Net` with these methods of its own."""
    return lambda: type("Own", (Net,), methods)()


def under_test(_input_shape: tuple[int, int, int], _num_classes: int) -> nn.Module:
    """Return the network that a test has chosen; it is named as users name their own."""
    return chosen()


chosen: Callable[[], nn.Module] = Net


# --- what networks return ---


def _by_mode(training: Forward, evaluation: Forward) -> Callable[[nn.Module, Tensor], object]:
    return lambda self, y: (training if self.training else evaluation)(self, y)


RETURNS: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "a_tuple": lambda _, y: (y, y.new_zeros(len(y), 7)),
    "a_list_in_a_dict": lambda _, y: {"head": [y], "n": 3, "nothing": None},
    "a_dict_with_logits_and_more_of_their_shape": lambda _, y: {"probabilities": y.softmax(1), "logits": y},
    "a_named_tuple": lambda _, y: Two(y, y * 2),
    "a_dataclass": lambda _, y: Fields(None, y),
    "a_named_tuple_in_training_alone": _by_mode(lambda _, y: Two(y, y * 2), lambda _, y: y),
    "a_dict_in_evaluation_alone": _by_mode(lambda _, y: y, lambda _, y: {"out": y}),
}
UNCLEAR: dict[str, tuple[Callable[[nn.Module, Tensor], object], str]] = {
    "two_of_the_shape": (lambda _, y: (y, y * 2), "a tuple; expected"),
    "none_of_the_shape": (lambda _, y: {"logits": y[:, :2]}, r"found logits \(2, 2\)"),
    "nothing": (lambda _, y: None, "a NoneType; expected .* found no tensor"),
    "integers": (lambda _, y: y.argmax(1, keepdim=True).expand(-1, 3), "of torch.int64"),
    "two_in_training_alone": (_by_mode(lambda _, y: [y, y], lambda _, y: y), "a list; expected"),
}

# --- what they are wrapped in ---


class Backbone(nn.Module):
    """Keeps its network in a wrapper, and reads an attribute of it."""

    def __init__(self, wrapped: nn.Module) -> None:
        super().__init__()
        self.wrapped = wrapped

    def forward(self, x: Tensor) -> Tensor:
        return self.wrapped(x) * len(self.wrapped.bn.weight) / 4  # type: ignore[no-any-return,union-attr,arg-type]


class _Parallel(nn.DataParallel):
    def __getattr__(self, name: str) -> object:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.module, name)


def _compiled_in_place() -> nn.Module:
    network = Net()
    network.compile()
    return network


WRAPPED: dict[str, Callable[[], nn.Module]] = {
    "data_parallel": lambda: nn.DataParallel(Net()),
    "data_parallel_inside": lambda: Backbone(_Parallel(Net())),
    "compiled": lambda: torch.compile(Net()),  # type: ignore[return-value]
    "compiled_inside": lambda: Backbone(torch.compile(Net())),  # type: ignore[arg-type]
    "compiled_in_place": _compiled_in_place,
}

# --- attributes that can't be copied, and such that hold on to the original ---


def _with(value: Callable[[Net], object]) -> Callable[[Net], None]:
    def made(self: Net) -> None:
        self.odd = value(self)

    return made


UNCOPIED: dict[str, tuple[Callable[[Net], object], str]] = {
    "a_lock": (lambda _: threading.Lock(), "attribute odd is a lock"),
    "an_open_file": (lambda _: open(__file__), "attribute odd is a TextIOWrapper"),  # noqa: PTH123, SIM115
    "a_generator": (lambda _: (i for i in range(3)), "attribute odd is a generator"),
    "a_non_leaf_tensor": (lambda self: self.fc.weight * 2, "attribute odd is a Tensor"),
}


def _hooked(self: Net) -> None:
    self.fc.register_forward_hook(lambda _layer, _inputs, y: y * self.fc.weight.abs().sum())


HOLDING: dict[str, Callable[[], nn.Module]] = {
    "a_lambda": built(
        made=_with(lambda self: lambda x: self.fc(x)), forward=lambda self, x: self.odd(self.features(x))
    ),
    "a_weakref": built(
        made=_with(lambda self: weakref.ref(self.fc)), forward=lambda self, x: self.odd()(self.features(x))
    ),
    "a_hook": built(made=_hooked),
}
HARMLESS: dict[str, Callable[[Net], object]] = {
    "a_lambda_of_nothing": lambda _: lambda x: x,
    "a_logger": lambda _: __import__("logging").getLogger("net"),
    "a_weakref_that_is_not_called": lambda self: weakref.ref(self.bn),
}

# --- buffers and parameters ---


def _buffers(**tensors: Tensor | None) -> Callable[[Net], None]:
    def made(self: Net) -> None:
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    return made


def _not_persistent(self: Net) -> None:
    self.register_buffer("table", torch.arange(3.0), persistent=False)


def _shared(self: Net) -> None:
    table = torch.rand(3, dtype=torch.float64)
    self.register_buffer("table", table)
    self.bn.register_buffer("table", table)


def _views(self: Net) -> None:
    table = torch.rand(8)
    self.register_buffer("table", table)
    self.register_buffer("shifted", table[1:])


def _of_frozen(self: Net) -> None:
    self.fc.bias.requires_grad_(requires_grad=False)
    self.register_buffer("table", self.fc.bias.data)


BUFFERS: dict[str, Callable[[Net], None]] = {
    "float64": _buffers(a=torch.full((3,), 1 / 3, dtype=torch.float64)),
    "float16_and_bfloat16": _buffers(a=torch.rand(3).half(), b=torch.rand(3).bfloat16()),
    "float8": _buffers(a=torch.rand(3).to(torch.float8_e4m3fn)),
    "complex64_conjugated": _buffers(a=torch.tensor([1 + 2j]).conj()),
    "a_negated_view": _buffers(a=torch.tensor([1 + 2j]).conj().imag),
    "bool_and_integers": _buffers(a=torch.tensor([True, False]), b=torch.tensor([255], dtype=torch.uint8)),
    "without_dimension": _buffers(a=torch.tensor(0.1, dtype=torch.float64)),
    "empty": _buffers(a=torch.zeros(0, 3, dtype=torch.float64)),
    "none": _buffers(a=None),
    "channels_last": _buffers(a=torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)),
    "transposed": _buffers(a=torch.rand(3, 4, dtype=torch.float64).t()),
    "expanded": _buffers(a=torch.rand(1, 1).expand(3, 4)),
    "not_persistent": _not_persistent,
    "shared": _shared,
    "not_a_number": _buffers(a=torch.tensor([torch.nan, torch.inf])),
    "views_of_each_other": _views,
    "of_a_frozen_weight": _of_frozen,
}


def _double_weight(self: Net) -> None:
    self.fc.double()


def _half_scale(self: Net) -> None:
    self.scale = nn.Parameter(torch.ones(3).half())


def _shared_memory(self: Net) -> None:
    self.twin = nn.Linear(16, 3)
    self.twin.weight = nn.Parameter(self.fc.weight.data)


def _shared_view(view: Callable[[Tensor], Tensor]) -> Callable[[Net], None]:
    def made(self: Net) -> None:
        self.view = nn.Parameter(view(self.fc.weight.data))

    return made


def _buffer_of_weight(self: Net) -> None:
    self.register_buffer("start", self.fc.weight.data)  # without `clone`


class _Looked(nn.Linear):
    """Adds an embedding to what its linear layer returns."""

    table: nn.Embedding | nn.EmbeddingBag

    def forward(self, x: Tensor) -> Tensor:
        shift: Tensor = self.table(torch.zeros(len(x), 1, dtype=torch.long)).reshape(len(x), 3)
        return super().forward(x) + shift


def _looked(self: Net, table: nn.Embedding | nn.EmbeddingBag) -> None:
    self.fc = _Looked(16, 3)
    self.fc.table = table


def _sparse_gradient(self: Net) -> None:
    _looked(self, nn.Embedding(2, 3, sparse=True))


def _sparse_bag(self: Net) -> None:
    _looked(self, nn.EmbeddingBag(2, 3, mode="sum", sparse=True))


def _quantised(self: Net) -> None:
    self.register_buffer("a", torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.quint8))


REFUSED: dict[str, tuple[Callable[[Net], None], str]] = {
    "sparse": (_buffers(a=torch.eye(3).to_sparse()), "buffer a is of layout torch.sparse_coo"),
    "quantised": (_quantised, "buffer a is quantised"),
    "meta": (_buffers(a=torch.zeros(3, device="meta")), r"buffer a is without values \(meta\)"),
    "complex128": (_buffers(a=torch.zeros(3, dtype=torch.complex128)), "buffer a is torch.complex128"),
    "double_layer": (_double_weight, "parameter fc.weight is torch.float64"),
    "half_parameter": (_half_scale, "parameter scale is torch.float16"),
    "parameters_that_share_memory": (_shared_memory, "fc.weight and twin.weight share memory"),
    "a_transposed_view": (_shared_view(lambda w: w.t()), "view and fc.weight share memory"),
    "a_view_of_some_columns": (_shared_view(lambda w: w[:, 1::2]), "view and fc.weight share memory"),
    "a_buffer_of_a_weight": (_buffer_of_weight, "fc.weight and start share memory"),
    "a_sparse_gradient": (_sparse_gradient, "the gradient of fc.table.weight is sparse"),
    "another_sparse_gradient": (_sparse_bag, "the gradient of fc.table.weight is sparse"),
}

# --- parameters that are frozen now and then ---


def _freezing(decides: Callable[[nn.Module, bool], bool]) -> Callable[[nn.Module, bool], nn.Module]:
    def train(self: Net, mode: bool = True) -> nn.Module:
        nn.Module.train(self, mode)
        self.conv.weight.requires_grad_(decides(self, mode))
        return self

    return train


def _thawed_by_its_count(self: Net, x: Tensor) -> Tensor:
    self.odd = getattr(self, "odd", 0) + self.training
    self.fc.weight.requires_grad_(not self.training or self.odd > 2)
    return self.fc(self.features(x))  # type: ignore[no-any-return]


FROZEN_AT_TIMES: dict[str, tuple[dict[str, Callable[..., object]], str]] = {
    "in_training": ({"train": _freezing(lambda _, mode: not mode)}, "conv.weight is frozen in training mode"),
    "in_evaluation": ({"train": _freezing(lambda _, mode: mode)}, "conv.weight is frozen in evaluation mode"),
    "at_first": ({"forward": _thawed_by_its_count}, "fc.weight is frozen in training mode"),
}
FROZEN_ALWAYS = {"train": _freezing(lambda _self, _mode: False)}

# --- state that is neither a parameter nor a buffer ---


def _counts(self: Net, y: Tensor) -> Tensor:
    self.odd = getattr(self, "odd", 0) + self.training
    return y


def _scales_by_its_count(self: Net, y: Tensor) -> Tensor:
    return _counts(self, y) * (1 + self.odd)


def _keeps_a_mean(self: Net, y: Tensor) -> Tensor:
    if self.training:
        self.odd = 0.5 * getattr(self, "odd", 0) + y.detach().mean(0)
    return y - getattr(self, "odd", 0)


def _keeps_a_queue(self: Net, y: Tensor) -> Tensor:
    self.odd = getattr(self, "odd", deque(maxlen=2))
    if self.training:
        self.odd.append(y.detach().mean())
    return y * (1 + sum(self.odd))


def _draws_from_python(self: Net, y: Tensor) -> Tensor:
    return y * random.random() if self.training else y


def _draws_from_its_own(self: Net, y: Tensor) -> Tensor:
    if not hasattr(self, "odd"):
        self.odd = torch.Generator().manual_seed(0)
    return y * torch.rand((), generator=self.odd) if self.training else y


def _remembers(self: Net, y: Tensor) -> Tensor:
    self.odd = y  # to look at
    return y


LOST: dict[str, tuple[Callable[..., Tensor], str]] = {
    "a_count": (_scales_by_its_count, "attribute odd"),
    "a_mean": (_keeps_a_mean, "attribute odd"),
    "a_queue": (_keeps_a_queue, "attribute odd"),
    "python_random": (_draws_from_python, "the state of Python's random"),
    "a_generator_of_its_own": (_draws_from_its_own, "attribute odd"),
}
COUNTED = _counts
REMEMBERED = _remembers

# --- what fails ---


def _raise(error: BaseException) -> Forward:
    def returned(_self: nn.Module, _y: Tensor) -> Tensor:
        raise error  # told

    return returned


def _endless(self: nn.Module, y: Tensor) -> object:
    return _endless(self, y)  # told


class _FailingBackward(torch.autograd.Function):
    @staticmethod
    def forward(_context: object, y: Tensor) -> Tensor:
        return y * 1

    @staticmethod
    def backward(_context: object, _gradient: Tensor) -> Tensor:
        raise ZeroDivisionError("in backward")  # told


def _changes_in_place(_self: nn.Module, y: Tensor) -> Tensor:
    z = y.exp()  # told
    z += 1
    return z


def _fail(_gradient: Tensor) -> None:
    raise LookupError("in a hook")  # told


def _with_failing_hook(_self: nn.Module, y: Tensor) -> Tensor:
    if y.requires_grad:
        y.register_hook(_fail)
    return y


FAILING: dict[str, Forward] = {
    "a_key_error": _raise(KeyError("width")),
    "an_assertion": _raise(AssertionError()),
    "an_error_of_their_own": _raise(OwnError()),
    "an_exit": _raise(SystemExit(3)),
    "an_error_of_two_lines": _raise(ValueError("one\ntwo")),
    "endless_recursion": _endless,
}
FAILING_BACKWARD: dict[str, Forward] = {
    "a_backward_of_their_own": lambda _, y: _FailingBackward.apply(y),
    "a_change_in_place": _changes_in_place,
    "a_hook_of_a_tensor": _with_failing_hook,
}


def assert_told(error: Exception) -> None:
    """Check that an error names, in one line, a line of this file that is marked."""
    (place,) = [part for part in str(error).split("(") if "own_networks.py, line" in part]
    line = int(place.partition("line ")[2].rstrip(")"))
    assert "# told" in Path(__file__).read_text().splitlines()[line - 1], error
    assert "\n" not in str(error)
