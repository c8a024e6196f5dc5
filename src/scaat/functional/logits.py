"""One logit as two classes, and the cross-entropy of class numbers or of several labels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.errors import InputError


def class_logits(logits: Tensor) -> Tensor:
    """Return a model's logits with a column for each class, at least two.

    A single logit z, whose sigmoid is the probability of class 1, becomes (-z/2, z/2), with the
    softmax (1 - sigmoid(z), sigmoid(z)): cross-entropy, divergences, the predicted class (0 at a
    tie) and curves are those of the Bernoulli prediction. The maps of both classes have the same
    scale; (0, z) has the same softmax, but its class 0 would have no gradient, and so no map.

    Args:
        logits: Floating point, shape (N, classes); (N, 1) or (N,) for a single logit.

    Returns:
        Shape (N, 2) for a single logit, with its graph; otherwise ``logits`` itself.

    Raises:
        InputError: ``logits`` are no tensor but another output of a model.
    """
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the model returned a {type(logits).__name__}, expected logits of shape "
            "(N, classes): scaat.models.adapters.Logits picks them out"
        )
    if logits.dim() == 1:
        logits = logits.unsqueeze(1)
    if logits.dim() != 2 or logits.shape[1] != 1:
        return logits
    return torch.cat([-logits / 2, logits / 2], dim=1)


def is_multilabel(labels: Tensor) -> bool:
    """Whether labels are 0 or 1 for each of several labels, floating point (N, labels)."""
    return labels.dim() == 2 and labels.is_floating_point()


def label_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Return the cross-entropy of a batch in nats, a scalar.

    Logits are (N, classes), (N, 1) or (N,) for one logit, or (N, labels); half precision is cast to
    float32. Labels are class numbers, int64 (N,), or several, as `is_multilabel` says, whose binary
    cross-entropies count as their mean. The ``label_smoothing`` spreads a fraction of each label
    over all classes; the ``reduction`` is over samples.
    """
    logits = logits if logits.dtype.itemsize >= 4 else logits.float()
    if is_multilabel(labels):
        smooth = torch.lerp(labels, torch.full_like(labels, 0.5), label_smoothing)
        losses = F.binary_cross_entropy_with_logits(
            logits, smooth.to(logits.dtype), reduction="none"
        ).mean(1)
        return losses.mean() if reduction == "mean" else losses.sum()
    return F.cross_entropy(
        class_logits(logits), labels, label_smoothing=label_smoothing, reduction=reduction
    )
