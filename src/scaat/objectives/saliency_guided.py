"""Saliency-guided training (Ismail et al., NeurIPS 2021), the paper's reference 18."""

from __future__ import annotations

from torch import Tensor, nn

from scaat.functional.checks import Bounds, check_fraction, check_positive
from scaat.functional.saliency import saliency_map
from scaat.functional.selection import replace_lowest
from scaat.objectives.base import Objective, ObjectiveOutput, objectives
from scaat.passes import evaluation_mode, loss_view, search_view


@objectives.register("saliency-guided")
class SaliencyGuided(Objective):
    """Keep the prediction while the features of lowest saliency are replaced by noise.

    The lowest fraction of features is replaced by uniform values of the sample's own range, and the
    divergence KL(f(x) || f(masked x)) is added to the cross-entropy. 8 passes a step: the
    saliency map comes from a pass of its own in evaluation mode, as in the authors' code.

    Args:
        proportion: Fraction of features to replace, in [0, 1]; 0.5 is the authors' choice for
            CIFAR-10.
        weight: Weight of the divergence, in nats as in the authors' code; 1 is theirs.
        signed: Rank features by the signed gradient (mean over channels), as the authors' code
            does unless told otherwise; False ranks by the absolute gradient, as their paper
            states.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        proportion: float = 0.5,
        weight: float = 1.0,
        signed: bool = False,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_fraction(proportion, "proportion")
        check_positive(weight, "weight", zero=True)
        self.proportion = proportion
        self.weight = weight
        self.signed = signed

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        logits = self.clean_logits(model, images, labels)
        with evaluation_mode(model):
            maps = saliency_map(search_view(model), images, labels, signed=self.signed)
        masked_logits = loss_view(model)(replace_lowest(images, maps, self.proportion))
        cross_entropy = self.cross_entropy(logits, labels)
        divergence = self.kl_in_nats(labels)(logits, masked_logits).mean()
        return ObjectiveOutput(
            cross_entropy + self.weight * divergence,
            logits,
            {"cross_entropy": cross_entropy.detach(), "divergence": divergence.detach()},
        )
