"""Baselines: replacements for removed pixels, ROAD's linear imputation among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scaat.errors import InputError, unknown
from scaat.functional.blur import gaussian_blur

NOISE = 0.01
"""Standard deviation of the noise on imputed pixels, in units of the range [0, 1]."""


def _covered(images: Tensor, removed: Tensor, backgrounds: Tensor) -> Tensor:
    return torch.where(removed.unsqueeze(1), backgrounds, images)


@dataclass(frozen=True)
class Baseline:
    """How removed pixels are filled."""

    draw: Callable[[np.random.Generator, NDArray[np.float32]], Any] | None = None
    """Writes the random background of one image into the array; None if it is not random."""
    paint: Callable[[Tensor], Tensor] = torch.zeros_like
    """Returns the backgrounds (N, C, ...) of images if they are not random."""
    put: Callable[[Tensor, Tensor, Tensor], Tensor] = _covered
    """Fills images (B, C, ...) at removed pixels, bool (B, ...), with backgrounds (B, C, ...)."""
    needs_rest: bool = False
    """Whether at least one pixel must remain."""


def _uniform(generator: np.random.Generator, out: NDArray[np.float32]) -> None:
    generator.random(out=out, dtype=np.float32)


def _gaussian(generator: np.random.Generator, out: NDArray[np.float32]) -> None:
    generator.standard_normal(out=out, dtype=np.float32)
    out *= NOISE


def _mean(images: Tensor) -> Tensor:
    return images.mean(tuple(range(2, images.dim())), keepdim=True).expand_as(images)


def _imputed(images: Tensor, removed: Tensor, noise: Tensor) -> Tensor:
    return _covered(images, removed, linear_imputation(images, removed) + noise)


BASELINES = {
    "random": Baseline(draw=_uniform),
    "mean": Baseline(paint=_mean),
    "blur": Baseline(paint=gaussian_blur),
    "zero": Baseline(paint=torch.zeros_like),
    "noisy-linear": Baseline(draw=_gaussian, put=_imputed, needs_rest=True),
}
"""Baselines by name: independent uniform pixels in all channels; the image's mean per channel; the
blurred image (`scaat.functional.blur`); zero; and ROAD's noisy linear imputation (Rong et al.
2022), the mean of the neighbours (`linear_imputation`) plus Gaussian noise of standard
deviation 0.01, which can leave [0, 1] as in the original."""


def find_baseline(name: str) -> Baseline:
    """Return the baseline called ``name``, or raise `InputError` with the nearest name."""
    if name not in BASELINES:
        raise unknown("baseline", name, BASELINES)
    return BASELINES[name]


def fixed_baseline(name: str) -> Baseline:
    """Return the baseline called ``name``, or raise `InputError` where it is random."""
    baseline = find_baseline(name)
    if baseline.draw:
        known = ", ".join(repr(other) for other, each in BASELINES.items() if not each.draw)
        raise InputError(f"the baseline is {name!r}, which is random; expected one of {known}")
    return baseline


def linear_imputation(images: Tensor, removed: Tensor) -> Tensor:
    """Replace the removed pixels by weighted means of their neighbours (Rong et al. 2022).

    Direct neighbours weigh 1/6, diagonal ones 1/12; at the border the weights inside the image
    are scaled to a sum of one. No noise is added. Removed pixels have removed neighbours, so the
    means of an image are a sparse linear system, which SciPy solves directly, in float64 on the
    CPU, wherever the images are.

    Images are (N, C, H, W), floating point, and ``removed`` bool (N, H, W); every image keeps at
    least one pixel. The result has the type of the images; kept pixels are untouched.

    Raises:
        ImportError: SciPy is missing.
        InputError: The images have another shape: the weights are defined in the plane.
    """
    if images.dim() != 4:
        raise InputError(
            f"the baseline 'noisy-linear' (ROAD) needs images of shape (N, C, H, W), found "
            f"{tuple(images.shape)}"
        )
    try:
        from scipy.sparse.linalg import splu
    except ImportError as error:
        raise ImportError(
            f"the baseline 'noisy-linear' (ROAD) needs SciPy (pip install 'scaat[run]'): {error}",
            name=error.name,
        ) from error
    laplacian = _laplacian(*images.shape[2:])
    filled = images.detach().flatten(2).cpu().double().numpy().copy()  # (N, C, H * W)
    for pixels, mask in zip(filled, removed.flatten(1).cpu().numpy(), strict=True):
        unknown, known = np.flatnonzero(mask), np.flatnonzero(~mask)
        if len(unknown):
            rows = laplacian[unknown]
            # The matrix is symmetric and positive definite: no pivoting, and an order for that.
            system = splu(
                rows[:, unknown].tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
            pixels[:, unknown] = system.solve(-rows[:, known] @ pixels[:, known].T).T
    result = torch.from_numpy(filled).to(images).view_as(images)
    return torch.where(removed.unsqueeze(1), result, images)


@lru_cache(maxsize=4)
def _laplacian(height: int, width: int) -> Any:
    """Return the matrix (H * W, H * W) of each pixel's sum of weights, less its neighbours'.

    The weights are twelvefold: 2 for direct neighbours, 1 for diagonal ones.
    """
    from scipy.sparse import csr_matrix, diags, kron

    def line(size: int) -> Any:
        return diags([1.0, 2.0, 1.0], [-1, 0, 1], shape=(size, size))

    weights = csr_matrix(kron(line(height), line(width)))
    weights.setdiag(0)
    return csr_matrix(diags(np.asarray(weights.sum(1)).ravel()) - weights)
