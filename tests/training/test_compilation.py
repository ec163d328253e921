import warnings

import pytest
import torch

from lth.training import compilation
from lth.training.compilation import compiled, compiling, is_compiled

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def triton(monkeypatch):
    """Return a function that says whether triton is installed; it is, unless a test says otherwise."""

    def say(*, installed: bool) -> None:
        monkeypatch.setattr(compilation, "find_spec", lambda name: name if installed else None)

    say(installed=True)
    return say


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize("steps", [1, 1_000_000])
def test_what_is_asked_for_is_done_on_every_device(device, steps, triton):
    triton(installed=False)
    assert is_compiled("on", device, steps) is True
    assert is_compiled("off", device, steps) is False


@pytest.mark.parametrize(
    ("device", "steps", "expected"),
    [
        (GPU, 100_000, True),
        (GPU, 99_999, False),
        (GPU, 1_000_000, True),
        (CPU, 100_000, False),
        (CPU, 10**9, False),
    ],
)
def test_auto_compiles_long_trainings_on_a_gpu(device, steps, expected):
    assert is_compiled("auto", device, steps) is expected


def test_auto_does_not_compile_where_a_gpu_lacks_triton(triton):
    triton(installed=False)
    assert is_compiled("auto", GPU, 1_000_000) is False


@pytest.mark.parametrize(("graphs", "mode"), [(False, "default"), (True, "reduce-overhead")])
def test_a_step_is_compiled_for_one_shape_and_if_asked_as_cuda_graphs(graphs, mode, monkeypatch):
    def double(x):
        return 2 * x

    given = {}
    monkeypatch.setattr(torch, "compile", lambda function, **options: given.update(options) or function)
    assert compiled(double, graphs=graphs)(3) == 6
    assert given == {"dynamic": False, "mode": mode}


def test_ten_networks_in_turn_are_all_compiled():
    """Torch gives up on one function after eight of them, without a word."""
    compilations = []

    def backend(graph, _inputs):
        compilations.append(graph)
        return graph.forward

    for width in range(1, 11):
        layer = torch.nn.Linear(width, 1)
        with compiling():
            torch.compile(lambda x, layer=layer: layer(x), backend=backend, dynamic=False)(
                torch.zeros(2, width)
            )
    assert len(compilations) == 10


def test_torch_does_not_advise_to_round_while_it_compiles():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with compiling():
            warnings.warn("TensorFloat32 tensor cores for float32 … available but not enabled", stacklevel=1)
            warnings.warn("something else", stacklevel=1)
    assert [str(warning.message) for warning in said] == ["something else"]
