"""A user's own network is tried once before any work, in all that will be done with it."""

import random
from collections.abc import Callable

import numpy as np
import own_networks
import pytest
import tiny_problem
import torch
from own_networks import BUFFERS, COUNTED, FAILING_BACKWARD, LOST, REMEMBERED, RETURNS, assert_told, built
from torch import Tensor, fx, nn
from torch.nn.functional import dropout

from lth.errors import InputError
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.solution.problem import Problem
from lth.study.trial.trial import Part, Trial
from lth.tracking.store import Store

pytestmark = pytest.mark.usefixtures("without_models")
Trying = Callable[..., Trial]


@pytest.fixture
def said() -> list[str]:
    """Give the test what a trial said."""
    return []


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Trying:
    """Give the test a function that makes the trial of a network with these methods of its own."""

    def trial(**methods: Callable[..., object]) -> Trial:
        monkeypatch.setattr(own_networks, "chosen", built(**methods))
        return Trial(tiny_problem.make_problem(network="own_networks:under_test"), said.append)

    return trial


def attempt(trial: Trial, *parts: Part) -> None:
    for part in parts:
        trial.need(part)
    trial.run()


def warned(said: list[str]) -> str:
    return "\n".join(line for line in said if "warning" in line)


def test_a_network_that_can_do_everything_is_said_to(trial, said):
    tried = trial()
    attempt(tried, "training", "curvature")
    assert [line.partition(",")[0] for line in said] == [
        "network=own_networks:under_test: tried training on a few images",
        "network=own_networks:under_test: tried curvature on a few images",
    ]


def test_each_part_is_tried_once(trial, said):
    tried = trial()
    for _ in range(2):
        attempt(tried, "training", "measuring")
    assert len(said) == 2


@pytest.mark.parametrize("network", ["resnet8-w2", "lenet-8", "vgg11-w2"])
def test_networks_of_ours_are_not_tried(said, network):
    tried = Trial(tiny_problem.make_problem(network=network), said.append)
    attempt(tried, "training", "curvature")
    assert said == []


def _state(problem: Problem) -> tuple[object, ...]:
    weights = Weights.of(problem.network)
    tensors = {name: tensor.tolist() for name, tensor in {**weights.parameters, **weights.buffers}.items()}
    drawn = torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    return tensors, drawn, torch.get_num_threads(), torch.is_grad_enabled(), vars(problem.network).keys()


def test_a_trial_leaves_random_states_threads_and_the_network_as_they_were(trial):
    def draws(self: nn.Module, y: Tensor) -> Tensor:
        self.odd = np.random.rand(), random.random(), torch.rand(())  # noqa: NPY002
        return y

    tried = trial(returned=draws)
    before = _state(tried._problem)
    attempt(tried, "training", "curvature")
    assert _state(tried._problem) == before


@pytest.mark.parametrize("made", BUFFERS.values(), ids=BUFFERS)
def test_buffers_of_every_type_survive_progress_and_checkpoint(trial, made, said):
    attempt(trial(made=made), "training")
    assert warned(said) == ""


@pytest.mark.parametrize("returned", RETURNS.values(), ids=RETURNS)
def test_whatever_the_logits_are_in_it_can_be_trained_and_measured(trial, returned, said):
    tried = trial(returned=returned)
    attempt(tried, "training", "curvature")
    assert warned(said) == ""


@pytest.mark.parametrize(("returned", "said_of_it"), LOST.values(), ids=LOST)
def test_state_that_is_not_kept_and_decides_is_refused_and_named(trial, returned, said_of_it):
    with pytest.raises(InputError, match=f"because training changes .*{said_of_it}.*register_buffer"):
        attempt(trial(returned=returned), "training")


@pytest.mark.parametrize("where", ["", "bn"])
def test_a_count_that_decides_nothing_yet_is_warned_of(trial, said, where):
    def returned(self: nn.Module, y: Tensor) -> Tensor:
        return COUNTED(self.get_submodule(where), y)

    attempt(trial(returned=returned), "training")
    assert f"training changes attribute odd{' of bn' if where else ''}, which is neither stored" in warned(said)


def test_a_tensor_that_is_only_remembered_is_no_matter(trial, said):
    attempt(trial(returned=REMEMBERED), "training")
    assert warned(said) == ""


HIDDEN = {
    "a_list": lambda self: [nn.Linear(3, 3)],
    "a_dict_of_lists": lambda self: {"layers": [nn.Linear(3, 3)]},
    "a_parameter_in_a_tuple": lambda self: (nn.Parameter(torch.ones(3)),),
}


@pytest.mark.parametrize("value", HIDDEN.values(), ids=HIDDEN)
def test_parameters_that_no_module_registers_are_warned_of(trial, said, value):
    attempt(trial(made=lambda self: setattr(self, "odd", value(self))), "training")
    assert "attribute odd holds parameters that are not the network's: neither trained" in warned(said)


def test_a_list_of_registered_parameters_is_no_matter(trial, said):
    attempt(trial(made=lambda self: setattr(self, "odd", [self.fc, self.conv.weight])), "training")
    assert warned(said) == ""


