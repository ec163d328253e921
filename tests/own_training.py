"""Optimisers, losses and metrics as a user would write them, right ones and wrong ones."""

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, mse_loss

Parameters = list[nn.Parameter]


class Mixing(torch.optim.Optimizer):
    """Moves every entry by the mean gradient of all, and counts in a number and in its group."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters, {"lr": 0.1, "taken": 0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["taken"] += 1
            for parameter in group["params"]:
                state = self.state[parameter]
                state["calls"] = state.get("calls", 0) + 1
                state["mean"] = torch.full_like(parameter, float(parameter.grad.mean()) / state["calls"])
                parameter.sub_(state["mean"] * group["lr"] / group["taken"])


def mixing(parameters: Parameters) -> torch.optim.Optimizer:
    return Mixing(parameters)


def dividing_by_nothing(parameters: Parameters) -> torch.optim.Optimizer:
    """Of a weight that never had a gradient the step is 0 / 0."""
    return torch.optim.Adam(parameters, lr=1e-3, eps=0.0)


def factored(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(parameters, lr=1e-2)


def by_layer(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.NAdam([{"params": parameters[:2], "lr": 1e-4}, {"params": parameters[2:]}], lr=1e-3)


def keeping_a_list(parameters: Parameters) -> torch.optim.Optimizer:
    made = torch.optim.SGD(parameters, lr=0.1)
    made.state[parameters[0]]["past"] = [1, 2]
    return made


def no_optimiser(parameters: Parameters) -> str:
    return "adam"


def two_rates(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": parameters[:1], "lr": 0.01}, {"params": parameters[1:]}], lr=0.1)


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    return huber_loss(outputs, targets.to(outputs.dtype), reduction="none").mean(1)


def a_mean(outputs: Tensor, targets: Tensor) -> Tensor:
    return mse_loss(outputs, targets)


def failing(outputs: Tensor, targets: Tensor) -> Tensor:
    raise RuntimeError("no loss today")


def within_a_half(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets).abs() < 0.5).all(1)
