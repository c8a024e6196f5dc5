"""Divergences between two predictions, in bits, from logits (paper equations 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.functional.logits import class_logits

Divergence = Callable[[Tensor, Tensor], Tensor]
"""Maps two tensors of logits, shape (N, classes), to one divergence per sample, shape (N,)."""

DivergenceName = Literal["jeffreys", "jensen-shannon", "kl"]


def kl_divergence(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """Kullback-Leibler divergence D(P || Q) in bits (paper equation 3).

    Args:
        logits_p: Logits of P, shape (N, classes), or (N, 1) for one logit (`class_logits`).
        logits_q: Logits of Q, of the same shape.

    Returns:
        Shape (N,), at least 0; float32, or float64 for float64 logits. Half precision is cast to
        float32 before the softmax, where it would overflow to NaN.
    """
    log_p, log_q = _log_probabilities(logits_p), _log_probabilities(logits_q)
    return _bits(log_p.exp() * (log_p - log_q))


def jeffreys_divergence(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """Mean of the two Kullback-Leibler divergences, in bits (paper equation 4).

    The paper calls it Jensen-Shannon, but equation 4 defines half of Jeffreys' divergence, which
    is symmetric and unbounded. Arguments and result are those of `kl_divergence`.
    """
    log_p, log_q = _log_probabilities(logits_p), _log_probabilities(logits_q)
    # (p - q) (log p - log q) / 2: no term is negative, so nothing cancels.
    return _bits((log_p.exp() - log_q.exp()) * (log_p - log_q)) / 2


def jensen_shannon_divergence(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """Jensen-Shannon divergence in bits, in [0, 1] (Lin 1991, the paper's reference 24).

    Arguments and result are those of `kl_divergence`.
    """
    log_p, log_q = _log_probabilities(logits_p), _log_probabilities(logits_q)
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    return _bits(log_p.exp() * (log_p - log_mean) + log_q.exp() * (log_q - log_mean)) / 2


DIVERGENCES: dict[DivergenceName, Divergence] = {
    "jeffreys": jeffreys_divergence,
    "jensen-shannon": jensen_shannon_divergence,
    "kl": kl_divergence,
}


def mean_over_labels(divergence: Divergence) -> Divergence:
    """Return the divergence of multi-label predictions, from one of two classes.

    It maps two tensors of logits, shape (N, labels), to the mean of the labels' Bernoulli
    divergences, shape (N,). The mean, not the sum, as in binary cross-entropy: so a weight between
    the two holds for any number of labels.
    """

    def mean(logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return divergence(logits_p.flatten(), logits_q.flatten()).view(logits_p.shape).mean(1)

    return mean


def _log_probabilities(logits: Tensor) -> Tensor:
    logits = class_logits(logits)
    wide = torch.promote_types(logits.dtype, torch.float32)
    # A class masked by a logit of minus infinity has probability 0 and adds nothing.
    return F.log_softmax(logits, dim=1, dtype=wide).clamp_min(torch.finfo(wide).min)


def _bits(nats: Tensor) -> Tensor:
    return nats.sum(dim=1) / math.log(2)
