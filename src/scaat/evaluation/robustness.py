"""Accuracy under attack: which test images survive PGD-20 (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.data.image_set import ImageSet, to_float
from scaat.evaluation.measures import Arrays
from scaat.functional.perturbation import pgd
from scaat.passes import search_view

EPSILONS = {"robust_accuracy_2": 2 / 255, "robust_accuracy_8": 8 / 255}
"""Radius of the attack in the maximum norm, in pixel units, by the name of its accuracy."""

STEPS = 20
PASSES = STEPS * len(EPSILONS)
"""Predictions, each with its gradient, that an image takes."""


def robustness(
    model: nn.Module,
    image_set: ImageSet,
    measured: Tensor,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    tick: Callable[[int], None],
) -> Arrays:
    """Attack each image at every radius and see whether the model still names its class.

    PGD with 20 signed gradient steps of epsilon / 8 (2.5 epsilon / 20) that raise the
    cross-entropy of the true class, from one random point of the ball, inside [0, 1]. An image
    counts only if it is classified correctly without the attack, too, since the ball holds the
    image itself.

    Args:
        model: In eval mode; left as it is.
        image_set: The test images.
        measured: int64 (n,), the positions of those to attack.
        seed: Of the random points, non-negative; a point follows its image's position.
        batch_size: Images attacked at once; changes no result.
        device: Of the model.
        tick: Gets the number of images of every prediction.

    Returns:
        By name float32 (n,): 1 where the prediction holds, or else 0.
    """
    view = search_view(model)

    def predict(images: Tensor) -> Tensor:
        tick(len(images))
        return view(images)

    found: dict[str, list[Tensor]] = {name: [] for name in EPSILONS}
    # Attacks differentiate, which an evaluation under inference mode could not.
    with torch.inference_mode(False):
        for numbers in torch.split(measured, batch_size):
            chosen = image_set.subset(numbers)
            images = to_float(chosen.pixels().to(device)).clone()
            labels = chosen.labels.to(device)
            start = torch.from_numpy(_starts(images.shape[1:], numbers, seed)).to(images)
            with torch.no_grad():
                correct = view(images).argmax(1) == labels
            for name, epsilon in EPSILONS.items():
                attacked = pgd(
                    predict,
                    images,
                    partial(_cross_entropy, labels),
                    epsilon=epsilon,
                    steps=STEPS,
                    start=epsilon * start,
                )
                with torch.no_grad():
                    held = correct & (view(attacked).argmax(1) == labels)
                found[name].append(held.float().cpu())
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


def _cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), labels, reduction="sum")


def _starts(
    shape: torch.Size, numbers: Tensor, seed: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return a uniform point of [-1, 1] for each image."""
    points = [
        np.random.default_rng([seed, number]).random(shape, np.float32)
        for number in numbers.tolist()
    ]
    return 2 * np.stack(points) - 1
