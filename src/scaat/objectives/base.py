"""What the objectives share: their registry, what they return and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.checks import (
    Bounds,
    check_fraction,
    check_images,
    check_labels,
    check_multilabel,
    check_positive,
    check_targets,
)
from scaat.functional.divergence import Divergence, kl_divergence, mean_over_labels
from scaat.functional.gradients import gradients_enabled
from scaat.functional.logits import class_logits, is_multilabel, label_cross_entropy
from scaat.registry import Registry


class ObjectiveOutput(NamedTuple):
    """Result of one objective on one batch."""

    loss: Tensor
    """Scalar to call ``backward`` on."""
    logits: Tensor
    """What the model returned for the clean batch, logits of shape (N, classes) or (N, 1)."""
    terms: dict[str, Tensor]
    """Named scalars for the log, detached: the loss's parts and what the method tracks."""


PROBABLE_ERROR = 0.6745
"""In standard deviations: half of normally distributed targets are that near to their mean."""

objectives: Registry[type[Objective]] = Registry("method")
"""Training methods by the name that the command line and the results use."""


def _usable(argument: Any) -> Any:
    """Return a tensor that ``inference_mode`` made as one that can take part in a graph."""
    inferred = isinstance(argument, Tensor) and argument.is_inference()
    return argument.clone() if inferred else argument


