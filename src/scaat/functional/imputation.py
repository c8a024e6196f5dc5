"""Linear imputation: each removed pixel becomes the weighted mean of its eight neighbours (ROAD).

The means hang together, since removed pixels have removed neighbours: a sparse linear system for
each image, the equation of heat with the kept pixels held fixed. A batch of them is solved at
once where the images are, by conjugate gradients with one multigrid cycle as preconditioner. That
takes the same few iterations for every image size and every shape of the removed part, so their
number is fixed and the host never waits for a look at the error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# An iteration divides the error by about 30. Conjugate gradients in float32 cannot pass an error
# of about 1e-3 where the removed part is 200 pixels wide; each round starts anew from the residual
# in float64.
_ROUNDS = 3
_ITERATIONS = 3
_DAMPING = 0.9  # of the Jacobi smoother, whose eigenvalues lie in (0, 4/3]
_COARSEST = 3  # longest side of the smallest grid
_BOTTOM_SWEEPS = 4


def linear_imputation(images: Tensor, removed: Tensor) -> Tensor:
    """Replace the removed pixels by weighted means of their neighbours (Rong et al. 2022).

    Direct neighbours weigh 1/6, diagonal ones 1/12; at the border the weights inside the image
    are scaled to a sum of one. No noise is added. The error is under 1e-5 whatever is removed.

    Args:
        images: (N, C, H, W), floating point.
        removed: bool (N, H, W); every image keeps at least one pixel.

    Returns:
        (N, C, H, W) of the type of ``images``; the kept pixels are untouched.
    """
    mask = removed.unsqueeze(1)
    unknown = mask.double()
    total = _box(torch.ones_like(unknown[:1]))
    levels = _levels(unknown.float(), total.float())
    mean = (images * (1 - unknown)).sum((2, 3)) / (1 - unknown).sum((2, 3))
    filled = torch.where(mask, mean[..., None, None], images.double())
    for _ in range(_ROUNDS):
        residual = unknown * torch.addcmul(_box(filled), total, filled, value=-1)
        filled = filled + _conjugate_gradients(levels, residual.float())
    return torch.where(mask, filled.to(images.dtype), images)


def _box(values: Tensor) -> Tensor:
    """Return the sum of each 3 x 3 surroundings by the weights 1 2 1 / 2 4 2 / 1 2 1.

    The neighbours' weights are twelvefold; the middle's is of no account, since every equation
    sets the box's sum of values to the pixel's value times its sum of ones.
    """
    # On flattened rows, with one spare at the end: shifts of one long line are several times faster
    # than those of many short ones.
    height, width = values.shape[-2:]
    line = width + 2
    flat = F.pad(values, (1, 1, 1, 2)).flatten(-2)
    end = (height + 1) * line
    flat = torch.add(flat[..., :end] + flat[..., 2 * line :], flat[..., line:-line], alpha=2)
    end = height * line
    flat = torch.add(flat[..., :end] + flat[..., 2 : end + 2], flat[..., 1 : end + 1], alpha=2)
    return flat.reshape(*values.shape[:-1], line)[..., :width]


@dataclass(frozen=True)
class _Level:
    """A grid of the multigrid cycle.

    Attributes:
        system: the matrix, as its product with values (N, C, h, w) that are 0 but for unknowns.
        unknown: 1 for its unknowns and 0 elsewhere, (N, 1, h, w).
        inverse: of the matrix's diagonal, 0 where nothing is unknown.
        down: interpolates rows of the next coarser grid, (h, h // 2 + 1).
        across: interpolates its columns, (w // 2 + 1, w).
    """

    system: Callable[[Tensor], Tensor]
    unknown: Tensor
    inverse: Tensor
    down: Tensor
    across: Tensor

    def finer(self, values: Tensor) -> Tensor:
        """Return values of the coarser grid on this one."""
        return self.unknown * (self.down @ values @ self.across)

    def coarser(self, values: Tensor) -> Tensor:
        """Return values that are 0 but for unknowns gathered on the coarser grid."""
        return self.down.mT @ values @ self.across.mT


def _level(system: Callable[[Tensor], Tensor], unknown: Tensor, diagonal: Tensor) -> _Level:
    height, width = unknown.shape[-2:]
    down, across = _interpolation(height, unknown), _interpolation(width, unknown).mT
    inverse = unknown / torch.where(unknown > 0, diagonal, 1)
    return _Level(system, unknown, inverse, down.contiguous(), across.contiguous())


def _interpolation(size: int, like: Tensor) -> Tensor:
    """Return the linear interpolation (size, size // 2 + 1) from every second place.

    Where the size is even the last coarse place lies one beyond the border: without it a constant
    would not be interpolated as one.
    """
    fine = torch.arange(size, device=like.device).unsqueeze(1)
    coarse = 2 * torch.arange(size // 2 + 1, device=like.device)
    return (1 - (fine - coarse).abs() / 2).clamp(min=0).to(like.dtype)


def _levels(unknown: Tensor, total: Tensor) -> list[_Level]:
    """Return the system on ever coarser grids, from the image's own to 3 x 3 or less."""

    def system(values: Tensor) -> Tensor:
        return unknown * (total * values - _box(values))

    levels = [_level(system, unknown, total - 4)]
    while max(levels[-1].unknown.shape[-2:]) > _COARSEST:
        levels.append(_coarser_level(levels[-1]))
    return levels


def _coarser_level(level: _Level) -> _Level:
    """Return the Galerkin system on the grid of every second pixel.

    A node there acts on itself and its eight neighbours. Of nodes three apart at most one acts on
    any given node: nine combs of such nodes, sent through the finer system, show every weight.
    """
    rows = torch.arange(level.down.shape[1], device=level.down.device).unsqueeze(1)
    columns = torch.arange(level.across.shape[0], device=level.down.device)
    kinds = torch.arange(9, device=level.down.device).view(9, 1, 1)
    combs = (rows % 3 * 3 + columns % 3 == kinds).to(level.down)
    acted = level.coarser(level.system(level.finer(combs)))
    weights = torch.cat(
        [
            acted.gather(1, ((rows + i) % 3 * 3 + (columns + j) % 3).expand_as(acted[:, :1]))
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ],
        dim=1,
    )
    diagonal = weights[:, 4:5]
    # Rounding leaves a diagonal of about 1e-7 where no unknown is near, a real one is over 0.1.
    unknown = (diagonal > 1e-3).to(weights)
    return _level(lambda values: _stencil(weights, values), unknown, diagonal)


def _stencil(weights: Tensor, values: Tensor) -> Tensor:
    """Return for each node the sum of its 3 x 3 surroundings by its own weights (N, 9, h, w)."""
    height, width = values.shape[-2:]
    padded = F.pad(values, (1, 1, 1, 1))
    result = torch.zeros_like(values)
    for k in range(9):
        i, j = divmod(k, 3)
        result.addcmul_(weights[:, k : k + 1], padded[..., i : i + height, j : j + width])
    return result


def _conjugate_gradients(levels: list[_Level], residual: Tensor) -> Tensor:
    """Return the solution (N, C, h, w) of the finest system for a right-hand side."""
    system = levels[0].system
    direction = _cycle(levels, residual)
    solution = torch.zeros_like(residual)
    energy = _dot(residual, direction)
    for iteration in range(_ITERATIONS):
        image = system(direction)
        step = _ratio(energy, _dot(direction, image))
        solution.addcmul_(step, direction)
        if iteration + 1 < _ITERATIONS:
            residual = torch.addcmul(residual, step, image, value=-1)
            correction = _cycle(levels, residual)
            previous, energy = energy, _dot(residual, correction)
            direction = torch.addcmul(correction, _ratio(energy, previous), direction)
    return solution


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((2, 3), keepdim=True)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b, and 0 where b is: that system is solved, or has no unknowns."""
    return torch.where(b > 0, a / b, 0)


def _cycle(levels: list[_Level], residual: Tensor) -> Tensor:
    """Return the correction of one V-cycle with one Jacobi sweep before and after."""
    level, coarser = levels[0], levels[1:]
    correction = _DAMPING * level.inverse * residual
    if not coarser:
        for _ in range(_BOTTOM_SWEEPS):
            correction = _smoothed(level, correction, residual)
        return correction
    rest = level.unknown * (residual - level.system(correction))
    correction = correction + level.finer(_cycle(coarser, level.coarser(rest)))
    return _smoothed(level, correction, residual)


def _smoothed(level: _Level, correction: Tensor, residual: Tensor) -> Tensor:
    return torch.addcmul(
        correction, level.inverse, residual - level.system(correction), value=_DAMPING
    )
