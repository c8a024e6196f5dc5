"""Standard training: cross-entropy alone (paper equation 1)."""

from __future__ import annotations

from torch import Tensor, nn

from scaat.objectives.base import Objective, ObjectiveOutput, objectives


@objectives.register("standard")
class Standard(Objective):
    """Cross-entropy on clean images: the baseline, 3 passes a step.

    Passes are counted with forward, input gradient and weight gradient as one each.

    Args:
        label_smoothing: Fraction of each label spread over all classes, in [0, 1]; 0 by default,
            because smoothing changes the very confidence that perturbation curves measure.
        bounds: Range of valid inputs, ends included; None for inputs without bounds.
    """

    def forward(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        counted: Tensor | None = None,
    ) -> ObjectiveOutput:
        """Compute the loss of one batch; see `Objective.forward`."""
        self.check_batch(images, labels, index, counted)
        logits = self.clean_logits(model, images, labels)
        loss = self.cross_entropy(logits, labels)
        return ObjectiveOutput(loss, logits, {"cross_entropy": loss.detach()})
