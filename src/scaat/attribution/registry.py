"""The registry of saliency methods, and what makes a map of a method's attributions."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import check_images
from scaat.functional.saliency import Predict, sum_channels
from scaat.passes import evaluation_mode
from scaat.registry import Registry

P = ParamSpec("P")


Attribution = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""A saliency method, which pixels drive the score of a class: (model, images, targets) -> maps.

The model maps images in [0, 1] to logits. It runs in eval mode with autocast off; its modes, flags,
gradients and buffers are afterwards as they were. Images are (N, C, H, W), floating point in
[0, 1], on the model's device. Targets are int64 (N,), the classes whose logits are explained;
`scaat.evaluation` takes the predicted ones, which the perturbation curves follow too.

Maps are (N, H, W), detached and non-negative: the absolute attributions summed over channels (the
paper's map is the absolute gradient). Each depends on its own image alone, and calling again gives
it again. Images or targets of another shape, type or range raise `InputError`.
"""

attributions: Registry[Attribution] = Registry("attribution")


def saliency_method(
    attribute: Callable[Concatenate[Predict, Tensor, Tensor, P], Tensor],
) -> Callable[Concatenate[nn.Module, Tensor, Tensor, P], Tensor]:
    """Make an `Attribution` of a function that returns signed attributions (N, C, H, W).

    The function gets a prediction that may be differentiated, whatever the caller's gradient
    mode, with images it may keep.
    """

    def maps(
        model: nn.Module, images: Tensor, targets: Tensor, /, *args: P.args, **kwargs: P.kwargs
    ) -> Tensor:
        _check(images, targets)

        def predict(inputs: Tensor) -> Tensor:
            # A copy: a model that begins with an in-place layer would overwrite the very tensor
            # whose gradient is asked for.
            logits: Tensor = model(inputs.clone())
            return logits

        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(images.device.type, enabled=False),
            evaluation_mode(model),
        ):
            # Captum wants inputs that require gradients; inference tensors can't until copied.
            leaf = images.detach().clone().requires_grad_()
            signed = attribute(predict, leaf, targets.clone(), *args, **kwargs)
        return sum_channels(signed.detach())

    update_wrapper(maps, attribute)
    return maps


def _check(images: Tensor, targets: Tensor) -> None:
    check_images(images)
    if images.dim() != 4:
        raise InputError(f"images must have shape (N, C, H, W), found {tuple(images.shape)}")
    if targets.shape != images.shape[:1] or targets.dtype != torch.int64:
        raise InputError(
            f"the targets of {len(images)} images must be int64 of shape ({len(images)},), "
            f"found {targets.dtype} of shape {tuple(targets.shape)}"
        )
