"""TRADES: accuracy traded for robustness by one weight (Zhang et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scaat.functional.checks import Bounds, check_positive
from scaat.functional.divergence import Divergence
from scaat.functional.perturbation import pgd
from scaat.objectives.base import Objective, ObjectiveOutput, objectives
from scaat.objectives.search import SearchMode, check_search, search_passes
from scaat.passes import loss_view


@objectives.register("trades")
class TRADES(Objective):
    """Keep the prediction constant inside an epsilon ball, whatever the label says.

    Zhang, Yu, Jiao, Xing, El Ghaoui and Jordan, "Theoretically Principled Trade-off between
    Robustness and Accuracy", ICML 2019, arXiv:1901.08573, equation 5 and algorithm 1: the
    cross-entropy of clean images plus ``weight`` times KL(f(x) || f(x')), in nats, where x' is what
    PGD-k finds to make that divergence large. As in the paper the search starts from Gaussian
    noise around the image, and as in the authors' code the model is in evaluation mode for it and
    gradients reach both predictions. Ours differs in one point: the start is projected on
    ``bounds`` before the first gradient.

    A step costs 7 + 2k passes; with ``search_mode="train"``, where the training pass's own logits
    serve as the search's reference, 6 + 2k.

    Args:
        epsilon: Radius of the perturbation in the maximum norm, in units of the inputs (pixels
            in [0, 1]); 8/255 is the customary radius, 0.031 the authors' for CIFAR-10.
        steps: k, steps of the search; 10 is the authors' for CIFAR-10.
        step_size: Size of a search step in units of the inputs; by default 2.5 epsilon / k. (The
            authors' for CIFAR-10 is 0.007.)
        weight: beta in the authors' code, 1/lambda in the paper, which reports 1 and 6.
        start_noise: Standard deviation of the Gaussian noise that the search starts from, in
            units of the inputs; 0.001 is the authors'. At the image itself the divergence
            has no gradient.
        search_mode: ``"eval"``, the authors', lets the search see batch norm and dropout as in
            evaluation; ``"train"`` as in the training pass, without updating statistics.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        epsilon: float = 8 / 255,
        steps: int = 10,
        step_size: float | None = None,
        weight: float = 6.0,
        start_noise: float = 0.001,
        search_mode: SearchMode = "eval",
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_search(epsilon, steps, step_size, search_mode, bounds)
        check_positive(weight, "weight", zero=True)
        check_positive(start_noise, "start_noise")
        self.epsilon = epsilon
        self.steps = steps
        self.step_size = step_size
        self.weight = weight
        self.start_noise = start_noise
        self.search_mode: SearchMode = search_mode

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        logits = self.clean_logits(model, images, labels)
        kl = self.kl_in_nats(labels)
        adversarial = self._search(model, images, logits.detach(), kl)
        adversarial_logits = loss_view(model)(adversarial)
        cross_entropy = self.cross_entropy(logits, labels)
        divergence = kl(logits, adversarial_logits).mean()
        terms = {
            "cross_entropy": cross_entropy.detach(),
            "divergence": divergence.detach(),
            "adversarial_accuracy": self.correct(adversarial_logits, labels).float().mean(),
        }
        return ObjectiveOutput(cross_entropy + self.weight * divergence, logits, terms)

    def _search(
        self, model: nn.Module, images: Tensor, reference: Tensor, kl: Divergence
    ) -> Tensor:
        with search_passes(model, self.search_mode) as predict:
            if self.search_mode == "eval":
                with torch.no_grad():
                    reference = predict(images)
            return pgd(
                predict,
                images,
                lambda outputs: kl(reference, outputs).sum(),
                epsilon=self.epsilon,
                steps=self.steps,
                step_size=self.step_size,
                bounds=self.bounds,
                start=self.start_noise * torch.randn_like(images),
            )
