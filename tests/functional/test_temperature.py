"""Cross-entropy at many temperatures, against SciPy's optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from scaat.functional.temperature import FACTORS, cross_entropy_by_temperature


def test_the_least_is_near_the_optimum_whatever_the_logits_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (300,), generator=generator)
    logits = torch.randn(300, 4, generator=generator)
    logits[torch.arange(300), labels] += 1.5

    def mean(factor: float) -> float:
        scaled = log_softmax(factor * logits.double().numpy(), axis=1)
        return float(-scaled[np.arange(300), labels.numpy()].mean())

    best = minimize_scalar(mean, bounds=(0.01, 8), method="bounded").fun
    for scale in (0.5, 1.0, 20.0):
        sums = cross_entropy_by_temperature(logits * scale, labels)
        assert sums.shape == (len(FACTORS),)
        assert best <= sums.min().item() / 300 == pytest.approx(best, abs=0.003)
    one = FACTORS.index(1.0)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    assert cross_entropy_by_temperature(logits, labels)[one] == pytest.approx(expected.item())


def test_sums_add_up_over_batches() -> None:
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(10) % 3
    parts = [cross_entropy_by_temperature(logits[a:b], labels[a:b]) for a, b in ((0, 4), (4, 10))]
    torch.testing.assert_close(parts[0] + parts[1], cross_entropy_by_temperature(logits, labels))
