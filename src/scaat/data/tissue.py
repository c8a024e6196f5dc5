"""Draw stained tissue: fibrous stroma and cell nuclei, in the colours of H&E.

Stains are drawn as concentrations and mixed by the Beer-Lambert law with the stain vectors of
Ruifrok and Johnston (2001), so overlaps darken as they do under a microscope.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional as F

# Optical densities of red, green and blue for a unit of haematoxylin and of eosin.
STAINS = torch.tensor([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
REACH = 7  # pixels from a nucleus's centre that are drawn: it must not extend further
GOLDEN_ANGLE = pi * (3 - 5**0.5)


@dataclass(frozen=True)
class Nuclei:
    """Cell nuclei of many images: every tensor is float (M,) but ``image``, int64 (M,).

    Attributes:
        image: the image that each is in.
        y: row of the centre, in pixels.
        x: column of the centre, in pixels.
        radius: mean radius, in pixels.
        elongation: half the relative difference of the long and the short axis; 0 is round.
        dent: relative depth of a three-lobed irregularity of the outline.
        darkness: haematoxylin concentration inside.
    """

    image: Tensor
    y: Tensor
    x: Tensor
    radius: Tensor
    elongation: Tensor
    dent: Tensor
    darkness: Tensor


def uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return float32 values drawn uniformly from [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def noise(count: int, side: int, cells: int, generator: torch.Generator) -> Tensor:
    """Return smooth noise (count, side, side) of unit variance, ``cells`` bumps along a side."""
    coarse = torch.randn((count, 1, cells + 1, cells + 1), generator=generator)
    fine = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[:, 0]
    return fine / fine.std(dim=(1, 2), keepdim=True)


def fibres(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return wavy, roughly parallel fibre bundles (count, side, side), values in [-1, 1].

    Each image has its own direction; the fibres are noise that is stretched along it, on
    coordinates that a slow wave bends.
    """
    angle = uniform(0, pi, (count, 1, 1), generator)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    along = x * angle.cos() + y * angle.sin() + 0.15 * noise(count, side, 3, generator)
    across = y * angle.cos() - x * angle.sin() + 0.12 * noise(count, side, 3, generator)
    total = torch.zeros(count, side, side)
    for cells, weight in ((12, 0.6), (26, 0.4)):
        texture = torch.randn((count, 1, 6, cells * 2), generator=generator)
        grid = torch.stack([across / 1.8, along / 1.8], dim=-1)
        sampled = F.grid_sample(texture, grid, padding_mode="reflection", align_corners=True)
        total += weight * sampled[:, 0]
    return total.tanh()


def draw_nuclei(nuclei: Nuclei, count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return the haematoxylin of nuclei, (count, side, side); exactly 0 outside all of them.

    Where nuclei overlap, the darker one shows. Each has a soft edge one pixel wide and a rim of
    denser chromatin.
    """
    span = torch.arange(-REACH, REACH + 1)
    rows = nuclei.y.round().long().view(-1, 1, 1) + span.view(1, -1, 1)
    columns = nuclei.x.round().long().view(-1, 1, 1) + span.view(1, 1, -1)
    dy = rows - nuclei.y.view(-1, 1, 1)
    dx = columns - nuclei.x.view(-1, 1, 1)
    angle = uniform(0, 2 * pi, (len(nuclei.y), 1, 1), generator)
    u = dx * angle.cos() + dy * angle.sin()
    v = dy * angle.cos() - dx * angle.sin()
    distance = (u**2 + v**2).sqrt().clamp_min(1e-3)
    cosine = u / distance  # of the direction as seen from the nucleus: cos(2t), cos(3t) follow
    outline = nuclei.radius.view(-1, 1, 1) * (
        1
        + nuclei.elongation.view(-1, 1, 1) * (2 * cosine**2 - 1)
        + nuclei.dent.view(-1, 1, 1) * (4 * cosine**3 - 3 * cosine)
    )
    inside = (outline - distance + 0.5).clamp(0, 1)
    rim = 0.6 + 0.4 * (distance / outline).clamp(0, 1) ** 2
    value = nuclei.darkness.view(-1, 1, 1) * inside * rim
    visible = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    target = (nuclei.image.view(-1, 1, 1) * side + rows) * side + columns
    drawn = torch.zeros(count * side * side)
    drawn.scatter_reduce_(0, target[visible], value[visible], reduce="amax")
    return drawn.view(count, side, side)


def stain(haematoxylin: Tensor, eosin: Tensor) -> Tensor:
    """Return the uint8 RGB image (N, 3, H, W) of two stain concentrations (N, H, W)."""
    density = torch.einsum("snhw,sc->nchw", torch.stack([haematoxylin, eosin]), STAINS)
    return (245 * (-density).exp()).round().clamp(0, 255).to(torch.uint8)