class ExactBuffers(nn.Module):
    """A module whose buffers keep dtype and values when it is cast.

    Near 1/2, bfloat16 numbers lie 0.004 apart, and a proportion moves by 0.01.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in exact.items():
            applied = self.get_buffer(name)
            if applied.dtype != value.dtype:
                setattr(self, name, value.to(applied.device))
        return self


class Objective(ExactBuffers):
    """A training method: from a model and a batch to a loss.

    Args:
        label_smoothing: Fraction of each label spread over all classes, in [0, 1]; 0 by default,
            because smoothing changes the very confidence that perturbation curves measure.
        bounds: Range of valid inputs, ends included, kept by every search; None for inputs without
            bounds.
    """

    def __init__(self, label_smoothing: float = 0.0, bounds: Bounds | None = (0.0, 1.0)) -> None:
        super().__init__()
        check_fraction(label_smoothing, "label_smoothing")
        if bounds is not None and not bounds[0] < bounds[1]:
            raise InputError(f"bounds are {bounds!r}, expected (low, high) with low < high")
        self.label_smoothing = label_smoothing
        self.bounds = bounds
        self.deviation: float | None = None
        self.tolerance = PROBABLE_ERROR
        self._first_batch = True
        self._checking = True

    def __call__(self, *arguments: Any, **named: Any) -> ObjectiveOutput:
        """Call `forward`, under ``torch.no_grad`` and ``inference_mode``, too.

        Saliency maps and the search need gradients there as well; only the result has no graph.
        """
        if torch.is_grad_enabled():
            result: ObjectiveOutput = super().__call__(*arguments, **named)
            return result
        with gradients_enabled():
            arguments = tuple(map(_usable, arguments))
            named = {name: _usable(value) for name, value in named.items()}
            loss, logits, terms = super().__call__(*arguments, **named)
            return ObjectiveOutput(loss.detach(), logits.detach(), terms)

    def for_regression(self, deviation: float, tolerance: float = PROBABLE_ERROR) -> Self:
        """Make this an objective for one number a sample in the place of classes, and return it.

        Errors and differences of outputs count in units of ``deviation``. The loss is the mean
        squared error, the divergence of two outputs their squared difference, the saliency map the
        absolute gradient of the output. An output within ``tolerance`` of its target counts as
        classified correctly. Terms keep their names: ``cross_entropy`` is the squared error.

        Args:
            deviation: Standard deviation of the targets of the training set, positive. The loss
                of a constant prediction of their mean is then 1, and R2 is 1 less the loss.
            tolerance: In units of ``deviation``, positive. By default the constant prediction is
                right for half of normally distributed targets, as a guess is for two classes.

        Raises:
            InputError: An argument is out of range, or labels are to be smoothed.
        """
        check_positive(deviation, "deviation")
        check_positive(tolerance, "tolerance")
        if self.label_smoothing:
            raise InputError(
                f"label_smoothing is {self.label_smoothing!r}, expected 0: numbers are not smoothed"
            )
        self.deviation, self.tolerance = float(deviation), float(tolerance)
        return self

    def forward(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        counted: Tensor | None = None,
    ) -> ObjectiveOutput:
        """Compute the loss of one batch.

        Args:
            model: Maps inputs to logits, shape (N, classes); (N, 1) or (N,) for a single logit,
                whose sigmoid is the probability of class 1.
            images: Floating point, shape (N, ...), inside ``bounds``.
            labels: Class numbers, int64, shape (N,); for several labels a sample 0 or 1 each,
                floating point, shape (N, labels), with logits of that shape. After
                `for_regression` numbers, floating point, shape (N,), and outputs (N, 1) or (N,).
            index: Each sample's position in the training set, int64, shape (N,).
            counted: Whether each sample is a visit of its own, bool, shape (N,); all are by
                default. False for those by which a sampler for several processes fills the last
                batch up: they take part in the loss, and what follows each sample stays.

        Returns:
            The loss, the clean logits and the named terms.

        Raises:
            InputError: An argument is not as described. On an accelerator only the first batch
                is looked at, since looking makes it wait.
        """
        self.check_batch(images, labels, index, counted)
        return self._outcome(model, images, labels)

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        """Compute the loss of a checked batch, in methods that do not override `forward`."""
        raise NotImplementedError

    @property
    def own_fraction(self) -> float:
        """Fraction of the training steps that are the objective's own, not standard training.

        In evaluation mode every call is the objective's own.
        """
        return 1.0

    def observe_validation(self, loss: Tensor, samples: Tensor) -> None:
        """Take the validation after an epoch of training; most methods do not look at it.

        Args:
            loss: Of the validation images in nats, a scalar, equal on all processes
                (`scaat.objectives.budget.validation_loss`).
            samples: Number of validation images, a scalar.
        """

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise `InputError` unless the method takes images of this shape, (N, C, ...)."""

    def check_batch(
        self, images: Tensor, labels: Tensor, index: Tensor, counted: Tensor | None
    ) -> None:
        """Raise `InputError` unless the batch is as `forward` describes it."""
        self._checking = self._first_batch or images.device.type == "cpu"
        self._first_batch = False
        for name, tensor in (("labels", labels), ("index", index), ("counted", counted)):
            multilabel = tensor is labels and is_multilabel(labels) and len(labels) == len(images)
            if tensor is not None and tensor.shape != images.shape[:1] and not multilabel:
                raise InputError(
                    f"{name} has shape {tuple(tensor.shape)}, expected ({len(images)},): one "
                    "for each image"
                )
        if self._checking:
            check_images(images, self.bounds)
        self.check_shape(images.shape)

    def clean_logits(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Run the training pass and check that its logits and the labels fit."""
        output: Tensor = model(images)
        logits = class_logits(output)
        if logits.dim() != 2 or len(logits) != len(images):
            raise InputError(
                f"the model returned shape {tuple(output.shape)}, expected logits of shape "
                f"({len(images)}, classes)"
            )
        if self.deviation is not None:
            if self._checking or output.numel() != labels.numel():
                check_targets(labels, output)
        elif is_multilabel(labels):
            if self._checking or output.shape != labels.shape:
                check_multilabel(labels, output)
        elif self._checking:
            check_labels(labels, logits.shape[1])
        return output

    def cross_entropy(
        self, logits: Tensor, labels: Tensor, *, reduction: Literal["mean", "sum"] = "mean"
    ) -> Tensor:
        """Cross-entropy of the batch in nats, computed in at least float32.

        For several labels the binary cross-entropy, as a mean over labels. For regression the
        squared error in units of the targets' variance.
        """
        if self.deviation is not None:
            errors = self._squared_difference(logits, labels)
            return errors.mean() if reduction == "mean" else errors.sum()
        return label_cross_entropy(
            logits, labels, label_smoothing=self.label_smoothing, reduction=reduction
        )

    def summed_cross_entropy(self, labels: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the sum over the batch as a function of logits, for gradients sample by sample."""
        return partial(self.cross_entropy, labels=labels, reduction="sum")

    def predicted(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the predicted class, number, or 0 or 1 for each label, in the labels' form."""
        if self.deviation is not None:
            return logits.view(labels.shape)
        if is_multilabel(labels):
            return (logits > 0).to(labels.dtype)
        return class_logits(logits).argmax(1)

    def correct(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Whether each sample is classified correctly, bool (N,).

        One logit decides by its sign; of several labels all must be right; a number must be within
        the tolerance.
        """
        if self.deviation is not None:
            return self._squared_difference(logits, labels) <= self.tolerance**2
        right = self.predicted(logits, labels) == labels
        return right.all(1) if is_multilabel(labels) else right

    def divergence_of(self, divergence: Divergence, labels: Tensor) -> Divergence:
        """Return the divergence for this kind of labels; for regression the squared difference."""
        if self.deviation is not None:
            return self._squared_difference
        return mean_over_labels(divergence) if is_multilabel(labels) else divergence

    def kl_in_nats(self, labels: Tensor) -> Divergence:
        """Return KL(first || second) in nats for this kind of labels, as `divergence_of` does."""
        divergence = self.divergence_of(kl_divergence, labels)
        unit = math.log(2) if self.deviation is None else 1.0
        return lambda logits_p, logits_q: divergence(logits_p, logits_q) * unit

    def _squared_difference(self, outputs: Tensor, others: Tensor) -> Tensor:
        """Return (N,) for numbers (N,) or (N, 1), in units of the variance and at least float32."""
        assert self.deviation is not None
        wide = torch.promote_types(outputs.dtype, torch.float32)
        difference = outputs.flatten().to(wide) - others.flatten().to(wide)
        return (difference / self.deviation).square()
