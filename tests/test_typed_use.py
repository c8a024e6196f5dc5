"""The program that mypy checks also runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from typed_use import measure, train


def test_the_typed_program_runs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6) % 3
    assert 0 < train(model, images, labels) < 20
    found = measure(model.eval(), images, labels)
    assert found["gini of the metric"] == pytest.approx(found["gini"], abs=1e-6)
    assert 0 < found["entropy"] <= 6  # of 64 pixels
