"""Grad-CAM: a layer's feature maps, weighted by the gradients of the class's logit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.attribution.feature_maps import find_feature_map, layer_outputs
from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions


@attributions.register("grad-cam")
@saliency_method
def grad_cam(query: Query, *, layer: str | None = None) -> Tensor:
    """Return Grad-CAM (Selvaraju et al. 2017), brought to the images' size bilinearly.

    Captum's `LayerGradCam` on feature maps (N, C, h, w); the same on the tokens of a
    transformer's patches, laid out as their grid without the class tokens, which Captum takes
    for channels. A map is zero where nothing at this layer speaks for the class.

    Costs two forward passes and two gradients, one of each for a single image.

    Args:
        query: what to explain.
        layer: dotted name of a module of the model; of one that is called several times the
            last call counts. By default the last that has a feature map
            (`scaat.attribution.feature_maps.find_feature_map`).

    Raises:
        InputError: there is no such layer, or it gives no feature map.
    """
    return class_activation(query, layer)


def class_activation(query: Query, layer: str | None) -> Tensor:
    """Return the maps of `grad_cam`, (N, 1, H, W) and non-negative."""
    feature_map = find_feature_map(query, layer)
    outputs: dict[str, Tensor] = {}
    with layer_outputs(query.model, outputs.__setitem__, feature_map.layer):
        scores = query.scores(query.images)
    output = outputs[feature_map.layer]
    (gradient,) = torch.autograd.grad(scores.sum(), output)
    features, gradients = (feature_map.arrange(tensor) for tensor in (output.detach(), gradient))
    weights = gradients.mean((2, 3), keepdim=True)
    activation = (weights * features).sum(1, keepdim=True).relu()
    return F.interpolate(activation, query.images.shape[2:], mode="bilinear")