@pytest.mark.parametrize("part", ["", "bn", "fc"])
def test_a_traced_graph_changes_nothing(said, monkeypatch, part):
    def traced() -> nn.Module:
        network = own_networks.Net()
        if part:
            setattr(network, part, fx.symbolic_trace(nn.Sequential(network.get_submodule(part))))
        return network if part else fx.symbolic_trace(network)

    monkeypatch.setattr(own_networks, "chosen", traced)
    attempt(Trial(tiny_problem.make_problem(network="own_networks:under_test"), said.append), "training")
    assert warned(said) == ""


def test_a_network_may_change_its_images_in_place(trial, said):
    tried = trial(forward=lambda self, x: self.fc(self.features(x.sub_(0.5))))
    attempt(tried, "training", "curvature")
    assert warned(said) == ""


@pytest.mark.parametrize("failing", FAILING_BACKWARD.values(), ids=FAILING_BACKWARD)
def test_whatever_a_backward_pass_raises_is_one_line_with_theirs(trial, failing):
    with pytest.raises(InputError, match="fails in its backward pass") as raised:
        attempt(trial(returned=failing), "training")
    assert_told(raised.value)


def _late_buffer(self: nn.Module, y: Tensor) -> Tensor:
    if self.training and y.requires_grad:
        self.register_buffer("late", torch.zeros(2))
    return y


def _growing(self: nn.Module, y: Tensor) -> Tensor:
    if self.training and y.requires_grad:
        self.bn.num_batches_tracked = self.bn.num_batches_tracked.expand(2).clone()
    return y


def _late_parameter(self: nn.Module, y: Tensor) -> Tensor:
    if self.training and y.requires_grad:
        self.late = nn.Parameter(torch.zeros(3))
    return y


@pytest.mark.parametrize(
    ("returned", "name"),
    [(_late_buffer, "late"), (_growing, "bn.num_batches_tracked"), (_late_parameter, "late")],
)
def test_tensors_that_training_makes_or_reshapes_are_named(trial, returned, name):
    with pytest.raises(InputError, match=f"a step of training turns {name} from .* in __init__"):
        attempt(trial(returned=returned), "training")


def _squeezed(_self: nn.Module, y: Tensor) -> Tensor:
    return y.squeeze()


def _for_few(_self: nn.Module, y: Tensor) -> Tensor:
    if len(y) > 6:
        raise RuntimeError("too many")
    return y


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda _, y: y.detach(), "loss depends on no parameter"),
        (lambda _, y: y * 0 / y.new_zeros(()) if y.requires_grad else y, "loss is nan before any training"),
        (lambda self, y: self.bn.weight[:3] + 0 * y.detach(), "no gradient reaches any prunable weight"),
        (_for_few, "mode on .* images: RuntimeError: too many"),
    ],
    ids=["detached", "not a number", "without its weights", "another batch size"],
)
def test_what_would_fail_or_learn_nothing_is_said_before_any_training(trial, returned, message):
    with pytest.raises(InputError, match=message):
        attempt(trial(returned=returned), "training")


RANDOM = [
    lambda _, y: dropout(y, 0.5),
    lambda _, y: y + torch.randn_like(y),
    lambda _, y: y * torch.rand(1, device=y.device),
]
MIXING = [
    lambda _, y: y - y.mean(0),
    lambda _, y: nn.functional.batch_norm(y, None, None, training=True),
    lambda _, y: y / y.norm(),
]


@pytest.mark.parametrize("returned", RANDOM + MIXING)
def test_a_loss_that_is_no_mean_can_be_trained_with_a_warning_and_not_measured(trial, returned, said):
    tried = trial(returned=returned)
    attempt(tried, "training")
    assert "it can be trained, but not measured" in warned(said)
    with pytest.raises(InputError, match="in evaluation mode"):
        attempt(tried, "measuring")


class _Once(torch.autograd.Function):
    """Can be differentiated once."""

    @staticmethod
    def forward(context, y: Tensor) -> Tensor:
        context.save_for_backward(y)
        return y * y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient: Tensor) -> Tensor:
        return 2 * context.saved_tensors[0] * gradient


def test_a_network_without_second_derivatives_can_be_trained_with_a_warning(trial, said):
    tried = trial(returned=lambda _, y: _Once.apply(y))
    attempt(tried, "training")
    attempt(tried, "measuring")
    assert "its curvature can't be measured" in warned(said)
    with pytest.raises(InputError, match="needs the second derivative"):
        attempt(tried, "curvature")


@pytest.mark.parametrize(
    "do",
    [
        lambda study: study.complete(),
        lambda study: study.solution(Place.imp(1)),
        lambda study: study.analysis(0),
        lambda study: study.measure_all(),
    ],
    ids=["study", "imp_level", "analyze", "analyze all"],
)
def test_what_measures_refuses_and_what_trains_warns_before_the_first_training(
    experiment, monkeypatch, do, request
):
    monkeypatch.setattr(own_networks, "chosen", built(returned=lambda _, y: dropout(y, 0.5)))
    said: list[str] = []
    study = tiny_problem.make_study(said, network="own_networks:under_test")
    if "imp_level" in request.node.name:
        do(study)
        assert said.index(next(line for line in said if "warning" in line)) < said.index(
            next(line for line in said if "training dense" in line)
        )
    else:
        with pytest.raises(InputError, match="let its dropout follow"):
            do(study)
        assert Store().search("tags.kind = 'imp'") == []
