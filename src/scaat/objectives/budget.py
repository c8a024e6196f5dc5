"""The accuracy budget: a weight that keeps the training loss near standard training's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, distributed

from scaat.errors import InputError
from scaat.functional.checks import check_positive
from scaat.objectives.base import ExactBuffers

NATS_PER_POINT = 0.05
"""How far the clean cross-entropy may exceed the reference, for each point of the budget."""

VALIDATION_NATS_PER_POINT = 0.0125
"""How far the validation loss may exceed the reference's, for each point."""

TRUSTED_IMAGES = 4000
"""Validation images at which accuracy and cross-entropy count alike.

Two trainings of one network differ in about a tenth of their answers. The standard error of the
difference of their accuracies is then sqrt(0.1 / 4000), 0.5 points: the default budget.
"""

VALIDATION_NOISE = 0.4
"""Standard deviation of the difference of two trainings' losses on one validation image, in nats.

That of their accuracies (`TRUSTED_IMAGES`), at `VALIDATION_NATS_PER_POINT`: 100 * sqrt(0.1) points
are 0.4 nats. With 5,000 images the standard error is 0.006 nats, the default budget's tolerance.
"""

LEAST_TOLERANCE = 0.003
"""In nats: a budget of 0 would let the noise of the running mean alone set the weight."""

PROTECTED = 0.25
"""Fraction of the training that begins without the divergence."""

_WINDOW = 3200  # samples over which the running cross-entropy averages, whatever the batch
_WINDOW_EPOCHS = 2  # or over so many epochs, where they are fewer samples
_RISE = 3200  # samples over which the divergence sets in
_FIRST, _LEAST, _MOST = 0.4, 0.02, 10.0  # of the base
_INTEGRAL = 3.0  # the base changes by at most exp(3) over the constrained part of the training
_UP, _DOWN = 1.0, 2.0  # how far the logarithm of the weight leaves its base's
_SETTLED = 0.5  # fraction of the constrained part after which patience has ended
_PATIENCE = 3.0  # tolerances more when the divergence begins
_ALLOWANCE = 3.0  # the logarithm of the tolerance rises by at most so much, falls twice as fast
_RELIEF = 4.0  # tolerances of the training loss's rise that validation may excuse
_ROUNDING = 1e-5  # epochs by which the steps alone may not be ahead of the samples
_HORIZON = 8  # epochs that the constrained part is taken to have where no reference says so


def validation_loss(cross_entropies: Tensor, correct: Tensor, samples: Tensor) -> Tensor:
    """Join cross-entropy and accuracy on validation images into one loss for the budget, in nats.

    Accuracy is what the budget is about, but noisy on few images; the cross-entropy is less noisy,
    but at an equal cross-entropy one network may be less accurate than another. So accuracy counts
    by the number of images: by half at `TRUSTED_IMAGES`, by 7 % with 300. A point is worth
    `VALIDATION_NATS_PER_POINT`.

    Args:
        cross_entropies: Sums over all images at each temperature, in nats
            (`scaat.functional.temperature.cross_entropy_by_temperature`); the least counts.
        correct: Number of images classified correctly, a scalar (`Objective.correct`).
        samples: Number of images, a scalar.
    """
    points_lost = 100 * (1 - correct / samples)
    cross_entropy = cross_entropies.min() / samples
    return torch.lerp(cross_entropy, VALIDATION_NATS_PER_POINT * points_lost, trust(samples))


def trust(samples: Tensor) -> Tensor:
    """Return how far validation decides, from 0 to 1 for many images (`TRUSTED_IMAGES`)."""
    return samples / (samples + TRUSTED_IMAGES)


