from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scaat.functional.structured_perturbation import (
    dual_perturbation,
    group_norms,
    structured_ascent,
)

KNOWN = {"epsilon": 0.1, "ridge": 0.05, "group_size": 2}


def penalty_of_gradient(gradient: Tensor, penalty: str) -> Tensor:
    """P(g), written out, of one image of one channel and 4 x 4 pixels."""
    if penalty == "group":
        blocks = [gradient[0, y : y + 2, x : x + 2] for y in (0, 2) for x in (0, 2)]
        return 0.1 * torch.stack([b.norm() for b in blocks]).sum()
    flat = 0.1 * gradient.abs().sum()
    return flat + 0.05 * (gradient**2).sum() if penalty == "elastic-net" else flat


def conjugate(change: Tensor, penalty: str) -> Tensor:
    """P*(d); infinite outside the ball for l1 and groups."""
    if penalty == "elastic-net":
        return ((change.abs() - 0.1).clamp(min=0) ** 2).sum() / 0.2
    if penalty == "l1":
        outside = change.abs().max() > 0.1 + 1e-9
    else:
        blocks = [change[0, y : y + 2, x : x + 2] for y in (0, 2) for x in (0, 2)]
        outside = max(b.norm() for b in blocks) > 0.1 + 1e-9
    return torch.tensor(float("inf") if outside else 0.0)


@pytest.mark.parametrize("penalty", ["l1", "elastic-net", "group"])
def test_closed_form_attains_fenchels_equality(penalty: str) -> None:
    """g.d - P*(d) = P(g) at the perturbation found, and no other one exceeds that."""
    torch.manual_seed(0)
    gradient = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    (found,) = dual_perturbation(gradient, penalty, **KNOWN)
    best = penalty_of_gradient(gradient[0], penalty)
    torch.testing.assert_close((gradient[0] * found).sum() - conjugate(found, penalty), best)
    for rival in found + 0.05 * torch.randn(2000, 1, 4, 4, dtype=torch.float64):
        assert (gradient[0] * rival).sum() - conjugate(rival, penalty) <= best + 1e-9


@pytest.mark.parametrize("penalty", ["elastic-net", "group"])
def test_search_finds_the_closed_form_of_a_linear_loss(penalty: str) -> None:
    torch.manual_seed(1)
    gradient = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    inputs = torch.full_like(gradient, 0.5)

    def predict(x: Tensor) -> Tensor:
        return (x * gradient).flatten(1).sum(1, keepdim=True)

    found = structured_ascent(
        predict, inputs, torch.sum, penalty, **KNOWN, steps=3000, step_size=0.001, bounds=None
    )
    expected = dual_perturbation(gradient, penalty, **KNOWN)
    torch.testing.assert_close(found - inputs, expected, rtol=0.0, atol=5e-3)
    assert not found.requires_grad


def test_group_norms_of_ragged_images() -> None:
    values = torch.arange(1.0, 16).view(1, 1, 3, 5)
    norms = group_norms(values, 2)
    assert norms.shape == values.shape
    torch.testing.assert_close(norms[0, 0, :2, :2], torch.full((2, 2), (1 + 4 + 36 + 49) ** 0.5))
    torch.testing.assert_close(norms[0, 0, 2, 2:4], torch.full((2,), (13.0**2 + 14**2) ** 0.5))
    assert norms[0, 0, 2, 4] == 15


def test_a_group_without_gradient_stays() -> None:
    gradient = torch.zeros(1, 1, 2, 4)
    gradient[..., 2:] = 1.0
    found = dual_perturbation(gradient, "group", **KNOWN)
    assert torch.equal(found[..., :2], torch.zeros(1, 1, 2, 2))
    torch.testing.assert_close(found[..., 2:], torch.full((1, 1, 2, 2), 0.05))


def test_search_stays_inside_the_bounds() -> None:
    inputs = torch.rand(4, 1, 4, 4)
    for penalty in ("elastic-net", "group"):
        found = structured_ascent(
            lambda x: 50 * x.flatten(1), inputs, torch.sum, penalty, **KNOWN, steps=3, step_size=2.0
        )
        assert found.min() >= 0
        assert found.max() <= 1
        assert not torch.equal(found, inputs)
