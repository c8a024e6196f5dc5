"""Apple's GPUs have no float64: nothing that runs on the model's device may need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import scaat.functional as functional
from scaat.functional import precision
from scaat.functional.blur import gaussian_blur
from scaat.functional.low_pass import low_pass
from scaat.objectives import build_objective, objectives

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 1, 0])
MAPS = IMAGES.mean(1)
MASKS = torch.zeros(4, 8, 8, dtype=torch.bool).index_fill(1, torch.tensor([2, 3]), True)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def explain(images: Tensor, _ids: Tensor) -> Tensor:
    return images.mean(1)


class WithoutFloat64(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in found if isinstance(found, tuple | list) else (found,):
            if isinstance(value, Tensor) and value.dtype == torch.float64:
                raise TypeError(f"{func} gave float64")
        return found


MEASURES: dict[str, Callable[[], Any]] = {
    "entropy": lambda: functional.entropy(MAPS),
    "gini": lambda: functional.gini(MAPS),
    "hoyer": lambda: functional.hoyer(MAPS),
    "lattice": lambda: functional.lattice_fractions(MAPS),
    "spearman": lambda: functional.spearman(MAPS, MAPS.flip(1)),
    "pointing_game": lambda: functional.pointing_game(MAPS, MASKS),
    "energy_inside": lambda: functional.energy_inside(MAPS, MASKS),
    "iou_at_area": lambda: functional.iou_at_area(MAPS, MASKS),
    "curve": lambda: functional.perturbation_curve(network(), IMAGES, MAPS, steps=2),
    "stability": lambda: functional.max_sensitivity(explain, IMAGES, perturbations=2),
    "single_deletion": lambda: functional.single_deletion(network(), IMAGES, MAPS, LABELS),
    "gaussian_blur": lambda: gaussian_blur(IMAGES),
    "low_pass": lambda: low_pass(MAPS, 0.25),
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = MEASURES[name]()
    monkeypatch.setattr(precision, "_WITHOUT_FLOAT64", {"cpu"})
    with WithoutFloat64():
        found = MEASURES[name]()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", objectives)
def test_training_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_WITHOUT_FLOAT64", {"cpu"})
    objective = build_objective(name, 4, {})
    with WithoutFloat64():
        objective(network(), IMAGES, LABELS, torch.arange(4)).loss.backward()
