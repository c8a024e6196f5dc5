"""Entropy of a saliency map in bits per pixel; low for a sparse map."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from scaat.functional.maps import quantise
from scaat.functional.precision import widened

LEVELS = 256


def entropy(maps: Tensor) -> Tensor:
    """Return the Shannon entropy of each saliency map's grey levels, in bits.

    The paper does not define how a real-valued map becomes a distribution. We divide it by its
    maximum, round it to 256 levels, and take the entropy of their histogram: from 0 (all pixels
    equal, including all zero) to 8.

    Args:
        maps: (N, H, W), series (N, L) or volumes (N, D, H, W); floating point, non-negative.

    Returns:
        float32 (N,), bits.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    codes = quantise(maps).flatten(1).long()
    n, pixels = codes.shape
    # One histogram over all maps: map i uses the slots from 256 i.
    slots = codes + LEVELS * torch.arange(n, device=codes.device).unsqueeze(1)
    counts = torch.bincount(slots.flatten(), minlength=LEVELS * n).view(n, LEVELS)
    nats = torch.special.entr(widened(counts) / pixels).sum(1)
    bits: Tensor = nats / log(2)
    return bits.float()
