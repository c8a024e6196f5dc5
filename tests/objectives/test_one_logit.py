"""A model of one logit trains as the softmax of two classes with the same probabilities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scaat import Standard
from scaat.errors import InputError
from scaat.objectives import build_objective, objectives

OPTIONS: dict[str, dict[str, Any]] = {
    "scaat": {"weight": 5.0, "initial_proportion": 0.4, "epsilon": 0.3}
}
MAKES_LOGIT_MAPS = {"scaat", "saliency-guided", "saliency-guided-adversarial"}


class Head(nn.Module):
    """From images to one logit z, or to two logits (before * z, after * z)."""

    def __init__(self, before: float | None = None, after: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 1))
        self.weights = None if before is None else (before, after)

    def forward(self, images: Tensor) -> Tensor:
        z: Tensor = self.body(images)
        return z if self.weights is None else torch.cat([each * z for each in self.weights], 1)


def batch(n: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(n, 3, 8, 8, generator=generator)
    return images, torch.arange(n) % 2, torch.arange(n)


def run(model: nn.Module, name: str, labels: Tensor, **options: Any) -> tuple[Any, ...]:
    images, _, index = batch()
    objective = build_objective(name, 10, {**OPTIONS.get(name, {}), **options})
    torch.manual_seed(0)
    output = objective(model, images, labels, index)
    output.loss.backward()
    state = {key: value for key, value in objective.state_dict().items() if key == "proportion"}
    return output.loss, output.terms, [p.grad for p in model.parameters()], state


@pytest.mark.parametrize("name", sorted(objectives))
def test_every_method_agrees_with_the_softmax_of_two(name: str) -> None:
    """In loss, terms, weights' gradients and proportions."""
    labels = batch()[1]
    torch.testing.assert_close(
        run(Head(), name, labels), run(Head(-0.5, 0.5), name, labels), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("name", sorted(set(objectives) - MAKES_LOGIT_MAPS))
def test_methods_without_maps_agree_with_logits_zero_and_z(name: str) -> None:
    labels = batch()[1]
    torch.testing.assert_close(
        run(Head(), name, labels), run(Head(0.0, 1.0), name, labels), atol=1e-6, rtol=1e-5
    )


def test_scaat_agrees_with_logits_zero_and_z() -> None:
    """By probability for both classes; by logit for class 1, as class 0 has no gradient there."""
    mixed, ones = batch()[1], torch.ones(10, dtype=torch.int64)
    for labels, score in ((mixed, "probability"), (ones, "logit")):
        found = run(Head(), "scaat", labels, score=score)
        torch.testing.assert_close(
            found, run(Head(0.0, 1.0), "scaat", labels, score=score), atol=1e-6, rtol=1e-5
        )
        assert found[1]["divergence"] > 0


@pytest.mark.parametrize("squeezed", [False, True])
def test_loss_is_binary_cross_entropy(squeezed: bool) -> None:
    images, labels, index = batch()
    model = nn.Sequential(Head(), nn.Flatten(0)) if squeezed else Head()
    output = Standard()(model, images, labels, index)
    z = output.logits.flatten()
    expected = nn.functional.binary_cross_entropy_with_logits(z, labels.float())
    torch.testing.assert_close(output.loss, expected)
    assert output.logits.shape == ((10,) if squeezed else (10, 1))


def test_the_sign_of_the_logit_moves_the_proportion() -> None:
    images, labels, index = batch()
    objective = build_objective("scaat", 10, {**OPTIONS["scaat"], "epsilon": 0.0})
    model = Head()
    right = (model(images)[:, 0] > 0) == (labels == 1)
    assert 0 < right.sum() < 10
    output = objective(model, images, labels, index)
    moved = torch.where(right, 0.41, 0.39)
    torch.testing.assert_close(objective.get_buffer("proportion"), moved)
    torch.testing.assert_close(output.terms["adversarial_accuracy"], right.float().mean())


def test_labels_of_another_kind_are_refused_in_one_sentence() -> None:
    images, labels, index = batch()
    with pytest.raises(InputError, match=r"labels have dtype torch.float32, expected torch.int64"):
        Standard()(Head(), images, labels.float(), index)
    with pytest.raises(InputError, match="label 2 is out of range, expected 0 to 1 for 2 classes"):
        Standard()(Head(), images, labels + 1, index)
    with pytest.raises(InputError, match=r"labels has shape \(10, 1\), expected \(10,\)"):
        Standard()(Head(), images, labels.unsqueeze(1), index)
