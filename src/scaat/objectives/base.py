"""What the objectives share: their registry, what they return and their checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Self

from torch import Tensor, nn
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.functional.checks import Bounds, check_images, check_labels, check_share
from scaat.registry import Registry


class ObjectiveOutput(NamedTuple):
    """Result of one objective on one batch."""

    loss: Tensor
    """Scalar to call ``backward`` on."""
    logits: Tensor
    """Logits of the clean batch, shape (N, classes), with their graph."""
    terms: dict[str, Tensor]
    """Named scalars for the log, detached: the loss's parts and what the method tracks."""


objectives: Registry[type[Objective]] = Registry("method")
"""Training methods by the name that the command line and the results use."""


class ExactBuffers(nn.Module):
    """A module whose buffers keep their dtype, with their values, when it is cast.

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
        bounds: Range of valid inputs, ends included; None for inputs without bounds.
    """

    __call__: Callable[..., ObjectiveOutput]  # torch's own returns Any

    def __init__(self, label_smoothing: float = 0.0, bounds: Bounds | None = (0.0, 1.0)) -> None:
        super().__init__()
        check_share(label_smoothing, "label_smoothing")
        if bounds is not None and not bounds[0] < bounds[1]:
            raise InputError(f"bounds are {bounds!r}, expected (low, high) with low < high")
        self.label_smoothing = label_smoothing
        self.bounds = bounds
        self._first_batch = True
        self._checking = True

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
            model: Maps inputs to logits, shape (N, classes).
            images: Floating point, shape (N, ...), inside ``bounds``.
            labels: Class numbers, int64, shape (N,).
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
        raise NotImplementedError

    @property
    def own_fraction(self) -> float:
        """Fraction of the training steps that are the objective's own.

        The others are standard training. In evaluation mode every call is the objective's own.
        """
        return 1.0

    def check_batch(
        self, images: Tensor, labels: Tensor, index: Tensor, counted: Tensor | None
    ) -> None:
        """Raise `InputError` unless the batch is as `forward` describes it."""
        self._checking = self._first_batch or images.device.type == "cpu"
        self._first_batch = False
        for name, tensor in (("labels", labels), ("index", index), ("counted", counted)):
            if tensor is not None and tensor.shape != images.shape[:1]:
                raise InputError(
                    f"{name} has shape {tuple(tensor.shape)}, expected ({len(images)},): one "
                    "for each image"
                )
        if self._checking:
            check_images(images, self.bounds)

    def clean_logits(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Run the training pass and check that its logits and the labels fit."""
        logits: Tensor = model(images)
        if logits.dim() != 2 or len(logits) != len(images):
            raise InputError(
                f"the model returned shape {tuple(logits.shape)}, expected logits of shape "
                f"({len(images)}, classes)"
            )
        if self._checking:
            check_labels(labels, logits.shape[1])
        return logits

    def cross_entropy(
        self, logits: Tensor, labels: Tensor, *, reduction: Literal["mean", "sum"] = "mean"
    ) -> Tensor:
        """Cross-entropy of the batch in nats, computed in at least float32."""
        logits = logits if logits.dtype.itemsize >= 4 else logits.float()
        return F.cross_entropy(
            logits, labels, label_smoothing=self.label_smoothing, reduction=reduction
        )
