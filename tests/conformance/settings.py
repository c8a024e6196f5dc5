"""The settings that drive the shared tests: every objective on every kind of small data.

A kind is a data set of two classes, a network of the tests that learns it, and how the objectives
are told what its inputs are. Adding one here adds it to all tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scaat.objectives import Objective, build_objective, objectives

SAMPLES = 21  # odd, and with batches of 4 the last one is short
BATCH = 4

# Every objective, and options that make another method of one: its name and what it adds.
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in objectives},
    "scaat": ("scaat", {"weight": 5.0, "search_interval": 1}),
    "scaat-budget": ("scaat", {"search_interval": 1}),
    "scaat-amortised": (
        "scaat",
        {"weight": 5.0, "search_interval": 2, "ramp_steps": 9},
    ),
}


@dataclass(frozen=True)
class Kind:
    """Small data of one shape.

    Attributes:
        shape: Of one input.
        bounds: Of the inputs, or None.
        options: By objective, what differs from its defaults.
    """

    shape: tuple[int, ...]
    bounds: tuple[float, float] | None = (0.0, 1.0)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def data(self) -> tuple[Tensor, Tensor]:
        """Return inputs and labels: noise, and a shift that gives the class away."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(SAMPLES) % 2
        noise = torch.rand(SAMPLES, *self.shape, generator=generator)
        shift = labels.view(-1, *(1 for _ in self.shape)).float()
        inputs = 0.6 * noise + 0.4 * shift
        return inputs if self.bounds else 30 * inputs - 20, labels

    def network(self) -> nn.Module:
        """Return a small network with batch norm, from a fixed seed."""
        torch.manual_seed(1)
        normal, layer = {
            1: (nn.BatchNorm1d, partial(nn.LazyLinear, 8)),
            2: (nn.BatchNorm1d, partial(nn.LazyConv1d, 8, 3)),
            3: (nn.BatchNorm2d, partial(nn.LazyConv2d, 8, 3)),
        }[len(self.shape)]
        network = nn.Sequential(
            normal(self.shape[0]), layer(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
        )
        network.eval()(torch.zeros(1, *self.shape))
        return network.train()

    def arguments(self, method: str) -> tuple[str, dict[str, Any]]:
        """Return the objective's name and its options for these inputs."""
        name, options = METHODS[method]
        return name, {**self.options.get(name, {}), **options}

    def objective(self, method: str) -> Objective:
        """Return the objective for these inputs."""
        name, options = self.arguments(method)
        return build_objective(name, SAMPLES, {"bounds": self.bounds, **options})


KINDS = {
    # A radius below the shift between the classes, which a constant weight would unlearn.
    "grey": Kind((1, 8, 8), options={"scaat": {"steps": 2, "epsilon": 0.25}}),
    "rgb": Kind((3, 8, 8), options={"scaat": {"steps": 1, "search_mode": "eval"}}),
    "tabular": Kind((6,), None, {"scaat": {"steps": 2, "epsilon": 0.5}}),
    "series": Kind((2, 12), None, {"scaat": {"steps": 1, "epsilon": 0.5}}),
}

# A loss of several terms that grow together takes smaller steps than 0.02.
LEARNING_RATES = {"input-gradient": 0.01, "saliency-guided-adversarial": 0.01}


class Run:
    """A user's own loop: everything that it needs to go on stands in `state`."""

    def __init__(self, kind: str, method: str) -> None:
        self.kind = KINDS[kind]
        self.inputs, self.labels = self.kind.data()
        self.model = self.kind.network()
        self.objective = self.kind.objective(method)
        rate = LEARNING_RATES.get(method, 0.02)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=0.9)
        self.losses: list[float] = []

    def step(self, index: Tensor, *, dtype: torch.dtype | None = None, rank: int = 0) -> None:
        """Train on these samples; random numbers follow the step and the process."""
        torch.manual_seed(100 * len(self.losses) + rank)
        with nullcontext() if dtype is None else torch.autocast("cpu", dtype):
            output = self.objective(self.model, self.inputs[index], self.labels[index], index)
        self.optimizer.zero_grad()
        output.loss.backward()
        self.optimizer.step()
        self.losses.append(output.loss.item())

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
        }

    def load(self, path: Path) -> None:
        """Go on from a checkpoint, which is read without executing code."""
        state = torch.load(path, weights_only=True)
        for name in ("model", "objective", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.losses = list(state["losses"])


def epoch(number: int = 0) -> Iterator[Tensor]:
    """Yield the batches of one epoch; the last one is of a single sample and left out.

    (Batch norm on one value a feature has no variance.)
    """
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(number))
    yield from order.split(BATCH)[:-1]
