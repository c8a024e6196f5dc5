"""One logit against closed forms of SciPy, and against a softmax of two classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit
from torch import Tensor, nn

from scaat.functional import (
    class_logits,
    jeffreys_divergence,
    jensen_shannon_divergence,
    kl_divergence,
    perturbation_curve,
    relative_input_stability,
    saliency_map,
)

Z = torch.tensor([[-30.0], [-2.0], [0.0], [0.7], [25.0]], dtype=torch.float64)
OTHER = torch.tensor([[-3.0], [1.0], [-0.5], [0.6], [2.0]], dtype=torch.float64)


def test_softmax_of_two_is_the_sigmoid_of_one() -> None:
    positive = expit(Z[:, 0].numpy())
    for logits in (Z, Z[:, 0]):
        probabilities = class_logits(logits).softmax(1)
        np.testing.assert_allclose(probabilities[:, 1], positive, rtol=1e-12)
        np.testing.assert_allclose(probabilities[:, 0], 1 - positive, atol=1e-12)
    assert class_logits(Z).argmax(1).tolist() == [0, 0, 0, 1, 1]
    two = torch.rand(3, 2)
    assert class_logits(two) is two


def test_divergences_are_those_of_bernoulli_predictions() -> None:
    p, q = (np.stack([expit(-z), expit(z)]) for z in (Z[:, 0].numpy(), OTHER[:, 0].numpy()))
    p_q, q_p = stats.entropy(p, q, base=2), stats.entropy(q, p, base=2)
    mean = (p + q) / 2
    js = (stats.entropy(p, mean, base=2) + stats.entropy(q, mean, base=2)) / 2
    np.testing.assert_allclose(kl_divergence(Z, OTHER), p_q, atol=1e-9)
    np.testing.assert_allclose(jeffreys_divergence(Z, OTHER), (p_q + q_p) / 2, atol=1e-9)
    np.testing.assert_allclose(jensen_shannon_divergence(Z, OTHER), js, atol=1e-9)


def test_extreme_logits_stay_finite_in_half_precision() -> None:
    extreme = torch.tensor([[60000.0], [-60000.0]], dtype=torch.float16, requires_grad=True)
    divergence = jeffreys_divergence(extreme, -extreme.detach() / 6)
    divergence.sum().backward()
    assert divergence.isfinite().all()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()


class ZeroFirst(nn.Module):
    """A softmax head of two classes with logits (0, z)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        z: Tensor = self.network(images)
        return torch.cat([torch.zeros_like(z), z], 1)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 1)).double()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(6, 3, 8, 8, generator=generator, dtype=torch.float64)


def test_maps_are_those_of_a_softmax_of_two(network: nn.Module, images: Tensor) -> None:
    """By probability for both classes; by logit up to the scale, with the sign of the class."""
    two, zeros, ones = ZeroFirst(network), *torch.tensor([[0] * 6, [1] * 6])
    for labels in (zeros, ones):
        one = saliency_map(network, images, labels, score="probability")
        softmax = saliency_map(two, images, labels, score="probability")
        torch.testing.assert_close(one, softmax, atol=1e-6, rtol=1e-6)
    signed = saliency_map(network, images, ones, signed=True)
    torch.testing.assert_close(2 * signed, saliency_map(two, images, ones, signed=True))
    torch.testing.assert_close(saliency_map(network, images, zeros, signed=True), -signed)


def test_curves_and_stability_are_those_of_a_softmax_of_two(
    network: nn.Module, images: Tensor
) -> None:
    images, network, two = images.float(), network.float(), ZeroFirst(network.float())
    maps = saliency_map(network, images, torch.ones(6, dtype=torch.int64))
    one, softmax = (
        perturbation_curve(predict, images, maps, steps=4, repeats=2) for predict in (network, two)
    )
    for order in ("lerf", "morf"):
        torch.testing.assert_close(one[order], softmax[order], atol=1e-6, rtol=0)
    assert one["morf"].abs().max() > 1e-3

    def explain(x: Tensor, position: Tensor) -> Tensor:
        return saliency_map(network, x, torch.ones_like(position))

    # Large perturbations, some of which change the class.
    values = [relative_input_stability(p, explain, images, radius=0.9) for p in (network, two)]
    torch.testing.assert_close(values[0], values[1], equal_nan=True)
