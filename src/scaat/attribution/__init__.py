"""Saliency methods for evaluation, most of them Captum's, behind one registry: `attributions`."""

from scaat.attribution.backpropagation import deeplift, guided_backprop
from scaat.attribution.bounds import oracle, random_map
from scaat.attribution.competition import class_competition
from scaat.attribution.filtered_gradient import forgrad, pooled_gradient
from scaat.attribution.grad_cam import grad_cam, guided_grad_cam
from scaat.attribution.gradients import (
    expected_gradients,
    gradient,
    input_x_gradient,
    integrated_gradients,
)
from scaat.attribution.method import (
    Attribution,
    Query,
    attributions,
    find_attribution,
    reference_map,
    saliency_method,
)
from scaat.attribution.occlusion import occlusion
from scaat.attribution.smoothgrad import smoothgrad, smoothgrad_squared, vargrad

__all__ = [
    "Attribution",
    "Query",
    "attributions",
    "class_competition",
    "deeplift",
    "expected_gradients",
    "find_attribution",
    "forgrad",
    "grad_cam",
    "gradient",
    "guided_backprop",
    "guided_grad_cam",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "oracle",
    "pooled_gradient",
    "random_map",
    "reference_map",
    "saliency_method",
    "smoothgrad",
    "smoothgrad_squared",
    "vargrad",
]
