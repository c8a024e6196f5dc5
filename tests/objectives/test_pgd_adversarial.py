from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.objectives import PGDAdversarial

Batch = tuple[Tensor, Tensor, Tensor]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(), nn.Linear(720, 4)
    )


def attacked(
    model: nn.Module, images: Tensor, labels: Tensor, steps: int, step: float, start: Tensor
) -> Tensor:
    """Madry et al.'s search, one image and one step at a time; epsilon is 0.1."""
    found = []
    for image, label, noise in zip(images, labels, start, strict=True):
        x = (image + noise).clamp(0, 1)
        for _ in range(steps):
            leaf = x.clone().requires_grad_()
            F.cross_entropy(model(leaf[None]), label[None]).backward()
            assert leaf.grad is not None
            moved = x + step * leaf.grad.sign()
            x = torch.max(torch.min(moved, image + 0.1), image - 0.1).clamp(0, 1)
        found.append(x)
    return torch.stack(found)


@pytest.mark.parametrize("clean_fraction", [0.0, 0.25])
@pytest.mark.parametrize("random_start", [True, False])
def test_loss_is_that_of_equation_2_1(
    clean_fraction: float, random_start: bool, batch: Batch
) -> None:
    images, labels, _ = batch
    model = net()
    attack_model, loss_model = copy.deepcopy(model), copy.deepcopy(model)
    attack_model(images)  # the clean pass comes first and moves the running statistics
    attack_model.eval()
    objective = PGDAdversarial(
        epsilon=0.1,
        steps=3,
        step_size=0.04,
        random_start=random_start,
        clean_fraction=clean_fraction,
    )
    torch.manual_seed(7)
    output = objective(model, *batch)
    torch.manual_seed(7)
    start = torch.empty_like(images).uniform_(-0.1, 0.1) * random_start
    adversarial = attacked(attack_model, images, labels, 3, 0.04, start)
    clean = F.cross_entropy(loss_model(images), labels)
    adversarial_loss = F.cross_entropy(loss_model(adversarial), labels)
    torch.testing.assert_close(
        output.loss, clean_fraction * clean + (1 - clean_fraction) * adversarial_loss
    )
    assert adversarial_loss > clean
    torch.testing.assert_close(output.terms["adversarial_cross_entropy"], adversarial_loss)
    accuracy = (loss_model(adversarial).argmax(1) == labels).float().mean()
    assert output.terms["adversarial_accuracy"] == accuracy


def test_the_search_raises_the_loss_that_is_minimised() -> None:
    """With smoothed labels the worst input of a linear model is another one than without.

    Closed form: two classes with logits (z, 0) and z = 2 x. With smoothing s the loss rises with
    the distance of p from 1 - s/2, so beyond that confidence the search raises it further.
    """
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0], [0.0]]))
    inputs, labels = torch.tensor([[2.0]]), torch.tensor([0])  # p = 0.982
    losses = {}
    for smoothing in (0.0, 0.5):
        objective = PGDAdversarial(
            0.5, steps=1, random_start=False, label_smoothing=smoothing, bounds=None
        )
        losses[smoothing] = objective(model, inputs, labels, torch.tensor([0])).loss
    low, high = torch.tensor([[3.0, 0.0]]), torch.tensor([[5.0, 0.0]])
    torch.testing.assert_close(losses[0.0], F.cross_entropy(low, labels))
    torch.testing.assert_close(losses[0.5], F.cross_entropy(high, labels, label_smoothing=0.5))


def test_search_mode_decides_what_batch_norm_sees(batch: Batch) -> None:
    losses = []
    for mode in ("eval", "train"):
        torch.manual_seed(1)
        losses.append(PGDAdversarial(search_mode=mode)(net(), *batch).loss)
    assert not torch.allclose(*losses)


def test_epsilon_zero_is_standard_training(batch: Batch) -> None:
    images, labels, _ = batch
    model = net()
    expected = F.cross_entropy(copy.deepcopy(model)(images), labels)
    torch.testing.assert_close(PGDAdversarial(epsilon=0.0)(model, *batch).loss, expected)
