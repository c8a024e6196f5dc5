from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scaat.functional import jeffreys_divergence, masked_pgd, saliency_map
from scaat.functional.gradients import input_gradient

WEIGHT = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.25, 1.5]])


def half(inputs: Tensor) -> Tensor:
    """A linear model in float16 on float32 inputs, as autocast makes it."""
    return inputs.half() @ WEIGHT.half().T


def single(inputs: Tensor) -> Tensor:
    return inputs @ WEIGHT.T


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e6])
def test_gradients_beyond_the_range_of_float16(factor: float) -> None:
    """Closed form: the gradient of ``factor * logit`` is ``factor * weight``, to 11 bits."""
    inputs = torch.rand(4, 3).requires_grad_()
    found = input_gradient(lambda logits: factor * logits[:, 1].sum(), half(inputs), inputs)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (factor * WEIGHT[1]).expand(4, 3), rtol=1e-3, atol=0.0)
    naive = torch.autograd.grad((factor * half(inputs)[:, 1]).sum(), inputs)[0]
    assert torch.allclose(naive, found, rtol=1e-2, atol=0.0) == (factor == 1.0)


def test_zero_gradient_stays_zero() -> None:
    inputs = torch.rand(2, 3).requires_grad_()
    assert not input_gradient(lambda logits: 0 * logits.sum(), half(inputs), inputs).any()


def test_search_moves_where_a_prediction_is_certain() -> None:
    """In float16 the divergence's gradient there is zero; scaled, its signs are those of 32."""
    inputs = torch.tensor([[3.0, -3.0, 0.0]])  # logits of 9 and -9.75
    start = torch.tensor([[0.01, 0.02, -0.01]])
    known = {"epsilon": 0.1, "steps": 1, "bounds": None, "start": start}
    mask = torch.ones_like(inputs, dtype=torch.bool)
    found, expected = (masked_pgd(f, inputs, mask, **known) for f in (half, single))
    torch.testing.assert_close(found, expected)
    leaf = inputs.clone().requires_grad_()
    divergence = jeffreys_divergence(half(leaf + start), half(inputs)).sum()
    assert not torch.autograd.grad(divergence, leaf)[0].any()  # as it would be unscaled


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maps_of_half_inputs_are_float32(dtype: torch.dtype) -> None:
    images = torch.rand(2, 3, 4, 4).to(dtype)
    labels = torch.tensor([0, 1])

    def predict(x: Tensor) -> Tensor:
        return x.flatten(2).mean(2) @ WEIGHT.to(dtype).T

    maps = saliency_map(predict, images, labels)
    assert maps.dtype == torch.float32
    expected = WEIGHT[labels].abs().sum(1) / 16
    torch.testing.assert_close(maps, expected.view(2, 1, 1).expand(2, 4, 4), rtol=1e-2, atol=0.0)
    found = masked_pgd(predict, images, torch.ones(2, 4, 4, dtype=torch.bool), epsilon=0.1, steps=2)
    assert found.dtype == dtype
