"""Masked PGD-k: the constrained search for a harmful perturbation (paper equations 5 to 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.checks import Bounds
from scaat.functional.divergence import Divergence, jeffreys_divergence
from scaat.functional.gradients import input_gradient
from scaat.functional.saliency import Predict


def masked_pgd(
    predict: Predict,
    inputs: Tensor,
    mask: Tensor,
    *,
    epsilon: float,
    steps: int = 4,
    step_size: float | None = None,
    divergence: Divergence = jeffreys_divergence,
    reference: Tensor | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    start: Tensor | None = None,
) -> Tensor:
    """Search, on the masked features only, for the inputs whose prediction differs most.

    Ascends the divergence from the clean prediction by signed gradient steps, each projected on
    the epsilon ball, on the mask and on ``bounds``. It starts from a random point of the masked
    ball, because at the clean input itself the divergence has a zero gradient. One step with
    the default size is FGSM. Costs ``steps`` forward passes and input gradients (and one forward
    pass more without ``reference``); parameters receive no gradient.

    Args:
        predict: Inputs to logits. Give it detached parameters to spare their graph.
        inputs: Clean inputs, shape (N, ...).
        mask: Bool, features that may change; its shape is that of ``inputs``, or broadcasts to
            it, or is (N, H, W) for images (N, C, H, W).
        epsilon: Radius of the ball in the maximum norm, in units of the inputs.
        steps: k, at least 1; 4 is the paper's.
        step_size: In units of the inputs; 2.5 epsilon / k by default, so that the search can
            cross the ball from any start (Madry et al. 2018); for k = 1 it reaches a corner.
        divergence: What is maximised between the perturbed and the clean logits.
        reference: Clean logits, shape (N, classes); computed here if None.
        bounds: Range that the perturbed inputs stay in; None for unbounded inputs.
        start: Perturbation to start from, of the shape of ``inputs``, projected before use;
            uniform in the ball by default, from torch's global generator.

    Returns:
        Perturbed inputs, detached, of the shape and dtype of ``inputs``, equal to them to the bit
        wherever the mask is False.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, expected at least 1")
    if mask.dim() == 3 and inputs.dim() == 4:
        mask = mask.unsqueeze(1)
    step_size = 2.5 * epsilon / steps if step_size is None else step_size
    inputs = inputs.detach()
    if reference is None:
        with torch.no_grad():
            reference = predict(inputs)
    clean = reference.detach()
    lower, upper = inputs - epsilon, inputs + epsilon
    if bounds is not None:
        lower, upper = lower.clamp(*bounds), upper.clamp(*bounds)

    def project(candidate: Tensor) -> Tensor:
        return torch.where(mask, candidate.clamp(lower, upper), inputs)

    if start is None:
        start = torch.empty_like(inputs).uniform_(-epsilon, epsilon)
    perturbed = project(inputs + start)
    for _ in range(steps):
        with torch.enable_grad():
            leaf = perturbed.requires_grad_()
            gradient = input_gradient(
                lambda logits: divergence(logits, clean).sum(), predict(leaf), leaf
            )
        direction = gradient.sign().to(inputs.dtype)
        perturbed = project(perturbed.detach() + step_size * direction)
    return perturbed
