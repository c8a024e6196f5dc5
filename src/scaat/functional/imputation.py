"""Linear imputation (ROAD): each removed pixel becomes the weighted mean of its neighbours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor


def linear_imputation(images: Tensor, removed: Tensor) -> Tensor:
    """Replace the removed pixels by weighted means of their neighbours (Rong et al. 2022).

    Direct neighbours weigh 1/6, diagonal ones 1/12; at the border the weights inside the image
    are scaled to a sum of one. No noise is added. Removed pixels have removed neighbours, so the
    means of an image are a sparse linear system, which SciPy solves directly, in float64 on the
    CPU, wherever the images are.

    Args:
        images: (N, C, H, W), floating point.
        removed: bool (N, H, W); every image keeps at least one pixel.

    Returns:
        (N, C, H, W) of the type of ``images``; the kept pixels are untouched.

    Raises:
        ImportError: SciPy is missing.
    """
    try:
        from scipy.sparse.linalg import splu
    except ImportError as error:
        raise ImportError(
            f"the fill 'noisy-linear' (ROAD) needs SciPy (pip install 'scaat[run]'): {error}",
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
