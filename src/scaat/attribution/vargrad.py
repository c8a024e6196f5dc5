"""VarGrad: the variance of the gradient over noisy copies of the image."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.attribution.method import Query, saliency_method
from scaat.attribution.registry import attributions
from scaat.attribution.smoothgrad import noisy_gradients
from scaat.errors import InputError


@attributions.register("vargrad")
@saliency_method
def vargrad(query: Query, *, samples: int = 50, noise: float = 0.15, seed: int = 0) -> Tensor:
    """Return the variance of the gradients over noisy copies (Adebayo et al. 2018).

    Captum's `NoiseTunnel` with ``nt_type="vargrad"``, which divides by the number of samples;
    cost and options as in `smoothgrad`, with the same noise, but 2 samples or more. Where a
    network is piecewise linear and the noise crosses no bend, the variance is zero.
    """
    if samples < 2:
        raise InputError(f"VarGrad takes 2 samples or more, found {samples}")
    mean = torch.zeros_like(query.images, requires_grad=False)
    squares = torch.zeros_like(mean)
    # Welford's recurrence: the mean of squares less the squared mean would cancel.
    for count, gradient in enumerate(noisy_gradients(query, samples, noise, seed), start=1):
        change = gradient - mean
        mean += change / count
        squares += change * (gradient - mean)
    return squares / samples
