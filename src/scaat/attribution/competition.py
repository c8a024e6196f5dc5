"""Class competition: the gradient where the target beats other classes."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError


@attributions.register("class-competition")
@saliency_method
def class_competition(
    query: Query, *, competitors: int = 2, sharpness: float = 10.0, threshold: float = 0.01
) -> Tensor:
    """Return the gradient where it exceeds that of competing classes (VAR, arXiv 2503.07346).

    Walter, Vreeken and Fischer 2025: pixels that matter for all classes alike say nothing of one.
    A softmax over the classes turns a pixel's absolute gradients into fractions. The map is the
    target's gradient times its fraction, and zero where the fraction does not exceed an equal one
    by the threshold. Defaults are those of the authors' code; here each image's gradients are first
    divided by their largest, so that the logits' scale does not decide. The gradients of two
    classes nearly mirror each other: neither would win.

    Costs one forward pass, and a forward pass and an input gradient for each class.

    Args:
        query: what to explain.
        competitors: classes beside the target: those with the highest logits, and last the one
            with the lowest. All where the model has no more.
        sharpness: multiplies the absolute gradients, in [0, 1], before the softmax; positive.
        threshold: how far the target's fraction must exceed an equal one, in [0, 1).

    Raises:
        InputError: an option is out of range, or the model has fewer than three classes.
    """
    if competitors < 1 or sharpness <= 0 or not 0 <= threshold < 1:
        raise InputError(
            "class competition takes 1 competitor or more, a positive sharpness and a threshold in "
            f"[0, 1), found {competitors}, {sharpness:g} and {threshold:g}"
        )
    with torch.no_grad():
        logits = query.predict(query.images)
    if logits.shape[1] < 3:
        raise InputError("class competition needs three classes or more, the model has two")
    targets = query.targets.unsqueeze(1)
    order = logits.scatter(1, targets, torch.inf).argsort(dim=1, descending=True, stable=True)
    if order.shape[1] > competitors + 1:  # the first is the target
        order = torch.cat([order[:, :competitors], order[:, -1:]], dim=1)
    gradients = torch.stack([query.gradient(targets=target) for target in order.unbind(1)])
    strength = gradients.abs()
    largest = strength.amax((0, *range(2, strength.dim())), keepdim=True)
    strength = strength / largest.clamp_min(torch.finfo(strength.dtype).tiny)
    fraction = (sharpness * strength.float()).softmax(0)[0]
    return gradients[0] * fraction * (fraction - 1 / len(gradients) > threshold)
