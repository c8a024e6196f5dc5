"""Perturbations dual to a norm of the input gradient (Gong, Dou and Farnia 2024).

To train on the worst perturbation d under a penalty P*(d) is, to first order, to add P(gradient) to
the loss, where P* is the convex conjugate of P. So the choice of P* gives gradients a structure:

- ``l1``: P = epsilon |g|_1, and d stays in the maximum-norm ball of radius epsilon;
- ``elastic-net``: P = epsilon |g|_1 + ridge |g|_2^2, and d pays the squared length of what leaves
  that ball, over 4 ridge;
- ``group``: P = epsilon times the sum over groups of their |g|_2, and each group of d has length
  epsilon at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.functional.checks import Bounds
from scaat.functional.gradients import input_gradient
from scaat.functional.saliency import Predict

Penalty = Literal["l1", "elastic-net", "group"]


def dual_perturbation(
    gradient: Tensor, penalty: Penalty, *, epsilon: float, ridge: float, group_size: int
) -> Tensor:
    """Perturbation that a linear loss of this gradient finds worst, in closed form.

    Args:
        gradient: Of each sample's loss with respect to its inputs, shape (N, ...).
        penalty: See the module's description.
        epsilon: Weight of the L1 or group norm; not negative.
        ridge: Weight of the squared L2 norm; only ``elastic-net`` looks at it.
        group_size: Side in pixels of the square groups, which lie in one channel each; only
            ``group`` looks at it, and needs images, shape (N, C, H, W).

    Returns:
        Of the shape of ``gradient``. A group whose gradient is zero is not perturbed.
    """
    if penalty == "group":
        norms = group_norms(gradient, group_size)
        return epsilon * torch.where(norms > 0, gradient / norms, 0.0)
    corner = epsilon * gradient.sign()
    return corner + 2 * ridge * gradient if penalty == "elastic-net" else corner


def structured_ascent(
    predict: Predict,
    inputs: Tensor,
    value: Callable[[Tensor], Tensor],
    penalty: Literal["elastic-net", "group"],
    *,
    epsilon: float,
    ridge: float,
    group_size: int,
    steps: int,
    step_size: float,
    bounds: Bounds | None = (0.0, 1.0),
) -> Tensor:
    """Search for the worst perturbation by steps of one length along the gradient.

    It starts at the inputs themselves. The elastic net's penalty is part of what is ascended;
    groups are scaled back to length epsilon after each step. (For ``l1`` that search is `pgd`.)

    Args:
        predict: Inputs to logits. Give it detached parameters to spare their graph.
        inputs: Clean inputs, shape (N, ...).
        value: Maps logits, shape (N, classes), to the sum of the samples' losses.
        penalty: See the module's description.
        epsilon: See `dual_perturbation`.
        ridge: See `dual_perturbation`; above 0 for ``elastic-net``.
        group_size: See `dual_perturbation`.
        steps: Number of steps, at least 1; each is a forward pass and an input gradient.
        step_size: Length of a step in the L2 norm of one sample, in units of the inputs.
        bounds: Range that the perturbed inputs stay in; None for unbounded inputs.

    Returns:
        Perturbed inputs, detached, of the shape and dtype of ``inputs``.
    """
    inputs = inputs.detach()
    perturbed = inputs
    for _ in range(steps):
        with torch.enable_grad():
            leaf = perturbed.detach().requires_grad_()
            gradient = input_gradient(value, predict(leaf), leaf)
        change = perturbed.detach() - inputs
        if penalty == "elastic-net":
            beyond = F.relu(change.abs() - epsilon) * change.sign()
            gradient = gradient - beyond / (2 * ridge)
        direction = F.normalize(gradient.flatten(1), dim=1).view_as(gradient)
        change = change + step_size * direction.to(change.dtype)
        if penalty == "group":
            norms = group_norms(change, group_size)
            change = change * torch.where(norms > epsilon, epsilon / norms, 1.0)
        perturbed = inside(inputs + change, bounds)
    return perturbed


def inside(inputs: Tensor, bounds: Bounds | None) -> Tensor:
    """Clamp to ``bounds``, if there are any."""
    return inputs if bounds is None else inputs.clamp(*bounds)


def group_norms(values: Tensor, group_size: int) -> Tensor:
    """L2 norm of each square of ``group_size`` pixels of a channel, at all of its pixels.

    Args:
        values: Shape (N, C, H, W).
        group_size: Where it does not divide H or W the last groups are smaller.

    Returns:
        Of the shape of ``values``.
    """
    height, width = values.shape[2:]
    squares = values.square()
    # A mean over what the window covers times its area is the sum, at the ragged edges too.
    sums = group_size**2 * F.avg_pool2d(
        F.pad(squares, (0, -width % group_size, 0, -height % group_size)), group_size
    )
    rows = sums.sqrt().repeat_interleave(group_size, dim=2)[:, :, :height]
    return rows.repeat_interleave(group_size, dim=3)[:, :, :, :width]
