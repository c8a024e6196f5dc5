"""Replacement of the features of lowest saliency by noise (Ismail et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.selection import lowest


def replace_lowest(inputs: Tensor, maps: Tensor, proportion: float) -> Tensor:
    """Replace each sample's lowest features by uniform values of the sample's own range.

    Args:
        inputs: Floating point, shape (N, ...).
        maps: Ranking of the features: the shape of ``inputs``, or (N, H, W) for images
            (N, C, H, W), whose pixels then change in all channels.
        proportion: Fraction of features to replace, in [0, 1].

    Returns:
        Shape and dtype of ``inputs``. Random values come from torch's global generator.
    """
    mask = lowest(maps, torch.tensor(proportion, device=maps.device))
    if mask.dim() < inputs.dim():
        mask = mask.unsqueeze(1)
    flat = inputs.flatten(1)
    shape = (-1,) + (1,) * (inputs.dim() - 1)
    low, high = flat.amin(1).view(shape), flat.amax(1).view(shape)
    return torch.where(mask, low + (high - low) * torch.rand_like(inputs), inputs)
