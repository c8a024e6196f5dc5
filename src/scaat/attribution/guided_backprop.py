"""Guided Backprop: the gradient, of which every ReLU lets only the positive part pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scaat.attribution.interception import Interception
from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions
from scaat.errors import InputError


@attributions.register("guided-backprop")
@saliency_method
def guided_backprop(query: Query) -> Tensor:
    """Return Guided Backprop (Springenberg et al. 2015).

    Equals Captum's `GuidedBackprop` where that is right, and is right in more models: ReLUs may
    be functions or modules, in place, used several times, or stand beside a skip connection.
    Other activations, ReLU6 among them, keep their gradient, as there.

    Costs one forward pass and one input gradient.

    Raises:
        InputError: the model calls no ReLU, so that the map would be the plain gradient.
    """
    return guided_gradient(query)


def guided_gradient(query: Query) -> Tensor:
    """Return the signed attributions of `guided_backprop`, (N, C, H, W)."""
    with Interception(query.model, {"relu": _guided_relu}) as interception:
        scores = query.scores(query.images)
    if not interception.used:
        raise InputError(
            "guided backprop needs a model with ReLUs, found none: its map would be the plain "
            "gradient"
        )
    (gradient,) = torch.autograd.grad(scores.sum(), query.images)
    return gradient


def _guided_relu(relu: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    entry = features.clone()  # its gradient is that of this call alone
    entry.register_hook(lambda gradient: gradient.clamp(min=0))
    return relu(entry)
