"""Input-gradient regularisation (Ross and Doshi-Velez 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scaat.functional.checks import Bounds, check_positive
from scaat.functional.gradients import input_gradient
from scaat.objectives.base import Objective, ObjectiveOutput, objectives
from scaat.passes import twice_differentiable


@objectives.register("input-gradient")
class InputGradient(Objective):
    """Keep the loss's gradient with respect to the inputs small.

    Ross and Doshi-Velez, "Improving the Adversarial Robustness and Interpretability of Deep Neural
    Networks by Regularizing Their Input Gradients", AAAI 2018, arXiv:1711.09404: the
    cross-entropy plus ``weight`` times the squared L2 norm of its gradient with respect to the
    image, both in nats and as means over the batch, by double backpropagation (Drucker and LeCun
    1992). Where batch norm joins the samples of a batch, the gradient is that of the batch's
    summed cross-entropy.

    A step costs 6 passes. ``torch.compile`` does not differentiate twice: under it the training
    pass runs as it is written.

    Args:
        weight: lambda. It has a scale of its own for each kind of data, since the penalty goes
            with the square of the inputs' unit: choose it by validation. 0.1 is a point to start
            from, not the authors' value.
        label_smoothing: See `Objective`.
        bounds: See `Objective`.

    Raises:
        InputError: An option is out of range.
    """

    def __init__(
        self,
        weight: float = 0.1,
        label_smoothing: float = 0.0,
        bounds: Bounds | None = (0.0, 1.0),
    ) -> None:
        super().__init__(label_smoothing, bounds)
        check_positive(weight, "weight", zero=True)
        self.weight = weight

    def _outcome(self, model: nn.Module, images: Tensor, labels: Tensor) -> ObjectiveOutput:
        leaf = images.detach().requires_grad_()
        with twice_differentiable(model):
            logits = self.clean_logits(model, leaf, labels)
            value = self.summed_cross_entropy(labels)
            gradient = input_gradient(value, logits, leaf, create_graph=True)
        # Half precision would overflow in the square.
        gradient = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
        penalty = gradient.flatten(1).square().sum(1).mean()
        cross_entropy = self.cross_entropy(logits, labels)
        return ObjectiveOutput(
            cross_entropy + self.weight * penalty,
            logits,
            {"cross_entropy": cross_entropy.detach(), "gradient_penalty": penalty.detach()},
        )
