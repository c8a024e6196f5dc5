"""Adaptive proportion of irrelevant features, one per training sample (algorithm 2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def update_proportion(
    proportion: Tensor,
    index: Tensor,
    correct: Tensor,
    *,
    step: float,
    minimum: float,
    maximum: float,
) -> Tensor:
    """Raise q if the perturbed sample is still classified correctly, lower it otherwise.

    A sample that occurs several times in ``index`` moves by the sum of its steps and is clamped
    once, so neither the order of the batch nor its split among processes matters.

    Args:
        proportion: q of all training samples, floating point, shape (num_samples,).
        index: Positions of the visited samples in the training set, int64, shape (N,).
        correct: Whether each perturbed sample was classified correctly, bool, shape (N,).
        step: gamma, how far one visit moves q.
        minimum: q_min.
        maximum: q_max.

    Returns:
        A new tensor of the shape of ``proportion``; other samples keep their values.
    """
    limits = {"step": step, "minimum": minimum, "maximum": maximum}
    return proportion.scatter(0, index, visited_proportion(proportion, index, correct, **limits))


def visited_proportion(
    proportion: Tensor,
    index: Tensor,
    correct: Tensor,
    *,
    step: float,
    minimum: float,
    maximum: float,
) -> Tensor:
    """Return `update_proportion` of each visit, shape (N,); visits of one sample have equal values.

    The cost depends on the number of visits, not of training samples, and no device waits.
    """
    # A sample's votes are a slice of all votes sorted by sample: the difference of two cumulative
    # sums. Sums of integers are exact; sums of gamma would depend on their order.
    sorted_index, order = index.sort()
    sums = F.pad((correct[order].long() * 2 - 1).cumsum(0), (1, 0))
    last = torch.searchsorted(sorted_index, index, right=True)
    votes = sums[last] - sums[torch.searchsorted(sorted_index, index)]
    return (proportion[index] + step * votes.to(proportion.dtype)).clamp(minimum, maximum)
