"""Guided Grad-CAM: Guided Backprop where Grad-CAM finds evidence."""

from __future__ import annotations

from torch import Tensor

from scaat.attribution.grad_cam import class_activation
from scaat.attribution.guided_backprop import guided_gradient
from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions


@attributions.register("guided-grad-cam")
@saliency_method
def guided_grad_cam(query: Query, *, layer: str | None = None) -> Tensor:
    """Return the product of Guided Backprop and Grad-CAM (Selvaraju et al. 2017).

    Captum's `GuidedGradCam` with bilinear interpolation, as the source has it.

    Costs three forward passes and three gradients, one of each for a single image.

    Args:
        query: what to explain.
        layer: see `grad_cam`.

    Raises:
        InputError: as `grad_cam` and `guided_backprop` do.
    """
    return class_activation(query, layer) * guided_gradient(query)
