"""Standard training: cross-entropy alone (paper equation 1)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from scaat.functional.checks import Bounds
from scaat.functional.logits import is_multilabel
from scaat.objectives.base import Objective, ObjectiveOutput, objectives


@objectives.register("standard")
class Standard(Objective):
    """Cross-entropy on clean images: the baseline, 3 passes a step.

    Passes are counted with forward, input gradient and weight gradient as one each.

    Args:
        binary: Take the binary cross-entropy of each class against all others, as a mean over
            classes, instead of that of the softmax, which a constant added to all logits leaves
            alone. Gairola, Böhle, Locatello and Schiele, "How to Probe", ICLR 2025,
            arXiv:2503.00641, train the head of a frozen network by it for clearer maps. It changes
            nothing for a single logit, several labels an image, and regression.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.
    """

    def __init__(
        self,
        binary: bool = False,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        self.binary = binary

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        logits = self.clean_logits(model, images, labels)
        loss = self.cross_entropy(logits, labels)
        terms = {"cross_entropy": loss.detach()}
        several = logits.dim() == 2 and logits.shape[1] > 1 and not is_multilabel(labels)
        if self.binary and several:
            one_against_all = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
            loss = self.cross_entropy(logits, one_against_all)
            terms["binary_cross_entropy"] = loss.detach()
        return ObjectiveOutput(loss, logits, terms)
