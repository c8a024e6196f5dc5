from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scaat.objectives import SCAAT, build_objective


def scaat(num_samples: int, **options: Any) -> SCAAT:
    """SCAAT from flat options, as configurations name them."""
    objective = build_objective(
        "scaat", num_samples, {"weight": 5.0, "search_interval": 1, **options}
    )
    assert isinstance(objective, SCAAT)
    return objective


def plain_net() -> nn.Module:
    """Without batch norm: samples do not depend on one another."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(720, 4))


class Trap(nn.Module):
    """Everything that an extra pass could leave a trace on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 8, 3, padding=1)),
            nn.BatchNorm2d(8, momentum=None),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.frozen = nn.BatchNorm1d(8).eval()
        self.head = nn.Linear(8, 4)
        self.head.bias.requires_grad_(False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        logits: Tensor = self.head(self.frozen(self.body(images)))
        return logits


@pytest.fixture
def trap() -> Trap:
    torch.manual_seed(0)
    model = Trap().train()
    model.frozen.eval()
    return model


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(12, 3, 10, 9, generator=generator)
    labels = torch.randint(0, 4, (12,), generator=generator)
    return images, labels, torch.randperm(40, generator=generator)[:12]
