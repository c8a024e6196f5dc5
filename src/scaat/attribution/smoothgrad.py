"""SmoothGrad: the gradient averaged over noisy copies of the image."""

from __future__ import annotations

import torch
from captum.attr import Saliency
from torch import Tensor

from scaat.attribution.registry import attributions, saliency_method
from scaat.errors import InputError
from scaat.functional.saliency import Predict


@attributions.register("smoothgrad")
@saliency_method
def smoothgrad(
    predict: Predict,
    images: Tensor,
    targets: Tensor,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
) -> Tensor:
    """Return the mean gradient over noisy copies (Smilkov et al. 2017).

    The gradients are averaged with their signs, as that paper defines it; the absolute value
    follows. Every image gets the same noise: its map depends on neither the batch nor the
    device, and two models are compared on the same noisy images. This is Captum's `NoiseTunnel`
    with ``nt_samples_batch_size=1``, whose own noise would change with the batch.

    Costs ``samples`` forward passes and input gradients, in the memory of one.

    Args:
        predict: the model.
        images: (N, C, H, W).
        targets: (N,).
        samples: noisy copies; the source finds no gain beyond its 50.
        noise: standard deviation in pixel units; the source advises 10 to 20 % of the image's
            range, which is taken to be 1. Noisy images are not cut to [0, 1], as there.
        seed: of the noise.
    """
    if samples < 1 or noise < 0:
        raise InputError(
            f"SmoothGrad takes 1 sample or more and noise of 0 or more, found {samples} and {noise}"
        )
    generator = torch.Generator().manual_seed(seed)
    method = Saliency(predict)
    total = torch.zeros_like(images, requires_grad=False)
    for _ in range(samples):
        shift = noise * torch.randn(images.shape[1:], generator=generator)
        noisy = (images.detach() + shift.to(images)).requires_grad_()
        total += method.attribute(noisy, target=targets, abs=False)
    return total / samples
