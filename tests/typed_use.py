"""A user's typed program: mypy checks it strictly with the package, and a test runs it."""

from __future__ import annotations

from typing import assert_type

import torch
from torch import Tensor, nn

from scaat import SCAAT
from scaat.functional import aopc, entropy, gini, perturbation_curve, saliency_map
from scaat.metrics import GiniIndex
from scaat.objectives import Objective, ObjectiveOutput, Search


def train(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """One step; `objective(...)` has to have a type, which torch's modules do not give."""
    objective: Objective = SCAAT(
        num_samples=len(images), weight=1.0, search=Search(epsilon=8 / 255, steps=1)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    out = objective(model, images, labels, torch.arange(len(images)))
    assert_type(out, ObjectiveOutput)
    assert_type(out.logits, Tensor)
    out.loss.backward()
    optimizer.step()
    return out.loss.item()


def measure(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Sparsity and faithfulness of a model's maps."""
    maps = saliency_map(model, images, labels)
    assert_type(maps, Tensor)
    curves = perturbation_curve(model, images, maps, repeats=1)
    metric = GiniIndex()
    metric.update(maps)
    return {
        "entropy": entropy(maps).mean().item(),
        "gini": gini(maps).mean().item(),
        "gini of the metric": float(metric.compute()),
        "aopc": aopc(curves["lerf"]).mean().item(),
    }
