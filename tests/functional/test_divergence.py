from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from scaat.functional import jeffreys_divergence, jensen_shannon_divergence, kl_divergence
from scaat.functional.divergence import DIVERGENCES


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(50, 7, dtype=torch.float64) * 3, torch.randn(50, 7, dtype=torch.float64) * 3


def test_equal_scipy(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, q = (softmax(x.numpy(), axis=1) for x in logits)
    forward = torch.from_numpy(scipy_entropy(p, q, base=2, axis=1))
    backward = torch.from_numpy(scipy_entropy(q, p, base=2, axis=1))
    exact = {"rtol": 0, "atol": 1e-10}
    torch.testing.assert_close(kl_divergence(*logits), forward, **exact)
    torch.testing.assert_close(jeffreys_divergence(*logits), (forward + backward) / 2, **exact)
    torch.testing.assert_close(
        jensen_shannon_divergence(*logits),
        torch.from_numpy(jensenshannon(p, q, base=2, axis=1) ** 2),
        **exact,
    )


def test_closed_forms_for_two_classes() -> None:
    # P = (3/4, 1/4), Q = (1/2, 1/2)
    p = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    q = torch.zeros(1, 2, dtype=torch.float64)
    forward = 0.75 * math.log2(1.5) + 0.25 * math.log2(0.5)
    backward = 0.5 * math.log2(2 / 3) + 0.5 * math.log2(2)
    m = (0.625, 0.375)
    mixed = (
        sum(a * math.log2(a / b) for a, b in zip((0.75, 0.25), m, strict=True))
        + sum(a * math.log2(a / b) for a, b in zip((0.5, 0.5), m, strict=True))
    ) / 2
    assert abs(kl_divergence(p, q).item() - forward) < 1e-10
    assert abs(jeffreys_divergence(p, q).item() - (forward + backward) / 2) < 1e-10
    assert abs(jensen_shannon_divergence(p, q).item() - mixed) < 1e-10


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_finite_with_finite_gradient_for_extreme_logits(name: str, dtype: torch.dtype) -> None:
    p = torch.tensor([[3e4, -3e4, 0.0], [0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    q = torch.tensor([[-3e4, 3e4, 0.0], [1e-3, 0.0, 0.0]], dtype=dtype)
    values = DIVERGENCES[name](p, q)
    assert values.dtype == torch.float32
    assert values.isfinite().all()
    assert (values >= 0).all()
    (gradient,) = torch.autograd.grad(values.sum(), p)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_masked_class_adds_nothing(name: str) -> None:
    p, q = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    masked = torch.full((5, 1), -torch.inf)
    values = DIVERGENCES[name](torch.cat([p, masked], 1), torch.cat([q, masked], 1))
    torch.testing.assert_close(values, DIVERGENCES[name](p, q))
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(values.sum(), (p, q)))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_gradient_is_that_of_finite_differences(name: str) -> None:
    torch.manual_seed(1)
    p, q = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(DIVERGENCES[name], (p, q))


def test_zero_only_at_equality_and_symmetric(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, q = logits
    for divergence in DIVERGENCES.values():
        torch.testing.assert_close(
            divergence(p, p + 1), torch.zeros(50, dtype=torch.float64), rtol=0, atol=1e-12
        )
        assert (divergence(p, q) > 0).all()
    torch.testing.assert_close(jeffreys_divergence(p, q), jeffreys_divergence(q, p))
    assert (jensen_shannon_divergence(p, q) <= 1).all()
    assert not torch.allclose(kl_divergence(p, q), kl_divergence(q, p))
