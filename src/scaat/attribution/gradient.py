"""Vanilla gradient: the input gradient of the target's logit."""

from __future__ import annotations

from captum.attr import Saliency
from torch import Tensor

from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions


@attributions.register("gradient")
@saliency_method
def gradient(query: Query) -> Tensor:
    """Return the gradient (Simonyan et al. 2013), the map that the paper trains and measures.

    Costs one forward pass and one input gradient.
    """
    signed: Tensor = Saliency(query.predict).attribute(
        query.images, target=query.targets, abs=False
    )
    return signed
