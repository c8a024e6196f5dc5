"""SmoothGrad-squared: the squared gradient averaged over noisy copies of the image."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions
from scaat.attribution.smoothgrad import noisy_gradients


@attributions.register("smoothgrad-squared")
@saliency_method
def smoothgrad_squared(
    query: Query, *, samples: int = 50, noise: float = 0.15, seed: int = 0
) -> Tensor:
    """Return the mean of the squared gradients over noisy copies (Hooker et al. 2019).

    Captum's `NoiseTunnel` with ``nt_type="smoothgrad_sq"``; cost and options as in `smoothgrad`,
    with the same noise.
    """
    total = torch.zeros_like(query.images, requires_grad=False)
    for gradient in noisy_gradients(query, samples, noise, seed):
        total += gradient.square()
    return total / samples