class BudgetedWeight(ExactBuffers):
    """Sets the divergence's weight so that the clean cross-entropy stays near a reference.

    Constrained optimisation by a multiplier, as GECO (Rezende and Viola 2018, arXiv:1810.00597),
    with proportional and integral terms (Stooke et al. 2020, arXiv:2007.03964):

    - The first quarter of the training has weight 0: the divergence would keep a network that knows
      nothing yet from learning. Then the weight rises linearly over 3,200 samples: a sudden
      divergence throws the network back, and 300 images are too few to recover.
    - Then an error compares the running cross-entropy of the clean images with the reference: 1
      where they are equal, 0 where the tolerance is used up.
    - The weight is ``base * exp(error)``, with the error between -2 and 1, so that it gives way at
      once. The logarithm of the base integrates the error, slowly.
    - The cross-entropy rises when the divergence begins and recovers within some epochs, so the
      weight (not the base) may use up to four times the tolerance at first, and its own from
      halfway on.
    - Training loss is not accuracy: where standard training overfits, it may rise by far more at no
      cost. After each epoch from halfway on, the part of its rise that the validation loss does not
      share no longer counts, up to four times the tolerance. The shared part is the validation
      loss's own rise plus one standard error, times the ratio of the two tolerances.
    - The tolerance, too, grows while the validation loss is within the budget of the reference's,
      and shrinks at once otherwise, with many validation images below its own value
      (`observe_validation`). Before that the learning rate is high and the validation too noisy.

    Its buffers are in the ``state_dict`` and equal on all processes after every step: float32
    scalars, of which ``relief`` is the rise in nats that does not count and ``allowance`` a factor
    of the tolerance, and ``seen``, int64, the samples so far.

    Args:
        num_samples: Size of the training set.
        budget: Points of accuracy that may be lost, at least 0.
        reference: Mean training cross-entropy, in nats, of each epoch of a standard training of
            the same network, data and length. Without it the lowest running value so far is the
            reference, which protects what the network has learnt, not what it would still learn.
            The divergence then begins after the first epoch, and the base never rises.
        validation: That training's `validation_loss` after each epoch.
        scale: Multiplies the first base and its bounds: the steps of which one has the
            divergence.
        training_steps: Batches of the whole training, of as many epochs as ``reference``. Without
            them each epoch must see every sample: a loader that drops the last batch would make
            the reference's epochs pass too slowly.

    Raises:
        InputError: The budget or the reference is out of range.
    """

    weight: Tensor
    base: Tensor
    cross_entropy: Tensor
    lowest: Tensor
    allowance: Tensor
    margin: Tensor
    relief: Tensor
    seen: Tensor
    reference: Tensor
    validation: Tensor

    def __init__(
        self,
        num_samples: int,
        budget: float,
        reference: Sequence[float] | None = None,
        validation: Sequence[float] | None = None,
        scale: float = 1.0,
        training_steps: int | None = None,
    ) -> None:
        super().__init__()
        check_positive(budget, "accuracy_budget", zero=True)
        curve = [] if reference is None else [float(value) for value in reference]
        if reference is not None and not (curve and all(0 <= value < math.inf for value in curve)):
            raise InputError(
                f"reference is {list(reference)!r:.200}, expected the mean cross-entropy of each "
                "epoch of a standard training, finite numbers of at least 0"
            )
        if validation is not None and len(validation) != len(curve):
            raise InputError(
                f"validation_reference has {len(validation)} values, expected {len(curve)}, one "
                "for each epoch of reference"
            )
        self.num_samples = num_samples
        self.scale = scale
        self.steps_per_epoch = math.inf
        if training_steps is not None and curve:
            self.steps_per_epoch = training_steps / len(curve)
        self.tolerance = max(NATS_PER_POINT * budget, LEAST_TOLERANCE)
        self.validation_tolerance = max(VALIDATION_NATS_PER_POINT * budget, LEAST_TOLERANCE)
        self.start = PROTECTED * len(curve) or 1.0  # in epochs
        self.window = min(_WINDOW, _WINDOW_EPOCHS * num_samples)
        self.horizon = len(curve) - self.start if curve else _HORIZON  # in epochs

        scalars = {
            "weight": 0.0,
            "base": _FIRST * scale,
            "cross_entropy": 0.0,
            "lowest": torch.finfo(torch.float32).max,
            "allowance": 1.0,
            "margin": 0.0,
            "relief": 0.0,
        }
        for name, value in scalars.items():
            self.register_buffer(name, torch.full((), value, dtype=torch.float32))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        for name, values in (("reference", curve), ("validation", validation or [])):
            kept = torch.tensor(values, dtype=torch.float32)
            self.register_buffer(name, kept, persistent=False)

    @torch.no_grad()
    def observe(self, cross_entropy: Tensor, samples: int, steps: int = 0) -> None:
        """Take one training step's clean cross-entropy, and set the next step's weight.

        It is the mean over this process's part of the batch, of so many samples, in nats, a scalar.
        ``steps`` are the training steps so far, this one included.
        """
        joined = torch.stack([cross_entropy.new_tensor(1.0), cross_entropy]).float() * samples
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(joined)
        count, value = joined[0], joined[1] / joined[0]
        first = self.cross_entropy == 0
        self.seen += count.long()
        running = torch.lerp(self.cross_entropy, value, (count / self.window).clamp_max(1.0))
        running = torch.where(first, value, running)
        # One overflow in half precision, a step that `GradScaler` skips, must not stay for good.
        self.cross_entropy.copy_(torch.where(value.isfinite(), running, self.cross_entropy))
        epoch = self._epoch(steps)
        started = epoch >= self.start
        lowest = torch.minimum(self.lowest, self.cross_entropy)
        self.lowest.copy_(torch.where(started, lowest, self.lowest))
        constrained = epoch - self.start  # in epochs
        progress = constrained / self.horizon
        excess = self._excess(epoch) - self.relief
        error = 1 - excess / (self.tolerance * self.allowance)
        fraction = count / (self.horizon * self.num_samples)
        base = self.base * (_INTEGRAL * fraction * error.clamp(-1, 1)).exp()
        # Without a reference nothing shows how far a larger weight holds the network back.
        most = _MOST if len(self.reference) else _FIRST
        base = base.clamp(_LEAST * self.scale, most * self.scale)
        self.base.copy_(torch.where(started, base, self.base))
        patience = _PATIENCE * (1 - progress / _SETTLED).clamp(0, 1)
        rise = (constrained * self.num_samples / _RISE).clamp(0, 1)
        weight = rise * self.base * (error + patience).clamp(-_DOWN, _UP).exp()
        self.weight.copy_(torch.where(started, weight, 0.0))

    @torch.no_grad()
    def observe_validation(self, loss: Tensor, samples: Tensor, steps: int = 0) -> None:
        """Take the `validation_loss` after an epoch, and set the tolerance of the next.

        Without a validation reference, and before patience has ended, it has no effect. ``samples``
        is the number of validation images; ``steps`` are the training steps so far.
        """
        exact = self._epoch(steps)
        epoch = round(float(exact))
        if not self.start + _SETTLED * self.horizon < epoch <= len(self.validation):
            return
        excess = loss - self.validation[epoch - 1]
        # In nats of the training loss, with one standard error: noise must not excuse a rise.
        shared = excess + VALIDATION_NOISE / samples.float().sqrt()
        unshared = self._excess(exact) - NATS_PER_POINT / VALIDATION_NATS_PER_POINT * shared
        # For the same reason the least of the latest values and their running mean.
        relief = torch.minimum((self.relief + unshared) / 2, unshared)
        self.relief.copy_(relief.clamp(0, _RELIEF * self.tolerance))
        # One epoch's validation is noisy under a high learning rate, the reference's, too: it
        # counts as no more than one tolerance, and half. A loss over the budget counts at once, as
        # few epochs may be left to recover in.
        margin = (1 - excess / self.validation_tolerance).clamp(-1, 1)
        self.margin.copy_((self.margin + margin) / 2)
        least = torch.minimum(self.margin, margin)
        change = least * torch.where(least > 0, 1.0, 2.0) * _ALLOWANCE / self.horizon
        allowance = (self.allowance * change.exp()).clamp_max(10.0)
        self.allowance.copy_(torch.maximum(allowance, 1 - trust(samples)))

    def _epoch(self, steps: int) -> Tensor:
        """Return the epochs so far: by the samples, or by the steps if samples are dropped."""
        # Not float64, which Apple's GPUs lack: whole epochs and the rest are exact each.
        rest = (self.seen % self.num_samples).float() / self.num_samples
        by_steps = steps / self.steps_per_epoch - _ROUNDING
        return (self.seen // self.num_samples + rest).clamp_min(by_steps)

    def _excess(self, epoch: Tensor) -> Tensor:
        """Return how far the running cross-entropy exceeds the reference, in nats."""
        # A running mean lags behind: it is that of the time one window ago.
        return self.cross_entropy - self.target(epoch - self.window / self.num_samples)

    def target(self, epoch: Tensor) -> Tensor:
        """Return the reference, in nats, at this epoch; an epoch's mean is that in its middle."""
        if not len(self.reference):
            return self.lowest
        place = (epoch - 0.5).clamp(0, len(self.reference) - 1)
        before = place.floor().long()
        after = (before + 1).clamp_max(len(self.reference) - 1)
        return torch.lerp(self.reference[before], self.reference[after], place - before)
