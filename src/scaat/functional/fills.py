"""Fills: replacements for removed pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scaat.errors import unknown
from scaat.functional.blur import gaussian_blur
from scaat.functional.imputation import linear_imputation

NOISE = 0.01
"""Standard deviation of the noise on imputed pixels, in units of the range [0, 1]."""


def _covered(images: Tensor, removed: Tensor, backgrounds: Tensor) -> Tensor:
    return torch.where(removed.unsqueeze(1), backgrounds, images)


@dataclass(frozen=True)
class Fill:
    """How removed pixels are filled.

    Attributes:
        draw: writes the random background of one image into a float32 array; None if the fill
            is not random.
        paint: returns the backgrounds (N, C, H, W) of images if the fill is not random.
        put: fills ``images`` (B, C, H, W) at the ``removed`` pixels, bool (B, H, W), with the
            backgrounds (B, C, H, W).
        needs_rest: whether at least one pixel must remain.
    """

    draw: Callable[[np.random.Generator, NDArray[np.float32]], Any] | None = None
    paint: Callable[[Tensor], Tensor] = torch.zeros_like
    put: Callable[[Tensor, Tensor, Tensor], Tensor] = _covered
    needs_rest: bool = False


def _uniform(generator: np.random.Generator, out: NDArray[np.float32]) -> None:
    generator.random(out=out, dtype=np.float32)


def _gaussian(generator: np.random.Generator, out: NDArray[np.float32]) -> None:
    generator.standard_normal(out=out, dtype=np.float32)
    out *= NOISE


def _mean(images: Tensor) -> Tensor:
    return images.mean((2, 3), keepdim=True).expand_as(images)


def _imputed(images: Tensor, removed: Tensor, noise: Tensor) -> Tensor:
    return _covered(images, removed, linear_imputation(images, removed) + noise)


FILLS = {
    "random": Fill(draw=_uniform),
    "mean": Fill(paint=_mean),
    "blur": Fill(paint=gaussian_blur),
    "zero": Fill(paint=torch.zeros_like),
    "noisy-linear": Fill(draw=_gaussian, put=_imputed, needs_rest=True),
}
"""Fills by name: independent uniform pixels in all channels; the image's mean per channel; the
blurred image (`scaat.functional.blur`); zero; and ROAD's noisy linear imputation (Rong et al.
2022), the mean of the neighbours (`scaat.functional.imputation`) plus Gaussian noise of standard
deviation 0.01, which can leave [0, 1] as in the original."""


def find_fill(name: str) -> Fill:
    """Return the fill called ``name``, or raise `InputError` with the nearest name."""
    if name not in FILLS:
        raise unknown("fill", name, FILLS)
    return FILLS[name]
