import pytest
import torch
from torch import nn

from lth.errors import InputError
from lth.training.capture import CapturedStep


def once(work):
    """Stand in for a CUDA graph: warm up, and do the work anew at every replay."""
    work()
    return work


def descent():
    """Return a layer and a step of SGD with momentum on it, and all that the step changes."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 1)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    for parameter in layer.parameters():
        optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def step(inputs, targets):
        optimiser.zero_grad()
        (layer(inputs) - targets).square().mean().backward()
        optimiser.step()

    momentum = [held["momentum_buffer"] for held in optimiser.state.values()]
    return layer, step, [*layer.parameters(), *momentum]


def test_what_the_warm_up_changes_is_undone():
    layer, step, state = descent()
    before = [tensor.detach().clone() for tensor in state]
    CapturedStep(step, [torch.ones(4, 3), torch.ones(4, 1)], state, record=once)
    assert all(torch.equal(now, then) for now, then in zip(state, before, strict=True))
    assert any(bool(tensor.any()) for tensor in layer.parameters())


def test_steps_on_changing_inputs_are_those_of_the_function_itself():
    stream = torch.Generator().manual_seed(1)
    batches = [(torch.randn(4, 3, generator=stream), torch.randn(4, 1, generator=stream)) for _ in range(5)]
    plain, step, _ = descent()
    for batch in batches:
        step(*batch)
    replayed, step, state = descent()
    captured = CapturedStep(step, batches[0], state, record=once)
    for batch in batches:
        captured(*batch)
    for ours, theirs in zip(replayed.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_inputs_are_copied_so_that_a_caller_may_reuse_its_own():
    seen = []
    given = torch.zeros(2)
    captured = CapturedStep(lambda x: seen.append(x.clone()), [given], [], record=lambda work: work)
    captured(given.fill_(1))
    given.fill_(2)
    captured(torch.tensor([3.0, 4.0]))
    assert [x.tolist() for x in seen] == [[1.0, 1.0], [3.0, 4.0]]


@pytest.mark.parametrize("other", [torch.zeros(3), torch.zeros(2, dtype=torch.float64), torch.zeros(1, 2)])
def test_inputs_of_another_shape_or_type_are_refused(other):
    captured = CapturedStep(lambda x: x, [torch.zeros(2)], [], record=lambda work: work)
    with pytest.raises(InputError, match=r"captured for \(2,\), torch.float32"):
        captured(other)
