"""Perturbations dual to a norm of the input gradient (Gong, Dou and Farnia 2024).

Training on the worst perturbation d under a penalty P*(d) adds, to first order, P(gradient) to the
loss, where P* is the convex conjugate of P. The choice of P* gives gradients a structure:

- ``l1``: P = epsilon |g|_1; d stays in the maximum-norm ball of radius epsilon;
- ``elastic-net``: P = epsilon |g|_1 + ridge |g|_2^2; the penalty is the squared norm of the part of
  d outside that ball, over 4 ridge;
- ``group``: P = epsilon times the sum over groups of |g|_2; each group of d has norm at most
  epsilon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.functional.checks import Bounds
from scaat.functional.gradients import input_gradient
from scaat.functional.regions import spread
from scaat.functional.saliency import Predict

Penalty = Literal["l1", "elastic-net", "group"]


def dual_perturbation(
    gradient: Tensor, penalty: Penalty, *, epsilon: float, ridge: float, group_size: int
) -> Tensor:
    """Return the worst perturbation of a linear loss with this gradient (N, ...), in closed form.

    ``epsilon`` is the weight of the L1 or group norm, ``ridge`` that of the elastic net's squared
    L2 norm, ``group_size`` the side in pixels of the square groups of ``group``, one channel each,
    which needs images (N, C, H, W). A group with zero gradient is not perturbed.
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
    """Search for the worst perturbation by normalised gradient steps.

    It starts at the inputs, and ``step_size`` is the L2 norm of a step per sample, in units of the
    inputs. The maximised value includes the elastic net's penalty; groups are scaled back to norm
    epsilon after each step. (For ``l1`` this search is `pgd`, which has the other arguments, too.)
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
    """Return the L2 norm of each block of values (N, C, H, W), at all of its pixels.

    If ``group_size`` does not divide H or W, the last blocks are smaller.
    """
    height, width = values.shape[2:]
    squares = values.square()
    # The mean over the padded window times its area is the sum, also at the border.
    sums = group_size**2 * F.avg_pool2d(
        F.pad(squares, (0, -width % group_size, 0, -height % group_size)), group_size
    )
    return spread(sums.sqrt(), group_size, (height, width))
