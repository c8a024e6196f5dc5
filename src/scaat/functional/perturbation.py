"""PGD-k: adversarial search in an epsilon ball, with or without a mask (equations 5 to 7)."""

from __future__ import annotations

from collections.abc import Callable

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
    """Search, on the masked features only, for inputs whose prediction differs most.

    Maximises the divergence from the clean prediction by `pgd`. It starts from a random point of
    the masked ball, because the divergence has a zero gradient at the clean input. One step with
    the default size is FGSM. Costs one forward pass more than `pgd` without ``reference``.

    Args:
        predict: Maps inputs to logits. Detached parameters avoid their graph.
        inputs: Clean inputs, shape (N, ...).
        mask: Bool, features that may change; it broadcasts to ``inputs``, or is without channels:
            (N, H, W) for images (N, C, H, W), and likewise for series and volumes.
        epsilon: Radius of the ball in the maximum norm, in units of the inputs.
        steps: k, at least 1; the paper uses 4.
        step_size: In units of the inputs; 2.5 epsilon / k by default, so that the search can
            cross the ball from any start (Madry et al. 2018); for k = 1 it reaches a corner.
        divergence: Maximised between the perturbed and the clean logits.
        reference: Clean logits, shape (N, classes); computed here if None.
        bounds: Range of the perturbed inputs; None for unbounded inputs.
        start: Initial perturbation, of the shape of ``inputs``, projected before use; uniform in
            the ball by default, from torch's global generator.

    Returns:
        Perturbed inputs, detached, with the shape and dtype of ``inputs``; bitwise equal to them
        wherever the mask is False.
    """
    if reference is None:
        with torch.no_grad():
            reference = predict(inputs.detach())
    clean = reference.detach()
    return pgd(
        predict,
        inputs,
        lambda logits: divergence(logits, clean).sum(),
        mask=mask,
        epsilon=epsilon,
        steps=steps,
        step_size=step_size,
        bounds=bounds,
        start=start,
    )


def pgd(
    predict: Predict,
    inputs: Tensor,
    value: Callable[[Tensor], Tensor],
    *,
    epsilon: float,
    steps: int,
    step_size: float | None = None,
    mask: Tensor | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    start: Tensor | None = None,
) -> Tensor:
    """Maximise any function of the logits inside the epsilon ball (Madry et al. 2018).

    Takes signed gradient steps, each projected onto the ball, ``bounds`` and the mask. Costs
    ``steps`` forward passes and input gradients. Parameters receive no gradient.

    Args:
        predict: See `masked_pgd`.
        inputs: See `masked_pgd`.
        value: Maps logits, shape (N, classes), to the number to maximise: a sum over the
            samples, so that each follows its own gradient.
        epsilon: See `masked_pgd`.
        steps: See `masked_pgd`.
        step_size: See `masked_pgd`.
        mask: See `masked_pgd`; None lets every feature change.
        bounds: See `masked_pgd`.
        start: See `masked_pgd`.

    Returns:
        Perturbed inputs, as `masked_pgd` returns them.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, expected at least 1")
    step_size = 2.5 * epsilon / steps if step_size is None else step_size
    inputs = inputs.detach()
    project = _projection(inputs, mask, epsilon, bounds)
    perturbed = _start(inputs, epsilon, start, project)
    for _ in range(steps):
        with torch.enable_grad():
            leaf = perturbed.requires_grad_()
            gradient = input_gradient(value, predict(leaf), leaf)
        direction = gradient.sign().to(inputs.dtype)
        perturbed = project(perturbed.detach() + step_size * direction)
    return perturbed


def masked_step(
    inputs: Tensor,
    gradient: Tensor,
    mask: Tensor,
    *,
    epsilon: float,
    step_size: float | None = None,
    bounds: Bounds | None = (0.0, 1.0),
    start: Tensor | None = None,
) -> Tensor:
    """Take the step of `masked_pgd` for k = 1 along a known gradient, without a pass.

    Arguments and result are those of `masked_pgd`.
    """
    step_size = 2.5 * epsilon if step_size is None else step_size
    inputs = inputs.detach()
    project = _projection(inputs, mask, epsilon, bounds)
    perturbed = _start(inputs, epsilon, start, project)
    return project(perturbed + step_size * gradient.sign().to(inputs.dtype))


def _projection(
    inputs: Tensor, mask: Tensor | None, epsilon: float, bounds: Bounds | None
) -> Callable[[Tensor], Tensor]:
    """Return the projection onto the ball, the bounds and the mask."""
    if mask is not None and inputs.dim() > 2 and mask.dim() == inputs.dim() - 1:
        mask = mask.unsqueeze(1)
    lower, upper = inputs - epsilon, inputs + epsilon
    if bounds is not None:
        lower, upper = lower.clamp(*bounds), upper.clamp(*bounds)

    def project(candidate: Tensor) -> Tensor:
        inside = candidate.clamp(lower, upper)
        return inside if mask is None else torch.where(mask, inside, inputs)

    return project


def _start(
    inputs: Tensor, epsilon: float, start: Tensor | None, project: Callable[[Tensor], Tensor]
) -> Tensor:
    if start is None:
        start = torch.empty_like(inputs).uniform_(-epsilon, epsilon)
    return project(inputs + start)
