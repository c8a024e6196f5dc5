"""The accuracy budget: a weight that keeps the training accuracy near standard training's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, distributed

from scaat.errors import InputError
from scaat.functional.checks import check_positive
from scaat.objectives.base import ExactBuffers

PROTECTED = 0.2
"""Fraction of the training that begins without the divergence."""

_WINDOW = 3200  # samples over which the running accuracy averages, whatever the batch
_SCALE = 0.01  # accuracy above or below the target at which the weight moves at full speed
_RISE, _FALL = 0.03, 0.06  # largest step of the weight's logarithm
_FIRST, _LEAST, _MOST = 0.2, 0.05, 100.0  # weights


class BudgetedWeight(ExactBuffers):
    """Sets the divergence's weight so that the training accuracy stays near a reference.

    Constrained optimisation by a multiplier, as GECO (Rezende and Viola 2018, arXiv:1810.00597):
    the logarithm of the weight rises while the running accuracy on clean training images is above
    the reference less the budget, and falls, faster, while it is below. The training begins with
    weight 0: a divergence that presses on a network which knows nothing yet keeps it from
    learning.

    The buffers ``weight``, ``accuracy`` and ``highest``, float32 scalars, and ``seen``, int64, the
    samples so far, are in the ``state_dict`` and equal on all processes after every step.

    Args:
        num_samples: Size of the training set.
        budget: Points of accuracy that may be lost, at least 0.
        reference: Training accuracy in [0, 1] of each epoch of a standard training of the same
            network, data and length. Without it the highest running accuracy so far is the
            reference, which protects what the network has learnt, not what it would still learn.

    Raises:
        InputError: The budget or the reference is out of range.
    """

    weight: Tensor
    accuracy: Tensor
    highest: Tensor
    seen: Tensor
    reference: Tensor

    def __init__(
        self, num_samples: int, budget: float, reference: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        check_positive(budget, "accuracy_budget", zero=True)
        curve = [] if reference is None else [float(value) for value in reference]
        if reference is not None and not (curve and all(0 <= value <= 1 for value in curve)):
            raise InputError(
                f"reference is {list(reference)!r:.200}, expected the training accuracy of each "
                "epoch of a standard training, numbers in [0, 1]"
            )
        self.num_samples = num_samples
        self.budget = budget / 100
        self.start = max(PROTECTED * len(curve), 1.0)  # in epochs

        def scalar(value: float) -> Tensor:
            return torch.full((), value, dtype=torch.float32)

        self.register_buffer("weight", scalar(0.0))
        self.register_buffer("accuracy", scalar(math.nan))
        self.register_buffer("highest", scalar(0.0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        curve_tensor = torch.tensor(curve, dtype=torch.float32)
        self.register_buffer("reference", curve_tensor, persistent=False)

    @torch.no_grad()
    def observe(self, correct: Tensor) -> None:
        """Take one training step's outcomes, and set the next step's weight.

        Args:
            correct: Whether each clean image of this process's part of the batch was classified
                correctly, bool, shape (N,).
        """
        joined = torch.stack([correct.sum(), correct.new_full((), len(correct), dtype=torch.int64)])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(joined)
        count = joined[1]
        value = joined[0].float() / count
        self.seen += count
        running = torch.lerp(self.accuracy, value, (count / _WINDOW).clamp_max(1.0))
        self.accuracy.copy_(torch.where(self.accuracy.isnan(), value, running))
        epoch = self.seen.double() / self.num_samples  # float64: exact up to 2 ** 53 samples
        started = epoch >= self.start
        highest = torch.maximum(self.highest, self.accuracy)
        self.highest.copy_(torch.where(started, highest, self.highest))
        # A running mean lags behind: it is that of the time one window ago.
        target = self.target((epoch - _WINDOW / self.num_samples).float()) - self.budget
        error = ((self.accuracy - target) / _SCALE).clamp(-1, 1)
        step = error * torch.where(error > 0, _RISE, _FALL)
        weight = self.weight.clamp_min(_FIRST * (self.weight == 0)) * step.exp()
        self.weight.copy_(torch.where(started, weight.clamp(_LEAST, _MOST), 0.0))

    def target(self, epoch: Tensor) -> Tensor:
        """Return the reference accuracy at a point of the training.

        Args:
            epoch: Epochs from the start, a scalar; an epoch's mean is the value in its middle.
        """
        if not len(self.reference):
            return self.highest
        place = (epoch - 0.5).clamp(0, len(self.reference) - 1)
        before = place.floor().long()
        after = (before + 1).clamp_max(len(self.reference) - 1)
        return torch.lerp(self.reference[before], self.reference[after], place - before)
