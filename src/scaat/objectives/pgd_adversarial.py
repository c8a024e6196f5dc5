"""Adversarial training with projected gradient descent (Madry et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scaat.functional.checks import Bounds, check_fraction
from scaat.functional.perturbation import pgd
from scaat.objectives.base import Objective, ObjectiveOutput, objectives
from scaat.objectives.search import SearchMode, check_search, search_passes
from scaat.passes import loss_view


@objectives.register("pgd-adversarial")
class PGDAdversarial(Objective):
    """Train on the inputs of an epsilon ball that the model gets most wrong.

    Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep Learning Models Resistant to
    Adversarial Attacks", ICLR 2018, arXiv:1706.06083, equation 2.1: the loss is the cross-entropy
    of perturbed inputs, which PGD-k finds from a random point of the ball. Images without their
    perturbation take no part in it, unless ``clean_fraction`` mixes them in (Goodfellow, Shlens and
    Szegedy, ICLR 2015, arXiv:1412.6572, section 6).

    A step costs 4 + 2k passes: k to search with, 3 for the perturbed images, and a forward pass on
    the clean ones, whose logits are reported and whose statistics batch norm keeps, as in every
    objective here. With ``clean_fraction`` it is 6 + 2k.

    Args:
        epsilon: Radius of the perturbation in the maximum norm, in units of the inputs (pixels
            in [0, 1]); 8/255 is the authors' for CIFAR-10.
        steps: k, steps of the search; 7 is the authors' for CIFAR-10.
        step_size: Size of a search step in units of the inputs; by default 2.5 epsilon / k. (The
            authors' for CIFAR-10 is 2/255.)
        random_start: Start from a random point of the ball, as the authors do, rather than from
            the image itself.
        clean_fraction: Fraction of the clean images' cross-entropy in the loss, in [0, 1]; 0 is
            Madry et al., 0.5 Goodfellow et al.
        search_mode: ``"eval"`` lets the search see batch norm and dropout as in evaluation;
            ``"train"`` as in the training pass, without updating statistics. The former is
            the usual choice, for it attacks the model that is used later.
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
        random_start: bool = True,
        clean_fraction: float = 0.0,
        search_mode: SearchMode = "eval",
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_search(epsilon, steps, step_size, search_mode, bounds)
        check_fraction(clean_fraction, "clean_fraction")
        self.epsilon = epsilon
        self.steps = steps
        self.step_size = step_size
        self.random_start = random_start
        self.clean_fraction = clean_fraction
        self.search_mode: SearchMode = search_mode

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        logits = self.clean_logits(model, images, labels)
        with search_passes(model, self.search_mode) as predict:
            adversarial = pgd(
                predict,
                images,
                self.summed_cross_entropy(labels),
                epsilon=self.epsilon,
                steps=self.steps,
                step_size=self.step_size,
                bounds=self.bounds,
                start=None if self.random_start else torch.zeros_like(images),
            )
        adversarial_logits = loss_view(model)(adversarial)
        cross_entropy = self.cross_entropy(logits, labels)
        loss = adversarial_loss = self.cross_entropy(adversarial_logits, labels)
        clean = self.clean_fraction
        if clean > 0:
            loss = clean * cross_entropy + (1 - clean) * adversarial_loss
        terms = {
            "cross_entropy": cross_entropy.detach(),
            "adversarial_cross_entropy": adversarial_loss.detach(),
            "adversarial_accuracy": self.correct(adversarial_logits, labels).float().mean(),
        }
        return ObjectiveOutput(loss, logits, terms)
