"""Saliency map: the absolute input gradient of a class's score (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.functional.gradients import input_gradient

Predict = Callable[[Tensor], Tensor]
"""Maps inputs of shape (N, ...) to logits of shape (N, classes)."""

Score = Literal["logit", "probability"]


def class_scores(logits: Tensor, labels: Tensor, score: Score = "logit") -> Tensor:
    """Return the score of each sample's class.

    Args:
        logits: Shape (N, classes), any floating dtype.
        labels: Class numbers, int64, shape (N,).
        score: ``"logit"``, or ``"probability"`` after a softmax in at least float32.

    Returns:
        Shape (N,).
    """
    if score == "probability":
        logits = F.softmax(logits, dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))
    elif score != "logit":
        raise ValueError(f"score is {score!r}, expected 'logit' or 'probability'")
    return logits.gather(1, labels.unsqueeze(1)).squeeze(1)


def sum_channels(attributions: Tensor, *, signed: bool = False) -> Tensor:
    """Return absolute values; for images (N, C, H, W), summed over channels, (N, H, W).

    With ``signed`` the values keep their sign. Half precision is cast to float32 first, so that
    sums and quantiles are not rounded.
    """
    attributions = attributions.to(torch.promote_types(attributions.dtype, torch.float32))
    values = attributions if signed else attributions.abs()
    return values.sum(dim=1) if values.dim() == 4 else values


def score_gradient(
    logits: Tensor,
    inputs: Tensor,
    labels: Tensor,
    *,
    score: Score = "logit",
    retain_graph: bool = False,
) -> Tensor:
    """Return the input gradient of each sample's class score, from an existing forward pass.

    Args:
        logits: Output for ``inputs``, with its graph.
        inputs: The leaf that ``logits`` was computed from, requiring gradients.
        labels: Class whose score is differentiated, int64, shape (N,).
        score: See `class_scores`.
        retain_graph: Keep the graph, for a loss on the same logits.

    Returns:
        Detached, with the shape of ``inputs``, as `input_gradient` returns it.
    """
    return input_gradient(
        lambda output: class_scores(output, labels, score).sum(),
        logits,
        inputs,
        retain_graph=retain_graph,
    )


def saliency_map(
    predict: Predict,
    inputs: Tensor,
    labels: Tensor,
    *,
    score: Score = "logit",
    signed: bool = False,
) -> Tensor:
    """Return the absolute gradient of each sample's class score (GSmap, paper section 3.1).

    Costs one forward pass and one input gradient. Parameter gradients are neither computed nor
    changed. Works under ``torch.no_grad`` and on inference tensors.

    Args:
        predict: The model. Its samples should be independent; batch normalisation in training
            mode makes them depend on each other.
        inputs: Floating point, shape (N, ...).
        labels: Class whose score is differentiated, int64, shape (N,); the paper uses the
            true class.
        score: ``"logit"`` (default) or ``"probability"``, two readings of the paper's
            "confidence".
        signed: Keep the gradient's sign, for the signed variant of saliency-guided training.

    Returns:
        Detached map, non-negative unless ``signed``. Shape (N, H, W) for images (N, C, H, W),
        summed over channels; otherwise the shape of ``inputs``.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        gradient = score_gradient(predict(leaf), leaf, labels, score=score)
        return sum_channels(gradient, signed=signed)


def smoothgrad(
    predict: Predict,
    inputs: Tensor,
    labels: Tensor,
    *,
    samples: int,
    noise: float,
    score: Score = "logit",
) -> Tensor:
    """Return SmoothGrad's gradient: the mean over noisy copies (Smilkov et al. 2017).

    Costs ``samples`` forward passes and input gradients, one batch at a time.

    Args:
        predict: See `saliency_map`.
        inputs: See `saliency_map`.
        labels: See `saliency_map`.
        samples: Number of noisy copies, at least 1.
        noise: Standard deviation of the Gaussian noise, in units of the inputs.
        score: See `class_scores`.

    Returns:
        Detached, at least float32, with the shape of ``inputs``; its absolute values are the map.
    """
    mean = torch.zeros_like(inputs, dtype=torch.promote_types(inputs.dtype, torch.float32))
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(samples):
            leaf = (inputs + noise * torch.randn_like(inputs)).detach().requires_grad_()
            mean += score_gradient(predict(leaf), leaf, labels, score=score) / samples
    return mean
