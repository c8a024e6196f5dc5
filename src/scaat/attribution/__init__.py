"""Saliency methods for evaluation, over Captum, behind one registry: `attributions`."""

from scaat.attribution.deeplift import deeplift
from scaat.attribution.expected_gradients import expected_gradients
from scaat.attribution.grad_cam import grad_cam
from scaat.attribution.gradient import gradient
from scaat.attribution.guided_backprop import guided_backprop
from scaat.attribution.guided_grad_cam import guided_grad_cam
from scaat.attribution.input_x_gradient import input_x_gradient
from scaat.attribution.integrated_gradients import integrated_gradients
from scaat.attribution.method import Query, reference_map, saliency_method
from scaat.attribution.occlusion import occlusion
from scaat.attribution.oracle import oracle
from scaat.attribution.random import random_map
from scaat.attribution.registry import Attribution, attributions, find_attribution
from scaat.attribution.smoothgrad import smoothgrad
from scaat.attribution.smoothgrad_squared import smoothgrad_squared
from scaat.attribution.vargrad import vargrad

__all__ = [
    "Attribution",
    "Query",
    "attributions",
    "deeplift",
    "expected_gradients",
    "find_attribution",
    "grad_cam",
    "gradient",
    "guided_backprop",
    "guided_grad_cam",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "oracle",
    "random_map",
    "reference_map",
    "saliency_method",
    "smoothgrad",
    "smoothgrad_squared",
    "vargrad",
]
