import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from problems import procedure, tiny_setting, training_data
from torch.backends import cudnn
from torch.utils import deterministic

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec
from lth.training.determinism import fix_workspaces, repeatable
from lth.training.evaluate import Evaluator
from lth.training.schedule import resolve_schedule
from lth.training.train import TrainingState, train

CPU, GPU = torch.device("cpu"), torch.device("cuda")
VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
ROOT = Path(__file__).parent.parent.parent


def settings() -> tuple[bool, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
        deterministic.fill_uninitialized_memory,
    )


def set_settings(
    enabled: bool, warn_only: bool, deterministic_cudnn: bool, benchmark: bool, fill: bool
) -> None:
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    cudnn.deterministic, cudnn.benchmark = deterministic_cudnn, benchmark
    deterministic.fill_uninitialized_memory = fill


@pytest.fixture(autouse=True)
def settings_as_before(monkeypatch):
    monkeypatch.setenv(VARIABLE, ":4096:8")
    before = settings()
    yield
    set_settings(*before)


CALLERS = [
    (False, False, False, False, True),
    (False, False, False, True, True),
    (True, True, False, False, True),
    (True, False, True, False, False),
]


@pytest.mark.parametrize("before", CALLERS, ids=str)
def test_a_gpu_computes_deterministically_within_and_as_the_caller_wanted_afterwards(before):
    set_settings(*before)
    with repeatable(GPU):
        assert settings() == (True, False, True, False, False)
        with repeatable(CPU, GPU):
            assert settings() == (True, False, True, False, False)
        assert settings() == (True, False, True, False, False)
    assert settings() == before


@pytest.mark.parametrize("before", CALLERS, ids=str)
def test_the_settings_are_the_callers_after_an_error(before):
    set_settings(*before)
    with pytest.raises(KeyboardInterrupt), repeatable(GPU):
        raise KeyboardInterrupt
    assert settings() == before


def test_on_a_cpu_nothing_is_set(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    set_settings(*CALLERS[1])
    with repeatable(CPU):
        assert settings() == CALLERS[1]
    assert VARIABLE not in os.environ


def test_an_operation_without_a_deterministic_routine_is_an_error_that_names_it():
    said = "grid_sampler_2d_backward_cuda does not have a deterministic implementation, but you set … . You can"
    with pytest.raises(InputError, match=r"grid_sampler_2d_backward_cuda .*choose device=cpu"), repeatable(GPU):
        raise RuntimeError(said)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match=r"^out of memory$"), repeatable(GPU):
        raise RuntimeError("out of memory")


def test_the_size_of_workspaces_is_fixed_before_cuda_starts(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    fix_workspaces([CPU, GPU])
    assert os.environ[VARIABLE] == ":4096:8"


@pytest.mark.parametrize("fixed", [":4096:8", ":16:8"])
@pytest.mark.parametrize("started", [True, False])
def test_a_size_that_the_user_fixed_stays(fixed, started, monkeypatch):
    monkeypatch.setenv(VARIABLE, fixed)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: started)
    fix_workspaces([GPU])
    assert os.environ[VARIABLE] == fixed


@pytest.mark.parametrize("written", [None, ":0:0"])
def test_workspaces_that_can_not_be_fixed_any_more_are_an_error_that_says_what_to_set(written, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    if written is not None:
        monkeypatch.setenv(VARIABLE, written)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(InputError, match=f"{VARIABLE} is .*set it to :4096:8 or :16:8 before Python starts"):
        fix_workspaces([GPU])


def test_a_library_that_is_imported_sets_nothing():
    """Nor does a training on a CPU, as all that is set has been said to be set on CUDA."""
    program = (
        "import os, torch; from torch.backends import cudnn; before = dict(os.environ);"
        "import lth.training.train, lth.measure.surveyor;"
        "assert dict(os.environ) == before; assert not torch.are_deterministic_algorithms_enabled();"
        "assert not cudnn.deterministic"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["resnet8-w8", "vgg11-w8"])
def test_a_training_and_its_measurements_from_python_give_the_same_bits_twice_on_a_gpu(name):
    """As a command's: in processes of their own, for what cuBLAS reads when it starts."""
    program = f"from test_determinism import print_digest; print_digest({name!r})"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [ROOT, ROOT / "tests", Path(__file__).parent]))
    once, again = (
        subprocess.run(
            [sys.executable, "-c", program], check=True, env=environment, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    )
    assert once == again != ""


def print_digest(name: str) -> None:
    """Train on the GPU, measure, and print every bit."""
    fix_workspaces([GPU])
    network, data = build_network(NetworkSpec(name, (1, 6, 6), 3), 0), training_data(device=GPU)
    start = TrainingState(Weights.of(network).to(GPU), {}, 0)
    schedule = resolve_schedule(tiny_setting().training, len(data.train))
    final = train(network, start, Mask.dense(network), data, schedule, procedure()).final
    space = LevelSpace(Mask.dense(network), final)
    product = HessianOperator(network, final, space, data.train)(torch.ones(space.dimension, device=GPU))
    tensors = [*final.parameters.values(), *final.buffers.values(), product]
    sys.stdout.write(str([tensor.double().cpu().flatten().tolist() for tensor in tensors]))
    sys.stdout.write(str(Evaluator(network, data.train)(final)))
