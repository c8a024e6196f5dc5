"""Saliency map: the absolute input gradient of a class's score (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.functional.gradients import gradients_enabled, input_gradient
from scaat.functional.logits import class_logits

Predict = Callable[[Tensor], Tensor]
"""Maps inputs of shape (N, ...) to logits of shape (N, classes), or (N, 1) for one logit."""

Score = Literal["logit", "probability"]


def class_scores(logits: Tensor, labels: Tensor, score: Score = "logit") -> Tensor:
    """Return the score of each sample's class.

    Args:
        logits: Shape (N, classes), or (N, 1) for one logit (`class_logits`); any floating dtype.
        labels: Class numbers, int64, shape (N,); or for several labels floating point 0 or 1, of
            the shape of ``logits``: the score is then the sum over labels of z/2 with the sign of
            the label, or the probability of all labels together. Floating point (N,) are the
            targets of a regression: the score is the output, whatever ``score`` says.
        score: ``"logit"``, or ``"probability"`` after a softmax in at least float32.

    Returns:
        Shape (N,).
    """
    if score not in ("logit", "probability"):
        raise ValueError(f"score is {score!r}, expected 'logit' or 'probability'")
    if labels.dim() == 2:
        signed = logits * (2 * labels - 1)
        if score == "logit":
            return signed.sum(1) / 2
        wide = torch.promote_types(logits.dtype, torch.float32)
        return F.logsigmoid(signed.to(wide)).sum(1).exp()
    if labels.is_floating_point():
        return logits.reshape(labels.shape)
    logits = class_logits(logits)
    if score == "probability":
        logits = F.softmax(logits, dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return logits.gather(1, labels.unsqueeze(1)).squeeze(1)


def sum_channels(attributions: Tensor, *, signed: bool = False) -> Tensor:
    """Return absolute, or ``signed``, values, summed over channels: (N, H, W) for (N, C, H, W).

    So are series and volumes; tables (N, F) have no channels. Half precision is cast to float32
    first, so that sums and quantiles are not rounded.
    """
    attributions = attributions.to(torch.promote_types(attributions.dtype, torch.float32))
    values = attributions if signed else attributions.abs()
    return values.sum(dim=1) if values.dim() > 2 else values


def score_gradient(
    logits: Tensor,
    inputs: Tensor,
    labels: Tensor,
    *,
    score: Score = "logit",
    retain_graph: bool = False,
) -> Tensor:
    """Return the input gradient of each sample's class score, from an existing forward pass.

    Labels and score are those of `class_scores`; all else is as for `input_gradient`.
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
        predict: The model. Batch normalisation in training mode makes samples depend on each other.
        inputs: Floating point, shape (N, ...).
        labels: Class whose score is differentiated, int64, shape (N,); the paper's is the true one.
        score: ``"logit"`` (default) or ``"probability"``: two readings of the paper's "confidence".
        signed: Keep the gradient's sign, for the signed variant of saliency-guided training.

    Returns:
        Detached map, non-negative unless ``signed``, summed over channels: (N, H, W) for images
        (N, C, H, W), likewise for series and volumes, and (N, F) for tables (N, F).
    """
    with gradients_enabled():
        leaf = inputs.detach().clone().requires_grad_()
        gradient = score_gradient(predict(leaf), leaf, labels, score=score)
        return sum_channels(gradient, signed=signed)
