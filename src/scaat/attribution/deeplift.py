"""DeepLift: differences from a black image, carried back through each activation's slope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.attribution.interception import Interception
from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions
from scaat.errors import InputError
from scaat.functional.saliency import class_scores

ACTIVATIONS = (
    *("relu", "relu6", "hardtanh", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu"),
    *("mish", "hardswish", "sigmoid", "hardsigmoid", "logsigmoid", "tanh", "softplus", "softsign"),
    *("clamp", "clamp_min", "clamp_max"),
)
"""Elementwise functions of `torch.nn.functional` or `torch` that have the rescale rule."""

_CLOSE = 1e-6  # relative; rounding errors would make up the slope between values closer than that


@attributions.register("deeplift")
@saliency_method
def deeplift(query: Query) -> Tensor:
    """Return DeepLift with the rescale rule, from a black image (Shrikumar et al. 2017).

    An activation passes the slope between its values for the image and for the black image in
    the place of its derivative; max pooling shares the difference out between the two pixels
    that won, as Captum does. The attributions of an image then add up to the difference of the
    class's logit from the black image's, which is checked: what has no such rule (products of
    features, as in attention and squeeze-and-excitation, softmax, layer norm) is refused.

    Equals Captum's `DeepLift` where that is right, and is right in more models: activations may
    be functions or modules, in place, used several times, or stand beside a skip connection, and
    the windows of a pooling may overlap, so that torchvision's ResNets work.

    Costs one forward pass and one input gradient, with one black image in the batch.

    Raises:
        InputError: the attributions do not add up to the difference of the logits.
    """
    rules = dict.fromkeys(ACTIVATIONS, _rescaled) | {"max_pool2d": _rescaled_pool}
    black = torch.zeros_like(query.images[:1])
    with Interception(query.model, rules):
        logits = query.predict(torch.cat([query.images, black]))
    scores, ground = class_scores(logits[:-1], query.targets), logits[-1, query.targets]
    (multipliers,) = torch.autograd.grad(scores.sum(), query.images)
    signed = multipliers * query.images.detach()
    _check_completeness(signed, (scores - ground).detach())
    return signed


def _check_completeness(signed: Tensor, differences: Tensor) -> None:
    """Raise `InputError` unless attributions (N, ...) add up to the differences (N,)."""
    sums = signed.flatten(1).sum(1)
    tolerance = torch.finfo(signed.dtype).eps ** 0.5 * signed.flatten(1).abs().sum(1)
    right = (sums - differences).abs() <= tolerance  # false for NaN
    if not right.all():
        worst = int((~right).nonzero()[0])
        raise InputError(
            "deeplift cannot explain this model, some layer of which has no DeepLift rule: the "
            f"attributions of an image add up to {sums[worst]:.3g}, but its logit differs from "
            f"the black image's by {differences[worst]:.3g}"
        )


def _rescaled(
    function: Callable[..., Tensor], features: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    """Apply an elementwise function to (N + 1, ...) features, the last of the black image."""
    value = function(features.detach(), *args, **kwargs)
    image = features[:-1].detach().requires_grad_()
    with torch.enable_grad():
        (derivative,) = torch.autograd.grad(function(image, *args, **kwargs).sum(), image)
    image, black = image.detach(), features[-1:].detach()
    run, rise = image - black, value[:-1] - value[-1:]
    close = run.abs() <= _CLOSE * torch.maximum(image.abs(), black.abs())
    return _with_gradient(value, features[:-1] * torch.where(close, derivative, rise / run))


def _rescaled_pool(
    function: Callable[..., Tensor], features: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    """Max-pool (N + 1, C, H, W) features, the last of the black image.

    In every window the higher of the two maxima parts the difference: what the image's pixel
    adds above the black image's maximum, and what the black image's pixel has lost.
    """
    kwargs["return_indices"] = True
    value, winners = F.max_pool2d(features.detach(), *args, **kwargs)
    pixels, winners, maxima = features.flatten(2), winners.flatten(2), value.flatten(2)
    image, run = pixels[:-1], (pixels[:-1] - pixels[-1:]).detach()
    higher = torch.maximum(maxima[:-1], maxima[-1:])
    own, other = winners[:-1], winners[-1:].expand_as(winners[:-1])
    gained = _share(higher - maxima[-1:], run.gather(2, own), unmoved=1.0)
    lost = _share(maxima[:-1] - higher, run.gather(2, other), unmoved=0.0)
    linear = image.gather(2, own) * gained + image.gather(2, other) * lost
    return _with_gradient(value, linear.view_as(value[:-1]))


def _share(part: Tensor, run: Tensor, unmoved: float) -> Tensor:
    """Return ``part / run``, which lies in [0, 1], and a constant where the pixel did not move."""
    return torch.where(run == 0, unmoved, part / run)


def _with_gradient(value: Tensor, linear: Tensor) -> Tensor:
    """Return ``value`` (N + 1, ...), differentiated as if its first N were ``linear``."""
    result: Tensor = _Value.apply(value, linear)
    return result


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, linear: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient[:-1]
