"""Vanilla gradient: the input gradient of the target's logit."""

from __future__ import annotations

from captum.attr import Saliency
from torch import Tensor

from scaat.attribution.registry import attributions, saliency_method
from scaat.functional.saliency import Predict


@attributions.register("gradient")
@saliency_method
def gradient(predict: Predict, images: Tensor, targets: Tensor) -> Tensor:
    """Return the gradient (Simonyan et al. 2013), the map that the paper trains and measures.

    Costs one forward pass and one input gradient.
    """
    signed: Tensor = Saliency(predict).attribute(images, target=targets, abs=False)
    return signed
