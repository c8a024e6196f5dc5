"""The features of lowest saliency (paper section 3.1), and their replacement by noise."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.precision import widened


def lowest(values: Tensor, proportion: Tensor) -> Tensor:
    """Mark each sample's features that are strictly below its own quantile.

    The strict comparison is the paper's. Proportion 0 marks nothing; proportion 1 marks all but
    the largest value. Equal values are marked together or not at all, so a constant map has no
    lowest part.

    Args:
        values: Floating point, shape (N, ...).
        proportion: q in [0, 1], shape (N,) or a scalar.

    Returns:
        Bool mask of the shape of ``values``.
    """
    flat = values.flatten(1)
    features = flat.shape[1]
    if features == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    # The interpolated quantile is between two neighbours in rank. Values below it are those below
    # the upper neighbour. Comparing with the latter avoids interpolation, whose rounding could
    # separate equal values.
    position = widened(proportion).expand(len(flat)) * (features - 1)
    rank = position.ceil().long().clamp(0, features - 1)
    quantile = flat.sort(dim=1).values.gather(1, rank.unsqueeze(1))
    return (flat < quantile).view_as(values)


def replace_lowest(inputs: Tensor, maps: Tensor, proportion: float) -> Tensor:
    """Replace each sample's lowest features by uniform values of its own range.

    This is the replacement of Ismail et al. (2021). ``maps`` rank the features of the inputs
    (N, ...): of their shape, or without channels, and then pixels change in all channels. Random
    values come from torch's global generator.
    """
    mask = lowest(maps, torch.tensor(proportion, device=maps.device))
    if mask.dim() < inputs.dim():
        mask = mask.unsqueeze(1)
    flat = inputs.flatten(1)
    shape = (-1,) + (1,) * (inputs.dim() - 1)
    low, high = flat.amin(1).view(shape), flat.amax(1).view(shape)
    return torch.where(mask, low + (high - low) * torch.rand_like(inputs), inputs)
