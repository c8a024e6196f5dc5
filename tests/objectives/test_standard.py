"""Standard training's binary cross-entropy against torch's, and where it changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from scaat.objectives import Standard

IMAGES, INDEX = torch.rand(5, 3, 4, 4), torch.arange(5)


def net(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, outputs))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_each_class_counts_against_all_others(smoothing: float) -> None:
    labels = torch.tensor([2, 0, 1, 1, 2])
    output = Standard(binary=True, label_smoothing=smoothing)(net(3), IMAGES, labels, INDEX)
    targets = (1 - smoothing) * torch.eye(3)[labels] + smoothing / 2
    expected = F.binary_cross_entropy_with_logits(output.logits, targets)
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(output.terms["binary_cross_entropy"], expected.detach())


def test_the_cross_entropy_that_an_accuracy_budget_compares_is_that_of_the_softmax() -> None:
    labels = torch.tensor([2, 0, 1, 1, 2])
    plain = Standard()(net(3), IMAGES, labels, INDEX)
    binary = Standard(binary=True)(net(3), IMAGES, labels, INDEX)
    torch.testing.assert_close(binary.terms["cross_entropy"], plain.loss.detach())


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [(1, torch.tensor([1, 0, 1, 1, 0])), (3, (torch.arange(15).view(5, 3) % 2).float())],
    ids=["one logit", "several labels"],
)
def test_losses_that_are_binary_already_stay(outputs: int, labels: torch.Tensor) -> None:
    plain = Standard()(net(outputs), IMAGES, labels, INDEX)
    binary = Standard(binary=True)(net(outputs), IMAGES, labels, INDEX)
    torch.testing.assert_close(binary.loss, plain.loss, rtol=0, atol=0)


def test_regression_stays() -> None:
    numbers = torch.rand(5)
    plain = Standard().for_regression(1.0)(net(1), IMAGES, numbers, INDEX)
    binary = Standard(binary=True).for_regression(1.0)(net(1), IMAGES, numbers, INDEX)
    torch.testing.assert_close(binary.loss, plain.loss, rtol=0, atol=0)
