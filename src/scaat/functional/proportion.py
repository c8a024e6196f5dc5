"""Adaptive proportion of irrelevant features, one number a training sample (algorithm 2)."""

from __future__ import annotations

import torch
from torch import Tensor


def update_proportion(
    proportion: Tensor,
    index: Tensor,
    correct: Tensor,
    *,
    step: float,
    minimum: float,
    maximum: float,
) -> Tensor:
    """Raise q where the perturbed sample is still classified correctly, lower it where not.

    A sample that stands several times in ``index`` moves by the sum of its steps and is
    bounded once, so the order of the batch, and how it was split among processes, is without
    effect.

    Args:
        proportion: q of all training samples, floating point, shape (num_samples,).
        index: Positions of the visited samples in the training set, int64, shape (N,).
        correct: Whether each perturbed sample was classified correctly, bool, shape (N,).
        step: gamma, how far one visit moves q.
        minimum: q_min.
        maximum: q_max.

    Returns:
        A new tensor of the shape of ``proportion``; samples that were not visited keep theirs.
    """
    # Whole numbers add up exactly; sums of gamma would depend on their order.
    votes = torch.zeros_like(proportion).index_add_(0, index, correct.to(proportion.dtype) * 2 - 1)
    visited = torch.zeros_like(proportion, dtype=torch.bool)
    visited[index] = True
    moved = (proportion + step * votes).clamp(minimum, maximum)
    return torch.where(visited, moved, proportion)
