"""Saliency-guided training on adversarial images (Guesmi, Aswani and Shafique 2024)."""

from __future__ import annotations

from torch import Tensor, nn

from scaat.functional.checks import Bounds, check_fraction, check_positive
from scaat.functional.perturbation import pgd
from scaat.functional.saliency import saliency_map
from scaat.functional.selection import replace_lowest
from scaat.objectives.base import Objective, ObjectiveOutput, objectives
from scaat.objectives.search import check_search, search_passes
from scaat.passes import loss_view


@objectives.register("saliency-guided-adversarial")
class SaliencyGuidedAdversarial(Objective):
    """Keep the prediction for a perturbed image while its features of lowest saliency are noise.

    Guesmi, Aswani and Shafique, "Exploring the Interplay of Interpretability and Robustness in Deep
    Neural Networks: A Saliency-guided Approach", 2024, arXiv:2405.06278, after its second author's
    code (github.com/niniack/continualUtils, ``AdversarialSaliencyPlugin``), since the paper's
    formulas were not at hand: the cross-entropy of the clean images, plus that of images x' which
    PGD-k perturbs, plus ``weight`` times KL(f(x') || f(masked x')), in nats, where the lowest
    fraction of the features of x', ranked by the saliency map of the class predicted for it, is
    replaced by uniform values of its range.

    A step costs 11 + 2k passes. Search and map see the model in evaluation mode, as in
    saliency-guided training here.

    Args:
        epsilon: Radius of the perturbation in the maximum norm, in units of the inputs (pixels
            in [0, 1]); 8/255 is the customary radius for images.
        steps: k, steps of the search; 7 is Madry et al.'s for CIFAR-10.
        step_size: Size of a search step in units of the inputs; by default 2.5 epsilon / k.
        proportion: Fraction of features to replace, in [0, 1]; 0.5 is that code's default.
        weight: Weight of the divergence; 1 is that code's.
        signed: Rank features by the signed gradient (mean over channels), as that code does; False
            ranks by the absolute gradient, as ``saliency-guided`` does here.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        epsilon: float = 8 / 255,
        steps: int = 7,
        step_size: float | None = None,
        proportion: float = 0.5,
        weight: float = 1.0,
        signed: bool = False,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_search(epsilon, steps, step_size, "eval", bounds)
        check_fraction(proportion, "proportion")
        check_positive(weight, "weight", zero=True)
        self.epsilon = epsilon
        self.steps = steps
        self.step_size = step_size
        self.proportion = proportion
        self.weight = weight
        self.signed = signed

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        logits = self.clean_logits(model, images, labels)
        with search_passes(model, "eval") as predict:
            adversarial = pgd(
                predict,
                images,
                self.summed_cross_entropy(labels),
                epsilon=self.epsilon,
                steps=self.steps,
                step_size=self.step_size,
                bounds=self.bounds,
            )
        adversarial_logits = loss_view(model)(adversarial)
        predicted = self.predicted(adversarial_logits, labels)
        with search_passes(model, "eval") as predict:
            maps = saliency_map(predict, adversarial, predicted, signed=self.signed)
        masked_logits = loss_view(model)(replace_lowest(adversarial, maps, self.proportion))
        cross_entropy = self.cross_entropy(logits, labels)
        adversarial_loss = self.cross_entropy(adversarial_logits, labels)
        divergence = self.kl_in_nats(labels)(adversarial_logits, masked_logits).mean()
        terms = {
            "cross_entropy": cross_entropy.detach(),
            "adversarial_cross_entropy": adversarial_loss.detach(),
            "divergence": divergence.detach(),
            "adversarial_accuracy": self.correct(adversarial_logits, labels).float().mean(),
        }
        return ObjectiveOutput(
            cross_entropy + adversarial_loss + self.weight * divergence, logits, terms
        )
