"""SmoothGrad, SmoothGrad-squared and VarGrad: moments of the gradient under noise on the image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor

from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError


@attributions.register("smoothgrad")
@saliency_method
def smoothgrad(query: Query, *, samples: int = 50, noise: float = 0.15, seed: int = 0) -> Tensor:
    """Return the mean gradient over noisy copies (Smilkov et al. 2017).

    The gradients are averaged with their signs, as that paper defines it; the absolute value
    follows. Every image gets the same noise, whatever the batch and the device, and so do two
    models. This is Captum's `NoiseTunnel` with ``nt_samples_batch_size=1``, whose own noise would
    change with the batch.

    Costs ``samples`` forward passes and input gradients, in the memory of one.

    Args:
        query: what to explain.
        samples: noisy copies; the source finds no gain beyond its 50.
        noise: standard deviation in pixel units; the source advises 10 to 20 % of the image's
            range, which is taken to be 1. Noisy images are not cut to [0, 1], as there.
        seed: of the noise.
    """
    return reduce(torch.add, _noisy_gradients(query, samples, noise, seed)) / samples


@attributions.register("smoothgrad-squared")
@saliency_method
def smoothgrad_squared(
    query: Query, *, samples: int = 50, noise: float = 0.15, seed: int = 0
) -> Tensor:
    """Return the mean of the squared gradients over noisy copies (Hooker et al. 2019).

    Captum's `NoiseTunnel` with ``nt_type="smoothgrad_sq"``; cost and options as in `smoothgrad`,
    with the same noise.
    """
    squares = (each.square() for each in _noisy_gradients(query, samples, noise, seed))
    return reduce(torch.add, squares) / samples


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
    # Welford's recurrence: E[x^2] - E[x]^2 would cancel.
    for count, gradient in enumerate(_noisy_gradients(query, samples, noise, seed), start=1):
        change = gradient - mean
        mean += change / count
        squares += change * (gradient - mean)
    return squares / samples


def _noisy_gradients(query: Query, samples: int, noise: float, seed: int) -> Iterator[Tensor]:
    """Yield the signed gradients (N, C, H, W) at ``samples`` noisy copies of the images."""
    if samples < 1 or not noise >= 0:
        raise InputError(
            f"SmoothGrad takes 1 sample or more and noise of 0 or more, found {samples} and {noise}"
        )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(samples):
        shift = noise * torch.randn(query.images.shape[1:], generator=generator)
        yield query.gradient((query.images.detach() + shift.to(query.images)).requires_grad_())
