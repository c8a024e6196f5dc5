from __future__ import annotations

import copy

import pytest
import torch
from tests.nets import vit
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.objectives import InputGradient

Batch = tuple[Tensor, Tensor, Tensor]


def closed_form(weight: Tensor, inputs: Tensor, labels: Tensor, strength: float) -> Tensor:
    """The loss of a linear softmax model: the gradient of its cross-entropy is W^T (p - y)."""
    logits = inputs @ weight.T
    gradient = (logits.softmax(1) - F.one_hot(labels, 3)) @ weight
    return F.cross_entropy(logits, labels) + strength * (gradient**2).sum(1).mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_linear_model_has_the_closed_form(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    inputs, labels = torch.rand(7, 5, dtype=dtype), torch.arange(7) % 3
    model = nn.Linear(5, 3, bias=False).to(dtype)
    output = InputGradient(weight=4.0)(model, inputs, labels, torch.arange(7))
    weight = model.weight.detach().clone().requires_grad_()
    expected = closed_form(weight, inputs, labels, 4.0)
    torch.testing.assert_close(output.loss, expected)
    assert output.terms["gradient_penalty"] > 0.1
    output.loss.backward()
    expected.backward()
    torch.testing.assert_close(model.weight.grad, weight.grad)


def test_float16_keeps_the_penalty_of_a_certain_prediction() -> None:
    """A gradient of 1e-4 is 1e-8 squared, which float16 has not; the closed form is float32's."""
    inputs, labels = torch.eye(3), torch.tensor([0, 1, 2])
    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(10 * torch.eye(3))
    with torch.autocast("cpu", torch.float16):
        output = InputGradient(weight=1.0)(model, inputs, labels, torch.arange(3))
    weight = model.weight.detach().clone().requires_grad_()
    expected = closed_form(weight, inputs, labels, 1.0)
    penalty = expected - F.cross_entropy(inputs @ weight.T, labels)
    assert penalty < 2e-6
    found = output.terms["gradient_penalty"]
    torch.testing.assert_close(found, penalty.detach(), rtol=0.02, atol=0.0)


def test_weight_gradient_is_that_of_finite_differences(batch: Batch) -> None:
    images, labels, index = batch
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(224, 4)
    ).double()
    objective = InputGradient(weight=3.0)

    def loss() -> Tensor:
        return objective(copy.deepcopy(model), images.double(), labels, index).loss

    objective(model, images.double(), labels, index).loss.backward()
    for name, place in (("0.weight", (1, 2, 0, 1)), ("4.weight", (3, 50)), ("1.bias", (2,))):
        parameter = model.get_parameter(name)
        assert parameter.grad is not None
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                parameter[place] += step
            values.append(loss().item())
            with torch.no_grad():
                parameter[place] -= step
        numeric = (values[0] - values[1]) / 2e-6
        assert numeric == pytest.approx(parameter.grad[place].item(), rel=1e-5, abs=1e-8)


def test_penalty_is_the_slope_of_each_images_own_loss(batch: Batch) -> None:
    """By differences of the cross-entropy along every pixel of an image in turn."""
    images, labels, index = batch
    images = images[:2, :, :3, :3].double()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(27, 8), nn.Tanh(), nn.Linear(8, 4)).double()
    found = InputGradient()(model, images, labels[:2], index[:2]).terms["gradient_penalty"]
    slopes = []
    for image, label in zip(images, labels, strict=False):
        rows = image.flatten() + 1e-6 * torch.eye(27, dtype=torch.float64)
        back = image.flatten() - 1e-6 * torch.eye(27, dtype=torch.float64)
        up, down = (
            F.cross_entropy(model(x.view(27, 3, 3, 3)), label.expand(27), reduction="none")
            for x in (rows, back)
        )
        slopes.append((((up - down) / 2e-6) ** 2).sum())
    torch.testing.assert_close(found, torch.stack(slopes).mean().detach(), rtol=1e-6, atol=0.0)


def test_attention_has_a_second_derivative(batch: Batch) -> None:
    images, labels, index = batch
    model = vit(4, (8, 8))
    InputGradient(weight=1.0)(model, images[:, :, :8, :8], labels, index).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_weight_zero_is_standard_training(batch: Batch) -> None:
    images, labels, _ = batch
    model = nn.Sequential(nn.Flatten(), nn.Linear(270, 4))
    expected = F.cross_entropy(model(images), labels)
    torch.testing.assert_close(InputGradient(weight=0.0)(model, *batch).loss, expected)
