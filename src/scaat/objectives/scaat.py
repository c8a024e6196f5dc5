"""Saliency Constrained Adaptive Adversarial Training (the paper's algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import Bounds, check_fraction, check_index, check_positive
from scaat.functional.divergence import Divergence
from scaat.functional.saliency import score_gradient
from scaat.objectives.base import PROBABLE_ERROR, ObjectiveOutput, objectives
from scaat.objectives.budget import PROTECTED, BudgetedWeight
from scaat.objectives.proportions import AdaptiveProportions, Proportions
from scaat.objectives.search import Search, check_radius
from scaat.passes import disable_donated_buffers, evaluation_mode, loss_view, search_view


@objectives.register("scaat")
class SCAAT(AdaptiveProportions):
    """Make the model invariant to the features that its saliency map calls irrelevant.

    For each sample the lowest fraction q of the region-averaged saliency map may be perturbed
    inside an epsilon ball. Masked PGD-k looks for the perturbation that most changes the
    prediction, and the divergence that it causes is added to the cross-entropy (paper equation
    8). The fraction q adapts to each sample (algorithm 2).

    By default the weight of the divergence sets itself: it is as large as the accuracy budget
    allows (`scaat.objectives.budget`).

    A step with a search costs 7 + 2k passes (standard training: 3), since the clean training pass
    serves the loss and the saliency map; 8 + 2k with ``search_mode="eval"``. With a budget, a
    reference and ``training_steps`` the first quarter of the training makes no search, so that the
    default (k = 1) costs 2.5 standard trainings.

    Args:
        num_samples: Size of the training set.
        accuracy_budget: Points of accuracy that may be lost to cleaner maps, at least 0: the
            weight keeps the cross-entropy of clean training images within 0.05 nats a point of
            ``reference``. No effect where ``weight`` is given.
        weight: A constant lambda (equation 8) in the place of the budget: the weight of the
            divergence (in bits) beside the cross-entropy (nats).
        reference: Mean training cross-entropy, in nats, of each epoch of a standard training of
            the same network, data and length; `scaat.training` and the command line make it
            themselves.
            Without it the budget protects what the network has learnt so far, and no more.
        validation_reference: That training's `scaat.objectives.budget.validation_loss` after each
            epoch, in nats, with which `observe_validation` compares.
        search: How the perturbations are searched for.
        proportions: How many features are perturbed.
        search_interval: m; every m-th training step is SCAAT's, the others are standard training
            at 3 passes. Nothing makes up for them, so a weight is in effect ``weight`` / m.
            SCAAT-fast is ``search_interval=4`` with ``Search(steps=0)``: 1.33 times standard
            training.
        ramp_steps: Training steps, counted from the first one, over which a constant
            weight rises linearly from 0.
        ramp_fraction: The same as a fraction of the training, in [0, 1], instead of ``ramp_steps``.
        training_steps: Batches of the whole training, of which ``ramp_fraction`` is a fraction, and
            whose first quarter makes no search where there is a ``reference``, and of which each
            epoch of the reference is an equal part; the command line knows it, a loop of your own
            has to say it.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        num_samples: int,
        accuracy_budget: float = 0.5,
        weight: float | None = None,
        reference: Sequence[float] | None = None,
        validation_reference: Sequence[float] | None = None,
        search: Search = Search(),  # noqa: B008  frozen
        proportions: Proportions = Proportions(),  # noqa: B008  frozen
        search_interval: int = 1,
        ramp_steps: int = 0,
        ramp_fraction: float = 0.0,
        training_steps: int | None = None,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(num_samples, proportions, label_smoothing, bounds)
        check_radius(search.epsilon, bounds)
        if weight is not None:
            check_positive(weight, "weight", zero=True)
        check_count(search_interval, "search_interval", least=1)
        self.weight = weight
        self.budget = BudgetedWeight(
            num_samples,
            accuracy_budget,
            reference,
            validation_reference,
            float(search_interval),
            training_steps,
        )
        self.search = search
        self.search_interval = search_interval
        self.ramp_steps = ramp_length(ramp_steps, ramp_fraction, training_steps)
        self.protected_steps = 0
        if weight is None and reference is not None and training_steps is not None:
            self.protected_steps = round(PROTECTED * training_steps)

    def for_regression(self, deviation: float, tolerance: float = PROBABLE_ERROR) -> Self:
        """See `Objective.for_regression`; it needs a constant weight."""
        if self.weight is None:
            raise InputError(
                "a regression has no accuracy for the budget to keep: give weight, for example 1.0"
            )
        if self.search.score != "logit":
            raise InputError(
                f"score is {self.search.score!r}, expected 'logit': a regression's output is no "
                "probability"
            )
        return super().for_regression(deviation, tolerance)

    def check_shape(self, shape: Sequence[int]) -> None:
        """See `Objective.check_shape`; regions may not be larger than the images."""
        self.search.check_regions(shape)

    @property
    def own_fraction(self) -> float:
        """See `Objective.own_fraction`."""
        searching = 1 - PROTECTED if self.weight is None else 1.0
        return searching / self.search_interval

    def forward(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        counted: Tensor | None = None,
    ) -> ObjectiveOutput:
        """Compute the loss of one batch and, in training mode, adapt q.

        See `Objective.forward`. The terms are ``cross_entropy`` (nats), ``proportion`` (mean q of
        the batch) and, where there was a search, ``divergence`` (bits), ``weight`` and
        ``adversarial_accuracy``.
        """
        self.check_batch(images, labels, index, counted)
        if self._checking:
            check_index(index, len(self.proportion))
        proportion = self.proportion[index]
        terms = {"proportion": proportion.mean()}
        if self.training and not self._is_search_step():
            logits = self.clean_logits(model, images, labels)
            loss = self.cross_entropy(logits, labels)
            self._finish_step(loss, len(images))
            return ObjectiveOutput(loss, logits, {"cross_entropy": loss.detach(), **terms})
        # Algorithm 1: saliency map, irrelevant features, adversarial samples.
        measure = self.divergence_of(self.search.measure, labels)
        logits, adversarial = self._perturb(model, images, labels, proportion, measure)
        adversarial_logits = loss_view(model)(adversarial)
        # The loss terms.
        cross_entropy = self.cross_entropy(logits, labels)
        divergence = measure(adversarial_logits, logits).mean()
        weight = self._weight()
        # Algorithm 2.
        correct = self.correct(adversarial_logits, labels)
        if self.training:
            self._finish_step(cross_entropy, len(images))
            self._adapt(index, correct, counted)
        terms |= {
            "cross_entropy": cross_entropy.detach(),
            "divergence": divergence.detach(),
            "weight": weight,
            "adversarial_accuracy": correct.float().mean(),
        }
        return ObjectiveOutput(cross_entropy + weight * divergence, logits, terms)

    def observe_validation(self, loss: Tensor, samples: Tensor) -> None:
        """See `Objective.observe_validation`: the budget's tolerance follows it."""
        if self.weight is None:
            self.budget.observe_validation(loss, samples, self._steps_before())

    def _perturb(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        proportion: Tensor,
        measure: Divergence,
    ) -> tuple[Tensor, Tensor]:
        """Return the training pass's logits, and the images perturbed."""
        disable_donated_buffers(model)
        leaf = images.detach().requires_grad_()
        if self.search.search_mode == "train":
            logits = self.clean_logits(model, leaf, labels)
            gradient = score_gradient(
                logits, leaf, labels, score=self.search.score, retain_graph=True
            )
            return logits, self.search.perturb(
                model, images, gradient, logits, proportion, self.bounds, measure
            )
        logits = self.clean_logits(model, images, labels)
        with evaluation_mode(model):
            reference = search_view(model)(leaf)
            gradient = score_gradient(reference, leaf, labels, score=self.search.score)
            return logits, self.search.perturb(
                model, images, gradient, reference.detach(), proportion, self.bounds, measure
            )

    def _is_search_step(self) -> bool:
        before = self._steps_before()
        return before >= self.protected_steps and (before + 1) % self.search_interval == 0

    def _weight(self) -> Tensor:
        """Return the weight of the divergence in this step, a scalar."""
        if self.weight is None:
            return self.budget.weight.clone()
        rise = 1.0
        if self.training and self.ramp_steps:
            rise = min(self._steps_before() / self.ramp_steps, 1.0)
        return torch.full_like(self.budget.weight, self.weight * rise)

    def _finish_step(self, cross_entropy: Tensor, samples: int) -> None:
        self._count_step()
        if self.weight is None:
            self.budget.observe(cross_entropy.detach(), samples, self._steps_before())


MOST_STEPS = 10**15  # whole numbers that a float holds exactly


def ramp_length(steps: int, fraction: float, training_steps: int | None) -> int:
    """Return over how many training steps the weight rises.

    Raises:
        InputError: A number is out of range, both are given, or the training's length is missing.
    """
    check_count(steps, "ramp_steps", least=0)
    check_fraction(fraction, "ramp_fraction")
    if not fraction:
        return steps
    if steps:
        raise InputError(
            f"ramp_steps is {steps} and ramp_fraction {fraction}, expected one of them"
        )
    if training_steps is None:
        raise InputError(
            f"ramp_fraction is {fraction} without training_steps, expected the number of steps of "
            "the training"
        )
    check_count(training_steps, "training_steps", least=1)
    return max(round(fraction * training_steps), 1)


def check_count(value: float, name: str, *, least: int) -> None:
    """Raise `InputError` unless ``value`` is a whole number that counts steps."""
    if not (float(value).is_integer() and least <= value <= MOST_STEPS):
        raise InputError(
            f"{name} is {value!r}, expected a whole number from {least} to {MOST_STEPS:,}"
        )
