"""Compiled and eager models give the same losses, weights and proportions."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from scaat.objectives import build_objective, objectives
from scaat.training.devices import compile_model

VARIANTS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in objectives),
    ("scaat", {"search_mode": "eval", "steps": 1}),
    ("scaat", {"steps": 0, "search_interval": 2, "ramp_steps": 3}),
    ("norm-regularised", {"penalty": "group", "steps": 2}),
]


class Net(nn.Sequential):
    """A network with a `forward` of its own: torch 2.6 does not compile that of torch.nn."""

    def forward(self, images: Tensor) -> Tensor:
        for layer in self:
            images = layer(images)
        return images


def in_place(model: nn.Module) -> nn.Module:
    compile_model(model, "aot_eager")
    return model


def wrapped(model: nn.Module) -> nn.Module:
    found = torch.compile(model, backend="aot_eager")
    assert isinstance(found, nn.Module)
    return found


def train(
    name: str, options: dict[str, object], wrap: Callable[[nn.Module], nn.Module]
) -> tuple[list[float], nn.Module, object]:
    """Three steps, the last on a short batch, and a pass in evaluation mode between them."""
    torch.manual_seed(0)
    net = Net(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    model = wrap(net)
    objective = build_objective(name, 20, options)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for size in (8, 8, 5):
        torch.manual_seed(size)
        images = torch.rand(size, 3, 8, 8)
        output = objective(model, images, torch.arange(size) % 3, torch.arange(size))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.eval()(images)
        model.train()
        losses.append(output.loss.item())
    return losses, net, getattr(objective, "proportion", None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "wrap"),
    [
        *((*variant, in_place) for variant in VARIANTS),
        ("scaat", {}, wrapped),
        ("input-gradient", {}, wrapped),
    ],
)
def test_compiled_equals_eager(
    name: str, options: dict[str, object], wrap: Callable[[nn.Module], nn.Module]
) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = train(name, options, wrap)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2  # it did compile
    assert not torch._dynamo.utils.counters["graph_break"]
    eager = train(name, options, copy.copy)
    torch.testing.assert_close(compiled[0], eager[0])
    for one, two in zip(
        compiled[1].state_dict().values(), eager[1].state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(compiled[2], eager[2])
