from __future__ import annotations

import pytest
import torch
from captum.attr import Saliency
from torch import nn

from scaat.functional import saliency_map


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(5)).double().eval()


def test_equals_captum_summed_over_channels(net: nn.Module) -> None:
    images = torch.rand(7, 3, 9, 6, dtype=torch.float64)
    labels = torch.randint(0, 5, (7,))
    net(images)
    expected = Saliency(net).attribute(images.clone(), labels, abs=True).sum(1)
    torch.testing.assert_close(saliency_map(net, images, labels), expected)


@pytest.mark.parametrize("sides", [(7,), (3, 4, 5)])
def test_series_and_volumes_are_summed_over_channels(sides: tuple[int, ...]) -> None:
    weight = torch.randn(2, 3, *sides)
    predict = nn.Sequential(nn.Flatten(), nn.Linear(weight[0].numel(), 2))
    predict[1].weight.data = weight.flatten(1)
    maps = saliency_map(predict, torch.rand(4, 3, *sides), torch.tensor([0, 1, 1, 0]))
    torch.testing.assert_close(maps, weight.abs().sum(1)[[0, 1, 1, 0]])


def test_linear_model_gives_its_weights() -> None:
    weight = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -4.0]])
    maps = saliency_map(lambda x: x @ weight.T, torch.rand(2, 3), torch.tensor([0, 1]))
    torch.testing.assert_close(maps, weight.abs())


def test_probability_score_is_the_softmax_derivative() -> None:
    weight = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    inputs = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    p = (inputs @ weight.T).softmax(1)[0]
    expected = (p[0] * p[1] * (weight[0] - weight[1])).abs()
    maps = saliency_map(lambda x: x @ weight.T, inputs, torch.tensor([0]), score="probability")
    torch.testing.assert_close(maps[0], expected)


def test_signed_keeps_the_sign() -> None:
    weight = torch.tensor([[1.0, -2.0], [0.0, 0.0]])
    maps = saliency_map(lambda x: x @ weight.T, torch.rand(1, 2), torch.tensor([0]), signed=True)
    assert maps.tolist() == [[1.0, -2.0]]


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(net: nn.Module, context: type) -> None:
    images, labels = torch.rand(2, 3, 9, 6, dtype=torch.float64), torch.tensor([1, 2])
    net(images)
    expected = saliency_map(net, images, labels)
    with context():
        copy = images * 1  # made in this mode: an inference tensor in one of the cases
        torch.testing.assert_close(saliency_map(net, copy, labels), expected)


def test_touches_no_parameter_gradient(net: nn.Module) -> None:
    images = torch.rand(2, 3, 9, 6, dtype=torch.float64)
    saliency_map(net, images, torch.tensor([0, 1]))
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not images.requires_grad
