from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.objectives import NormRegularised

Batch = tuple[Tensor, Tensor, Tensor]
EPSILON, RIDGE, SIDE = 0.01, 0.02, 2


def net() -> nn.Module:
    """Without batch norm: the images do not depend on one another."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(720, 4))


def squares(values: Tensor) -> list[tuple[slice, ...]]:
    """The places of the groups in (C, H, W), the last ones smaller."""
    channels, height, width = values.shape
    return [
        (slice(c, c + 1), slice(y, y + SIDE), slice(x, x + SIDE))
        for c in range(channels)
        for y in range(0, height, SIDE)
        for x in range(0, width, SIDE)
    ]


def gradient_of(model: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    leaf = image.clone().requires_grad_()
    F.cross_entropy(model(leaf[None]), label[None]).backward()
    assert leaf.grad is not None
    return leaf.grad


def one_step(gradient: Tensor, penalty: str) -> Tensor:
    if penalty == "l1":
        return EPSILON * gradient.sign()
    if penalty == "elastic-net":
        return EPSILON * gradient.sign() + 2 * RIDGE * gradient
    change = torch.zeros_like(gradient)
    for place in squares(gradient):
        change[place] = EPSILON * gradient[place] / gradient[place].norm()
    return change


@pytest.mark.parametrize("penalty", ["l1", "elastic-net", "group"])
def test_one_step_is_the_authors_closed_form(penalty: str, batch: Batch) -> None:
    images, labels, _ = batch
    model = net()
    copied = copy.deepcopy(model)
    objective = NormRegularised(penalty, EPSILON, RIDGE, SIDE)
    output = objective(model, *batch)
    perturbed = [
        (image + one_step(gradient_of(copied, image, label), penalty)).clamp(0, 1)
        for image, label in zip(images, labels, strict=True)
    ]
    expected = F.cross_entropy(copied(torch.stack(perturbed)), labels)
    torch.testing.assert_close(output.loss, expected)
    assert expected > F.cross_entropy(copied(images), labels)


@pytest.mark.parametrize("penalty", ["l1", "elastic-net", "group"])
def test_search_is_the_authors_loop(penalty: str, batch: Batch) -> None:
    images, labels, _ = batch
    model = net()
    copied = copy.deepcopy(model)
    step_size = {"l1": 0.3 * EPSILON, "elastic-net": 0.068, "group": 0.226}[penalty]
    output = NormRegularised(penalty, EPSILON, RIDGE, SIDE, steps=4)(model, *batch)
    perturbed = []
    for image, label in zip(images, labels, strict=True):
        x = image
        for _ in range(4):
            gradient = gradient_of(copied, x, label)
            if penalty == "l1":
                change = (x + step_size * gradient.sign() - image).clamp(-EPSILON, EPSILON)
            elif penalty == "elastic-net":
                leaf = x.clone().requires_grad_()
                beyond = F.relu((leaf - image).abs() - EPSILON)
                (-(beyond**2).sum() / (4 * RIDGE)).backward()
                assert leaf.grad is not None
                gradient = gradient + leaf.grad
                change = x + step_size * gradient / gradient.norm() - image
            else:
                change = x + step_size * gradient / gradient.norm() - image
                for place in squares(change):
                    change[place] *= min(1.0, EPSILON / change[place].norm().item())
            x = (image + change).clamp(0, 1)
        perturbed.append(x)
    expected = F.cross_entropy(copied(torch.stack(perturbed)), labels)
    torch.testing.assert_close(output.loss, expected)


def test_to_first_order_the_loss_gains_the_norm_of_the_gradient(batch: Batch) -> None:
    """Small enough, the perturbation adds epsilon |g|_1 to the cross-entropy: the duality."""
    images, labels, index = batch
    model = net().double()
    images = images.double().clamp(0.1, 0.9)
    clean = F.cross_entropy(model(images), labels)
    norms = [gradient_of(model, i, y).abs().sum() for i, y in zip(images, labels, strict=True)]
    output = NormRegularised("l1", epsilon=1e-6)(model, images, labels, index)
    gained = (output.loss - clean) / 1e-6
    torch.testing.assert_close(gained, torch.stack(norms).mean(), rtol=1e-4, atol=0.0)


def test_groups_need_images() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 5\): pass penalty='l1' or 'elastic-net'"):
        NormRegularised("group")(
            nn.Linear(5, 2), torch.rand(3, 5), torch.tensor([0, 1, 0]), torch.arange(3)
        )
