"""The accuracy budget: a weight that keeps the training loss near standard training's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, distributed

from scaat.errors import InputError
from scaat.functional.checks import check_positive
from scaat.objectives.base import ExactBuffers

NATS_PER_POINT = 0.06
"""How far the clean cross-entropy may exceed the reference, for each point of the budget."""

LEAST_TOLERANCE = 0.003
"""In nats: a budget of 0 would let the noise of the running mean alone set the weight."""

PROTECTED = 0.5
"""Fraction of the training that begins without the divergence."""

_WINDOW = 3200  # samples over which the running cross-entropy averages, whatever the batch
_RISE, _FALL = 0.03, 0.06  # largest step of the weight's logarithm
_FIRST, _LEAST, _MOST = 0.15, 0.02, 100.0  # weights


class BudgetedWeight(ExactBuffers):
    """Sets the divergence's weight so that the clean cross-entropy stays near a reference.

    Constrained optimisation by a multiplier, as GECO (Rezende and Viola 2018, arXiv:1810.00597):
    the logarithm of the weight rises while the running cross-entropy of the clean images is below
    the reference plus a tolerance, and falls, faster, while it is above. The first half of the
    training has weight 0: a divergence that presses on a network which knows nothing yet keeps it
    from learning.

    The buffers ``weight``, ``cross_entropy`` and ``lowest`` (nats), float32 scalars, and ``seen``,
    int64, the samples so far, are in the ``state_dict`` and equal on all processes after every
    step.

    Args:
        num_samples: Size of the training set.
        budget: Points of accuracy that may be lost, at least 0.
        reference: Mean training cross-entropy, in nats, of each epoch of a standard training of
            the same network, data and length. Without it the lowest running value so far is the
            reference, which protects what the network has learnt, not what it would still learn,
            and the divergence begins after the first epoch.

    Raises:
        InputError: The budget or the reference is out of range.
    """

    weight: Tensor
    cross_entropy: Tensor
    lowest: Tensor
    seen: Tensor
    reference: Tensor

    def __init__(
        self, num_samples: int, budget: float, reference: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        check_positive(budget, "accuracy_budget", zero=True)
        curve = [] if reference is None else [float(value) for value in reference]
        if reference is not None and not (curve and all(0 <= value < math.inf for value in curve)):
            raise InputError(
                f"reference is {list(reference)!r:.200}, expected the mean cross-entropy of each "
                "epoch of a standard training, finite numbers of at least 0"
            )
        self.num_samples = num_samples
        self.tolerance = max(NATS_PER_POINT * budget, LEAST_TOLERANCE)
        self.start = PROTECTED * len(curve) or 1.0  # in epochs

        def scalar(value: float) -> Tensor:
            return torch.full((), value, dtype=torch.float32)

        self.register_buffer("weight", scalar(0.0))
        self.register_buffer("cross_entropy", scalar(0.0))
        self.register_buffer("lowest", scalar(torch.finfo(torch.float32).max))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        curve_tensor = torch.tensor(curve, dtype=torch.float32)
        self.register_buffer("reference", curve_tensor, persistent=False)

    @torch.no_grad()
    def observe(self, cross_entropy: Tensor, samples: int) -> None:
        """Take one training step's clean cross-entropy, and set the next step's weight.

        Args:
            cross_entropy: Mean over this process's part of the batch, in nats, a scalar.
            samples: In that part.
        """
        joined = torch.stack([cross_entropy.new_tensor(1.0), cross_entropy]).float() * samples
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(joined)
        count, value = joined[0], joined[1] / joined[0]
        first = self.seen == 0
        self.seen += count.long()
        running = torch.lerp(self.cross_entropy, value, (count / _WINDOW).clamp_max(1.0))
        self.cross_entropy.copy_(torch.where(first, value, running))
        # Not float64, which Apple's GPUs lack: whole epochs and the rest are exact each.
        rest = (self.seen % self.num_samples).float() / self.num_samples
        epoch = self.seen // self.num_samples + rest
        started = epoch >= self.start
        lowest = torch.minimum(self.lowest, self.cross_entropy)
        self.lowest.copy_(torch.where(started, lowest, self.lowest))
        # A running mean lags behind: it is that of the time one window ago.
        target = self.target(epoch - _WINDOW / self.num_samples)
        error = (1 - (self.cross_entropy - target) / self.tolerance).clamp(-1, 1)
        step = error * torch.where(error > 0, _RISE, _FALL)
        weight = self.weight.clamp_min(_FIRST * (self.weight == 0)) * step.exp()
        self.weight.copy_(torch.where(started, weight.clamp(_LEAST, _MOST), 0.0))

    def target(self, epoch: Tensor) -> Tensor:
        """Return the reference at a point of the training, in nats.

        Args:
            epoch: Epochs from the start, a scalar; an epoch's mean is the value in its middle.
        """
        if not len(self.reference):
            return self.lowest
        place = (epoch - 0.5).clamp(0, len(self.reference) - 1)
        before = place.floor().long()
        after = (before + 1).clamp_max(len(self.reference) - 1)
        return torch.lerp(self.reference[before], self.reference[after], place - before)
