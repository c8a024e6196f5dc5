"""Calibration: whether a model is right as often as its probabilities say (Guo et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from scaat.statistics import mean_interval
from scaat.statistics.intervals import estimate, resampled_means

BINS = 15
"""Equal bins of [0, 1], as Guo et al. count."""


def calibration(logits: Tensor, labels: Tensor, *, seed: int, resamples: int) -> dict[str, Any]:
    """Return the expected calibration error and the mean confidence, with intervals.

    Confidence is the probability of the predicted class. The error is the mean, over bins of
    confidence weighted by their images, of |share of correct predictions - mean confidence|.
    Chance alone makes it positive, and resampling adds to that: the bootstrap's mean excess over
    the estimate is taken off its limits, so that the interval holds the estimate.

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
