"""A model's logits on a test set: AUC, calibration (Guo et al. 2017) and accuracy under PGD-20."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_calibration_error

from scaat.data.image_set import ImageSet, to_float
from scaat.errors import InputError
from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.functional.perturbation import pgd
from scaat.passes import search_view
from scaat.statistics import auc_interval, mean_interval
from scaat.statistics.intervals import estimate, resampled_means


@torch.no_grad()
def all_logits(
    model: nn.Module, image_set: ImageSet, batch_size: int, device: torch.device
) -> Tensor:
    """Return the logits (N, classes) of all images, float32 on the CPU.

    Raises:
        InputError: They do not fit the classes, or are not finite.
    """
    parts = torch.split(torch.arange(len(image_set)), batch_size)
    logits = torch.cat(
        [model(to_float(image_set.pixels(part).to(device))).float() for part in parts]
    ).cpu()
    if logits.shape != (len(image_set), len(image_set.classes)):
        raise InputError(
            f"the model's logits of {len(image_set)} images have shape {tuple(logits.shape)}, "
            f"expected one for each of {len(image_set.classes)} classes"
        )
    bad = (~logits.isfinite()).any(1)
    if bad.any():
        raise InputError(
            f"the model's logits are not finite for {int(bad.sum())} of {len(bad)} test images, "
            f"the first at position {int(bad.nonzero()[0])}"
        )
    return logits


def all_answers(logits: Tensor, labels: Tensor) -> dict[str, NDArray[Any]]:
    """Return ``correct`` bool (N,) and, for two classes, ``margin`` float32 (N,).

    The margin is the second class's logit minus the first's. It orders images as the probability
    does, without its saturation.
    """
    answers: dict[str, NDArray[Any]] = {"correct": (logits.argmax(1) == labels).numpy()}
    if logits.shape[1] == 2:
        answers["margin"] = (logits[:, 1] - logits[:, 0]).numpy()
    return answers


def auc(
    answers: Mapping[str, NDArray[Any]], labels: Tensor, *, seed: int, resamples: int
) -> dict[str, Any] | None:
    """Return the area under the ROC curve of two classes with its interval.

    The second class is the positive one. None for more classes, and where the test set holds one
    class only.
    """
    if "margin" not in answers:
        return None
    scores = answers["margin"].astype(np.float64)
    interval = auc_interval(scores, (labels == 1).numpy(), seed, resamples)
    return None if interval["value"] is None else interval


BINS = 15
"""Equal bins of [0, 1], as Guo et al. count."""


def calibration(logits: Tensor, labels: Tensor, *, seed: int, resamples: int) -> dict[str, Any]:
    """Return the expected calibration error and the mean confidence, with intervals.

    Confidence is the probability of the predicted class. The error is the mean, over bins of
    confidence weighted by their images, of |fraction of correct predictions - mean confidence|.
    It is biased upwards, and resampling adds to the bias: the bootstrap's mean excess over the
    estimate is subtracted from its limits, so that the interval contains the estimate.

    Args:
        logits: float (N, classes).
        labels: int64 (N,).
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Returns:
        ``calibration_error`` and ``mean_confidence``, each ``value``, ``low``, ``high``, ``n``.
    """
    probabilities = logits.double().softmax(1)
    confidence, predicted = probabilities.max(1)
    value = multiclass_calibration_error(
        probabilities, labels, num_classes=logits.shape[1], n_bins=BINS, norm="l1"
    ).item()
    gap = (predicted == labels).double() - confidence
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    # The error is the sum over bins of |mean of the gaps of that bin's images over all images|.
    gaps = torch.zeros(BINS, len(labels), dtype=torch.float64).scatter_(0, bins[None], gap[None])
    distribution = np.abs(resampled_means(gaps.numpy(), seed, resamples)).sum(0)
    distribution = np.maximum(distribution - (distribution.mean() - value), 0)
    return {
        "calibration_error": estimate(value, len(labels), distribution),
        "mean_confidence": mean_interval(confidence.numpy(), seed, resamples),
    }


EPSILONS = {"robust_accuracy_2": 2 / 255, "robust_accuracy_8": 8 / 255}
"""Radius of the attack in the maximum norm, in pixel units, by the name of its accuracy."""

STEPS = 20
PASSES = STEPS * len(EPSILONS)
"""Predictions, each with its gradient, of one attacked image."""


def robustness(context: EvaluationContext, image_ids: Tensor) -> Arrays:
    """Attack each image at every radius and see whether the model still predicts its class.

    PGD (Madry et al. 2018) with 20 signed gradient steps of epsilon / 8 (2.5 epsilon / 20) that
    raise the cross-entropy of the true class, from one random point of the ball, inside [0, 1].
    An image counts only if it is also classified correctly without the attack, since the ball
    contains the image itself.

    Args:
        context: The model, which stays as it is, the test images and the seed of the random
            points; a point follows its image's position.
        image_ids: int64 (n,), positions of the images to attack.

    Returns:
        By name float32 (n,): 1 where the prediction holds, else 0.
    """
    view = search_view(context.model)

    def predict(images: Tensor) -> Tensor:
        context.count(len(images))
        return view(images)

    robust: dict[str, list[Tensor]] = {name: [] for name in EPSILONS}
    # Attacks differentiate, which an evaluation under inference mode could not.
    with torch.inference_mode(False):
        for part in torch.split(image_ids, context.gradient_batch_size):
            samples = context.load(part)
            images, labels = samples.images.clone(), samples.labels
            start = torch.from_numpy(_starts(images.shape[1:], part, context.seed)).to(images)
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
                robust[name].append(held.float().cpu())
    return {name: torch.cat(parts).numpy() for name, parts in robust.items()}


def _cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), labels, reduction="sum")


def _starts(
    shape: torch.Size, image_ids: Tensor, seed: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return a uniform point of [-1, 1] for each image."""
    points = [
        np.random.default_rng([seed, image_id]).random(shape, np.float32)
        for image_id in image_ids.tolist()
    ]
    return 2 * np.stack(points) - 1
