"""Cross-entropy at many temperatures; the least measures how separable the classes are."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.logits import label_cross_entropy

FACTORS = tuple(2 ** (step / 4) for step in range(-20, 9))
"""Inverse temperatures: logits from a 32nd of theirs to four times theirs."""


def cross_entropy_by_temperature(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum the cross-entropy of the batch at each of `FACTORS` inverse temperatures.

    The least mean over a data set is the cross-entropy after temperature scaling (Guo et al. 2017,
    arXiv:1706.04599): it does not punish a network for over- or underconfidence.

    Logits and labels are those of `label_cross_entropy`. The sums, nats, float32, shape (29,), add
    up over batches and processes.
    """
    logits = logits.float()
    return torch.stack([label_cross_entropy(logits * f, labels, reduction="sum") for f in FACTORS])
