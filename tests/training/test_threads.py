import copy
from types import SimpleNamespace

import pytest
import tiny_problem
import torch
from problems import SPEC, procedure, random_examples, random_mask, tiny_setting, training_data
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor, nn

from lth.data import Examples
from lth.measure.kind.site import Site
from lth.measure.kind.take import take
from lth.measure.progress_file import measured_by
from lth.measure.surveyor import Surveyor
from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.jobs import CurvatureJob
from lth.plan.place import Place, Point
from lth.setting.network import NetworkSpec
from lth.solution.progress_file import progress_environment
from lth.study.training import computed_by
from lth.training import threads as module
from lth.training.evaluate import Evaluator
from lth.training.schedule import resolve_schedule
from lth.training.threads import products_of, threads, threads_for
from lth.training.train import TrainingState, train

CIFAR = (3, 32, 32)
NETWORK = build_network(SPEC, 0)
SCHEDULE = resolve_schedule(tiny_setting().training, 40)


@pytest.fixture
def cores(monkeypatch):
    """Let torch and the system have three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.setattr(module, "usable_cores", lambda: 3)
    yield monkeypatch
    torch.set_num_threads(before)


def examples_of(shape: tuple[int, int, int]) -> Examples:
    return random_examples(2, shape, 10)


@pytest.mark.parametrize(
    ("name", "shape", "products"),
    [
        ("lenet-300-100", (1, 28, 28), 784 * 300 + 300 * 100 + 100 * 10 + 410),  # its biases once
        # Its three stages of six convolutions, the first with the one before; two projections; the last layer.
        (
            "resnet20",
            CIFAR,
            9 * 1024 * (3 * 16 + 6 * 16 * 16)
            + 9 * 256 * (16 * 32 + 5 * 32 * 32)
            + 9 * 64 * (32 * 64 + 5 * 64 * 64)
            + 256 * 16 * 32
            + 64 * 32 * 64
            + 64 * 10,
        ),
    ],
)
def test_products_are_those_of_convolutions_and_layers(name, shape, products):
    network = build_network(NetworkSpec(name, shape, 10), 0)
    counted = products_of(network, torch.zeros(1, *shape))
    others = sum(p.numel() for p in network.parameters() if p.dim() == 1)
    assert counted == products + (others if name == "resnet20" else 0)


def test_a_layer_that_is_called_twice_counts_twice():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.fc(x.flatten(1)))

    assert products_of(Twice(), torch.zeros(1, 1, 2, 2)) == 2 * 16


@pytest.mark.parametrize(
    ("name", "shape", "batch", "expected"),
    [
        ("resnet8-w8", (1, 8, 8), 64, 1),
        ("lenet-300-100", (1, 28, 28), 60, 1),
        ("resnet20", CIFAR, 128, 3),
        ("resnet20", CIFAR, 2, 1),
        ("vgg16", CIFAR, 128, 3),
    ],
)
def test_small_networks_take_one_thread_and_large_ones_all(name, shape, batch, expected, cores):
    network = build_network(NetworkSpec(name, shape, 10), 0)
    assert threads_for(network, examples_of(shape), batch) == expected


def test_no_more_threads_are_taken_than_a_container_has_cores(cores):
    network, examples = build_network(NetworkSpec("resnet20", CIFAR, 10), 0), examples_of(CIFAR)
    cores.setattr(module, "usable_cores", lambda: 2)
    assert threads_for(network, examples, 128) == 2
    torch.set_num_threads(1)
    assert threads_for(network, examples, 128) == 1


def test_counting_leaves_network_and_random_state_alone(cores):
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.Dropout()).train()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    products_of(network, torch.zeros(1, 1, 6, 6))
    assert all(part.training for part in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not network[1]._forward_hooks


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_threads_of_blas_are_those_of_torch_and_as_before_afterwards(cores, count):
    """Those of another number than torch's wait on a core that another process could use."""
    with threadpool_limits(2, user_api="blas"):
        with threads(count):
            assert blas_threads() == {count}
        assert blas_threads() == {2}


def test_threads_are_as_before_after_an_error_too(cores):
    with threads(1):
        assert torch.get_num_threads() == 1
        with pytest.raises(KeyboardInterrupt), threads(2):
            interrupt(torch.get_num_threads() == 2)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def interrupt(claim: bool) -> None:
    assert claim
    raise KeyboardInterrupt


def seen_by(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the numbers of threads that the network will have been called with."""
    seen: set[int] = set()
    original = type(network).forward

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        seen.add(torch.get_num_threads())
        return original(self, x)

    monkeypatch.setattr(type(network), "forward", forward)
    return seen


def run_training(network: nn.Module) -> None:
    start = TrainingState(Weights.of(network), {}, 0)
    train(network, start, Mask.dense(network), training_data(), SCHEDULE, procedure())


def run_evaluation(network: nn.Module) -> None:
    Evaluator(network, training_data().train)(Weights.of(network))


def run_curvature(network: nn.Module) -> None:
    solution = SimpleNamespace(final=Weights.of(network), mask=random_mask(network, 0.5))
    job, setting = CurvatureJob(Point.at(Place.imp(0))), tiny_setting()
    surveyor = Surveyor(network, training_data(), setting.analysis.hessian_examples, seed=0)
    take(job, Site(lambda _place: solution, surveyor, setting.deciding(job.measure)))


@pytest.mark.parametrize("work", [run_training, run_evaluation, run_curvature])
def test_a_small_network_is_computed_with_one_thread_and_the_caller_keeps_his(work, cores):
    seen = seen_by(NETWORK, cores)
    # Counting its products calls the network, too, before it is known.
    cores.setattr(module, "products_of", lambda _network, _shape: 1)
    work(NETWORK)
    assert seen == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("work", [run_training, run_evaluation])
def test_a_large_network_is_computed_with_all_threads(work, cores):
    seen = seen_by(NETWORK, cores)
    cores.setattr(module, "products_of", lambda _network, _shape: 10**9)
    work(NETWORK)
    assert seen == {3}


def test_the_progress_of_a_study_says_that_one_thread_computed_it(cores):
    problem = tiny_problem.make_problem()
    assert ", 1 thread," in computed_by(problem)
    assert ", 1 thread," in measured_by(problem.devices, problem.measuring_threads)


def test_what_computes_names_the_threads_that_do_and_not_those_there_are(cores):
    device = torch.device("cpu")
    one = progress_environment(device, "fp32", compiled=False, threads=1)
    assert "1 thread," in one
    assert (
        one
        != progress_environment(device, "fp32", compiled=False)
        == progress_environment(device, "fp32", compiled=False, threads=3)
    )
