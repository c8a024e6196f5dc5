"""Saliency methods for evaluation, from Captum, behind one registry: `attributions`."""

from scaat.attribution.gradient import gradient
from scaat.attribution.integrated_gradients import integrated_gradients
from scaat.attribution.registry import Attribution, attributions, saliency_method
from scaat.attribution.smoothgrad import smoothgrad

__all__ = [
    "Attribution",
    "attributions",
    "gradient",
    "integrated_gradients",
    "saliency_method",
    "smoothgrad",
]
