"""A model's logits on a test set: AUC, calibration (Guo et al. 2017) and accuracy under PGD-20."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_calibration_error

from scaat.data.image_set import ImageSet, to_float
from scaat.errors import InputError, unknown
from scaat.evaluation.context import Arrays, EvaluationContext
from scaat.evaluation.processes import ALONE, Processes
from scaat.functional.logits import class_logits, label_cross_entropy
from scaat.functional.perturbation import pgd
from scaat.functional.stability import uniform_noise
from scaat.models.outputs import SelectedOutputs
from scaat.passes import search_view
from scaat.statistics import accuracy_interval, auc_interval, auc_parts, mean_interval
from scaat.statistics.intervals import average_precision_interval, estimate, resampled_means


@torch.no_grad()
def all_logits(
    model: nn.Module,
    image_set: ImageSet,
    batch_size: int,
    device: torch.device,
    processes: Processes = ALONE,
) -> Tensor:
    """Return the logits (N, classes) of all images, float32 on the CPU; one counts as two.

    The batches are divided among ``processes``. Logits that do not fit the classes, or are not
    finite, raise `InputError`.
    """
    parts = processes.own(torch.split(torch.arange(len(image_set)), batch_size))
    outputs = [model(to_float(image_set.pixels(part).to(device))).float().cpu() for part in parts]
    output = torch.cat(processes.whole(outputs))
    logits = class_logits(output)
    fits = logits.dim() == 2 and len(logits) == len(image_set)
    if not fits or (image_set.has_labels and logits.shape[1] != len(image_set.classes)):
        raise InputError(
            f"the model's logits of {len(image_set)} images have shape {tuple(output.shape)}, "
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
    does, without its saturation. Images without labels (-1) have neither.
    """
    if (labels < 0).any():
        return {}
    answers: dict[str, NDArray[Any]] = {"correct": (logits.argmax(1) == labels).numpy()}
    if logits.shape[1] == 2:
        answers["margin"] = (logits[:, 1] - logits[:, 0]).numpy()
    return answers


def auc(
    answers: Mapping[str, NDArray[Any]], labels: Tensor, *, seed: int, resamples: int
) -> dict[str, Any] | None:
    """Return the area under the ROC curve with its interval; the second class is the positive one.

    None for more than two classes, and where the test set holds one only.
    """
    if "margin" not in answers:
        return None
    scores = answers["margin"].astype(np.float64)
    interval = auc_interval(scores, (labels == 1).numpy(), seed, resamples)
    return None if interval["value"] is None else interval


def check_label(name: str | None, images: ImageSet) -> None:
    """Raise `InputError` unless a label to measure is None or one of several of the images."""
    if name is not None and not images.is_multilabel:
        raise InputError(f"label is {name!r}, but the images have one label each")
    if name is not None and name not in images.classes:
        raise unknown("label", name, images.classes)


def one_label(
    model: nn.Module, images: ImageSet, name: str | None, device: torch.device
) -> tuple[SelectedOutputs, ImageSet]:
    """Return a label, the first if None, as a model of one logit and images of two classes.

    The given model maps images to logits (N, labels).
    """
    number = 0 if name is None else images.classes.index(name)
    return SelectedOutputs(model, [number]).to(device), images.of_label(number)


def all_labels(logits: Tensor, labels: Tensor, *, seed: int, resamples: int) -> dict[str, Any]:
    """Return what several labels (N, labels) have in common, with bootstrap intervals.

    These are ``exact_match`` and, over the labels that some images have and others do not,
    ``macro_auc`` and ``macro_average_precision``, each ``value``, ``low``, ``high``, ``n``.
    """
    scores, present = logits.double().numpy(), labels.numpy() == 1
    entries = {"exact_match": accuracy_interval(((scores > 0) == present).all(1))}
    mixed = present.any(0) & ~present.all(0)
    if mixed.any():
        scores, present = scores[:, mixed], present[:, mixed]
        pairs = zip(scores.T, present.T, strict=True)
        areas = np.mean([auc_parts(score, positive) for score, positive in pairs], axis=0)
        entries["macro_auc"] = mean_interval(areas, seed, resamples)
        entries["macro_average_precision"] = average_precision_interval(
            scores, present, seed, resamples
        )
    return entries


BINS = 15
"""Equal bins of [0, 1], as Guo et al. count."""


def calibration(logits: Tensor, labels: Tensor, *, seed: int, resamples: int) -> dict[str, Any]:
    """Return ``calibration_error``, the expected one, and ``mean_confidence``, with intervals.

    Confidence is the probability of the predicted class. The error is the mean, over bins of
    confidence weighted by their images, of |fraction of correct predictions - mean confidence|.
    It is biased upwards, and resampling adds to the bias: the bootstrap's mean excess over the
    estimate is subtracted from its limits, so that the interval contains the estimate.
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

    Returned are by name, for the images at int64 (n,) positions, which their random points follow,
    float32 (n,): 1 where the prediction holds, else 0. The model stays as it is.
    """
    view = search_view(context.model)

    def predict(images: Tensor) -> Tensor:
        context.count(len(images))
        return view(images)

    robust: dict[str, list[Tensor]] = {name: [] for name in EPSILONS}
    # Attacks differentiate, which an evaluation under inference mode could not.
    with torch.inference_mode(False):
        for part in context.parts(image_ids):
            samples = context.load(part)
            images, labels = samples.images.clone(), samples.labels
            start = uniform_noise(context.seed, part.tolist(), images.shape[1:]).to(images)
            with torch.no_grad():
                correct = class_logits(view(images)).argmax(1) == labels
            for name, epsilon in EPSILONS.items():
                attacked = pgd(
                    predict,
                    images,
                    partial(label_cross_entropy, labels=labels, reduction="sum"),
                    epsilon=epsilon,
                    steps=STEPS,
                    start=epsilon * start,
                )
                with torch.no_grad():
                    held = correct & (class_logits(view(attacked)).argmax(1) == labels)
                robust[name].append(held.float().cpu())
    whole = context.processes.whole
    return {name: torch.cat(whole(parts)).numpy() for name, parts in robust.items()}
