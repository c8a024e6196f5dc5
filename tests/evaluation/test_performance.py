"""Calibration and accuracy under attack, against closed forms and naive loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.data.image_set import ImageSet
from scaat.evaluation import EvaluationOptions, evaluate
from scaat.evaluation.context import EvaluationContext
from scaat.evaluation.performance import calibration, robustness


def of_confidence(confidence: Tensor) -> Tensor:
    """Logits of three classes that predict the first with this probability."""
    rest = (1 - confidence) / 2
    return torch.stack([confidence, rest, rest], dim=1).log()


def error(confidence: Tensor, correct: Tensor) -> float:
    """The definition, bin by bin."""
    total = 0.0
    for k in range(15):
        inside = (confidence >= k / 15) & (confidence < (k + 1) / 15)
        if inside.any():
            gap = correct[inside].double().mean() - confidence[inside].mean()
            total += (inside.double().mean() * gap.abs()).item()
    return total


def test_error_is_that_of_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    confidence = 0.4 + 0.6 * torch.rand(500, generator=generator, dtype=torch.float64)
    correct = torch.rand(500, generator=generator) < confidence**2  # over-confident
    labels = torch.where(correct, 0, 1)
    found = calibration(of_confidence(confidence), labels, seed=0, resamples=500)
    entry = found["calibration_error"]
    assert entry["value"] == pytest.approx(error(confidence, correct), abs=1e-6)
    assert entry["n"] == 500
    assert 0.05 < entry["low"] < entry["value"] < entry["high"] < 0.4
    mean = found["mean_confidence"]
    assert mean["value"] == pytest.approx(confidence.mean().item())
    assert mean["low"] < mean["value"] < mean["high"]


def test_a_certain_and_right_model_has_none() -> None:
    labels = torch.arange(12) % 3
    logits = 100.0 * torch.nn.functional.one_hot(labels, 3)
    found = calibration(logits, labels, seed=0, resamples=100)
    assert found["calibration_error"]["value"] == pytest.approx(0, abs=1e-12)
    assert found["calibration_error"]["high"] == pytest.approx(0, abs=1e-12)
    assert found["mean_confidence"]["value"] == 1


def test_the_interval_covers_the_limit_of_many_images() -> None:
    """Of 40 draws of 400 images about 95 % hold the error of endless images, which is 0.1."""
    covered = []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        confidence = torch.full((400,), 0.8, dtype=torch.float64)
        labels = torch.where(torch.rand(400, generator=generator) < 0.7, 0, 1)
        entry = calibration(of_confidence(confidence), labels, seed=seed, resamples=200)
        low, high = (entry["calibration_error"][key] for key in ("low", "high"))
        covered.append(low <= 0.1 <= high)
    assert 0.85 <= np.mean(covered) <= 1


OPTIONS = EvaluationOptions(
    attributions=("gradient",),
    also_measure=("robustness",),
    aopc_steps=2,
    aopc_repeats=1,
    bootstrap_resamples=100,
    examples=1,
)


def image_set(n: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.arange(n) % 2, ("a", "b"))


class Linear(nn.Module):
    """Two classes with logits (z, 0), where z is the mean over pixels of signs * (x - 128/255)."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.signs = nn.Parameter(torch.randint(0, 2, (192,), generator=generator) * 2.0 - 1)

    def forward(self, images: Tensor) -> Tensor:
        z = ((images.flatten(1) - 128 / 255) * self.signs).mean(1)
        return torch.stack([z, torch.zeros_like(z)], dim=1)


def with_margins(model: Linear) -> tuple[ImageSet, Tensor]:
    """Images that lie this many 255ths on the right side of the boundary, or on the wrong one."""
    margins = torch.tensor([m for m in range(-4, 14) if m not in (0, 2, 8)]).repeat(2)
    labels = torch.arange(len(margins)) % 2
    away = torch.where(labels == 0, margins, -margins)[:, None] * model.signs.detach()
    images = (128 + away).to(torch.uint8).view(-1, 3, 8, 8)
    return ImageSet(images, labels, ("a", "b")), margins


def found(
    model: nn.Module, data: ImageSet, batch_size: int = 8, seed: int = 0
) -> dict[str, Tensor]:
    context = EvaluationContext(
        model,
        data,
        OPTIONS,
        "gradient",
        seed,
        torch.device("cpu"),
        batch_size=4 * batch_size,
        random_label_model=None,
        count=lambda _: None,
    )
    values = robustness(context, torch.arange(len(data)))
    return {name: torch.from_numpy(held) for name, held in values.items()}


def test_a_linear_model_falls_where_its_margin_is_less_than_epsilon() -> None:
    """Closed form: the attack moves z by epsilon, as no pixel is near a bound."""
    model = Linear()
    data, margins = with_margins(model)
    values = found(model, data)
    assert torch.equal(values["robust_accuracy_2"], (margins > 2).float())
    assert torch.equal(values["robust_accuracy_8"], (margins > 8).float())


def test_an_attack_is_no_help() -> None:
    """Saturated at 1 or 0 a wrong image could be pushed anywhere; it stays counted as wrong."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, 2)).eval()
    data = image_set(40)
    with torch.no_grad():
        correct = model(data.images.float() / 255).argmax(1) == data.labels
    for values in found(model, data).values():
        assert not values[~correct].any()


def test_it_is_as_strong_as_the_naive_attack() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2)
    ).eval()
    data = image_set(40)
    epsilon, values = 8 / 255, found(model, data, seed=3)["robust_accuracy_8"]
    for number in range(40):
        image, label = data.images[number].float() / 255, data.labels[number : number + 1]
        draw = np.random.default_rng([3, number]).random((3, 8, 8), np.float32)
        x = (image + epsilon * torch.from_numpy(2 * draw - 1)).clamp(0, 1)
        for _ in range(20):
            leaf = x.clone().requires_grad_()
            F.cross_entropy(model(leaf[None]), label).backward()
            assert leaf.grad is not None
            x = x + epsilon / 8 * leaf.grad.sign()
            x = torch.max(torch.min(x, image + epsilon), image - epsilon).clamp(0, 1)
        held = all(model(y[None]).argmax(1) == label for y in (image, x))
        assert values[number] == held, number


def test_batches_change_nothing_and_leave_no_trace() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2)).eval()
    data = image_set(21)
    with torch.inference_mode():
        one = found(model, data, 21)
    two = found(model, data, 4)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson (1927), with the 97.5 % point of the normal distribution."""
    z = 1.959963984540054
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return middle - half, middle + half


def test_a_row_holds_the_shares_with_wilsons_interval() -> None:
    model = Linear()
    data, _ = with_margins(model)
    result = evaluate(model, data, OPTIONS, seed=2).results["gradient"]
    values = found(model, data, seed=2)
    for name, held in values.items():
        np.testing.assert_array_equal(result.per_image[name], held)
        entry = result.metrics[name]
        assert entry["value"] == pytest.approx(held.mean().item())
        low, high = wilson(held.mean().item(), 30)
        assert (entry["low"], entry["high"], entry["n"]) == (
            pytest.approx(low),
            pytest.approx(high),
            30,
        )
    plain = evaluate(model, data, replace(OPTIONS, also_measure=()), seed=2).results["gradient"]
    assert "robust_accuracy_2" not in plain.metrics
