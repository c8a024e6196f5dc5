"""Input x gradient: the gradient times the image."""

from __future__ import annotations

from captum.attr import InputXGradient
from torch import Tensor

from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions


@attributions.register("input-x-gradient")
@saliency_method
def input_x_gradient(query: Query) -> Tensor:
    """Return the gradient times the image in [0, 1] (Shrikumar et al. 2016).

    Black pixels get no attribution, whatever the gradient.

    Costs one forward pass and one input gradient.
    """
    signed: Tensor = InputXGradient(query.predict).attribute(query.images, target=query.targets)
    return signed
