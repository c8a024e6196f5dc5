"""Filters of the gradient, which need neither training nor further passes."""

from __future__ import annotations

from torch import Tensor

from scaat.attribution.method import Query, attributions, saliency_method
from scaat.errors import InputError
from scaat.functional.low_pass import low_pass
from scaat.functional.regions import region_average
from scaat.functional.saliency import sum_channels

CUTOFF = 15 / 224
"""Of FORGrad, in cycles per pixel: its authors' default, 15 cycles in images of 224 pixels."""


@attributions.register("forgrad")
@saliency_method
def forgrad(query: Query, *, cutoff: float | None = None) -> Tensor:
    """Return FORGrad, the low-pass filtered gradient (Muzellec et al. 2023, arXiv 2307.09591).

    Strides and pooling leave artefacts of high frequency in a network's gradient; the filter
    removes them. It works on each channel's signed gradient (`scaat.functional.low_pass`). The
    authors' library Xplique instead filters the absolute gradient's mean over channels, from which
    no artefact can cancel out.

    What is an artefact depends on the network's strides. The source therefore chooses the cut-off
    for each network and saliency method, by faithfulness on validation images; an application
    should do so, too, as ``benchmarks/outside_measures.py`` does.

    Costs one forward pass and one input gradient.

    Args:
        query: what to explain.
        cutoff: highest frequency kept, in cycles per pixel, positive; 0.71 and more keep all. By
            default 15/224, or one cycle in the shorter side where that is more.

    Raises:
        InputError: the cut-off is not positive.
    """
    if cutoff is None:
        cutoff = max(CUTOFF, 1 / min(query.images.shape[2:]))
    return low_pass(_gradient(query), cutoff)


@attributions.register("pooled-gradient")
@saliency_method
def pooled_gradient(query: Query, *, region_size: int = 2) -> Tensor:
    """Return the absolute gradient, averaged over blocks of pixels.

    Blocks of 2 x 2 pixels hold a pixel of every lattice of period 2, so that saliency on every
    second row does not show (`scaat.functional.lattice_fractions`).

    Costs one forward pass and one input gradient.

    Args:
        query: what to explain.
        region_size: side of the blocks in pixels, at least 1.

    Raises:
        InputError: the side is less than 1.
    """
    if region_size < 1:
        raise InputError(f"pooled gradients take blocks of 1 pixel or more, found {region_size}")
    return region_average(sum_channels(_gradient(query)), region_size).unsqueeze(1)


def _gradient(query: Query) -> Tensor:
    """Return the signed gradient (N, C, H, W) in single precision or better."""
    signed = query.gradient()
    return signed if signed.dtype.itemsize >= 4 else signed.float()
