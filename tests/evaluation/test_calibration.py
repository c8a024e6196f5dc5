from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scaat.evaluation.performance import calibration


def of_confidence(confidence: Tensor) -> Tensor:
    """Logits of three classes that predict the first with this probability."""
    rest = (1 - confidence) / 2
    return torch.stack([confidence, rest, rest], dim=1).log()


def error(confidence: Tensor, correct: Tensor) -> float:
    """The definition, bin by bin."""
    total = 0.0
    for k in range(15):
        inside = (confidence >= k / 15) & (confidence < (k + 1) / 15)
        if inside.any():
            gap = correct[inside].double().mean() - confidence[inside].mean()
            total += (inside.double().mean() * gap.abs()).item()
    return total


def test_error_is_that_of_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    confidence = 0.4 + 0.6 * torch.rand(500, generator=generator, dtype=torch.float64)
    correct = torch.rand(500, generator=generator) < confidence**2  # over-confident
    labels = torch.where(correct, 0, 1)
    found = calibration(of_confidence(confidence), labels, seed=0, resamples=500)
    entry = found["calibration_error"]
    assert entry["value"] == pytest.approx(error(confidence, correct), abs=1e-6)
    assert entry["n"] == 500
    assert 0.05 < entry["low"] < entry["value"] < entry["high"] < 0.4
    mean = found["mean_confidence"]
    assert mean["value"] == pytest.approx(confidence.mean().item())
    assert mean["low"] < mean["value"] < mean["high"]


def test_a_certain_and_right_model_has_none() -> None:
    labels = torch.arange(12) % 3
    logits = 100.0 * torch.nn.functional.one_hot(labels, 3)
    found = calibration(logits, labels, seed=0, resamples=100)
    assert found["calibration_error"]["value"] == pytest.approx(0, abs=1e-12)
    assert found["calibration_error"]["high"] == pytest.approx(0, abs=1e-12)
    assert found["mean_confidence"]["value"] == 1


def test_the_interval_covers_the_limit_of_many_images() -> None:
    """Of 40 draws of 400 images about 95 % hold the error of endless images, which is 0.1."""
    covered = []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        confidence = torch.full((400,), 0.8, dtype=torch.float64)
        labels = torch.where(torch.rand(400, generator=generator) < 0.7, 0, 1)
        entry = calibration(of_confidence(confidence), labels, seed=seed, resamples=200)
        low, high = (entry["calibration_error"][key] for key in ("low", "high"))
        covered.append(low <= 0.1 <= high)
    assert 0.85 <= np.mean(covered) <= 1
