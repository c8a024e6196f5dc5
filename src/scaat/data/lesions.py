"""Generated tissue patches, tumour or normal by their centre, with the ground truth.

Stains are mixed by the Beer-Lambert law with the vectors of Ruifrok and Johnston (2001).
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.data.augmentation import Augmentation
from scaat.data.image_set import ImageSet
from scaat.data.registry import Source, dataset, part_of
from scaat.options.data import DataOptions

SIDE = 96
CENTRE = slice(32, 64)  # the square that decides, PatchCamelyon's rule
TRAIN, TEST = 2400, 600
GENERATION_SEED = 0  # the data are the same in every run; the run's seed only splits them
CHUNK = 200  # patches drawn at once: bounds the working memory
TISSUE_GRID = 6  # normal nuclei lie on a jittered grid of this many a side
LESION_NUCLEI, AGGREGATE_NUCLEI = 9, 17
MAX_LESIONS = 3
# How many lesions lie outside the centre: in tumour patches, beside the one in the centre, and
# in normal ones. Both kinds hold 1.5 lesions on average, so no colour statistic separates them.
OUTSIDE_TUMOUR = (0.6, 0.3, 0.1)
OUTSIDE_NORMAL = (0.15, 0.35, 0.35, 0.15)
# Optical densities of red, green and blue for a unit of haematoxylin and of eosin.
STAINS = torch.tensor([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105]])
REACH = 7  # pixels from a nucleus's centre that are drawn: it must not extend further
GOLDEN_ANGLE = pi * (3 - 5**0.5)


@dataset("lesions", "", "generated tissue with lesions and their masks")
def load_lesions(argument: str, options: DataOptions) -> Source:
    """Return 2,400 training and 600 test patches, always the same ones; see `make_lesions`.

    The centre decides, so the augmentation only flips.
    """
    made = make_lesions(TRAIN + TEST, seed=GENERATION_SEED)
    return Source(
        made.classes,
        part_of(made.subset(range(TRAIN))),
        test=part_of(made.subset(range(TRAIN, TRAIN + TEST))),
        augmentation=Augmentation(horizontal_flip=True, vertical_flip=True),
        settings={"generation_seed": GENERATION_SEED, "generated": TRAIN + TEST},
    )


def make_lesions(count: int, *, seed: int) -> ImageSet:
    """Generate 96 x 96 patches that look like H&E-stained tissue, every other one ``tumour``.

    Pink fibrous stroma holds sparse, small, regular nuclei. A lesion is a round island of bluish
    cytoplasm crowded with large, dark, irregular nuclei. A patch is ``tumour`` exactly if a pixel
    of a lesion is in its central 32 x 32, else ``normal``. Both kinds have lesions outside it, as
    many on average, and aggregates of small dark round nuclei (lymphocytes) anywhere, so neither
    colour nor a lesion anywhere nor something dark in the centre gives the label away. ``masks``
    holds exactly the pixels that a lesion drew.
    """
    generator = torch.Generator().manual_seed(seed)
    chunks = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    drawn = [_draw(torch.arange(size) % 2 == 1, generator) for size in chunks]
    images, masks = (torch.cat(tensors) for tensors in zip(*drawn, strict=True))
    labels = masks[:, CENTRE, CENTRE].flatten(1).any(dim=1).long()
    return ImageSet(images, labels, ("normal", "tumour"), masks=masks)


class _Islands(NamedTuple):
    """Round places: float (M,) centres and radii in pixels, int64 (M,) image."""

    image: Tensor
    y: Tensor
    x: Tensor
    radius: Tensor


def _draw(tumour: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return one chunk's images, uint8 (N, 3, 96, 96), and lesion masks, bool (N, 96, 96)."""
    count = len(tumour)
    places = _place_lesions(tumour, generator)
    cytoplasm = _cytoplasm(places, count, generator)
    crowd = _crowd(
        places, LESION_NUCLEI, (2.7, 4.6), (0.05, 0.25), (0.0, 0.15), (0.9, 1.8), generator
    )
    lesion = draw_nuclei(crowd, count, generator)
    mask = (cytoplasm > 0) | (lesion > 0)
    benign = torch.maximum(
        draw_nuclei(_tissue_nuclei(count, generator), count, generator),
        draw_nuclei(_aggregates(count, generator), count, generator),
    )
    # A lesion grows over what was there; its own nuclei show chromatin in coarser clumps.
    clumps = 1 + 0.22 * noise(count, 36, generator).clamp(-2, 2)
    grain = 1 + 0.10 * noise(count, 60, generator).clamp(-2, 2)
    nuclei = torch.where(mask, lesion * clumps, benign * grain)
    stroma = 0.42 + 0.20 * fibres(count, generator)
    stroma = stroma + 0.07 * noise(count, 4, generator)
    stroma = stroma + 0.03 * noise(count, 48, generator)
    stroma = stroma.clamp_min(0.05)
    eosin = stroma * (1 - 0.35 * cytoplasm) * (1 - 0.55 * nuclei.clamp(0, 1))
    haematoxylin = 0.06 + 0.20 * cytoplasm * grain + nuclei
    strength = uniform(0.8, 1.2, (2, count, 1, 1), generator)  # stains vary between laboratories
    return stain(strength[0] * haematoxylin, strength[1] * eosin), mask


def _place_lesions(tumour: Tensor, generator: torch.Generator) -> _Islands:
    """Lay out lesions: one in the centre of tumour patches, others clear of every centre."""
    count, half = len(tumour), (SIDE - 1) / 2
    shape = (count, MAX_LESIONS)
    radius = uniform(11, 14.5, shape, generator)
    rates = torch.zeros(2, MAX_LESIONS + 1)
    rates[0, : len(OUTSIDE_NORMAL)] = torch.tensor(OUTSIDE_NORMAL)
    rates[1, 1 : len(OUTSIDE_TUMOUR) + 1] = torch.tensor(OUTSIDE_TUMOUR)
    total = torch.multinomial(rates[tumour.long()], 1, generator=generator)
    # Outside: whole within the patch, and at least two pixels from the deciding square. Each
    # has a side of the patch to itself.
    nearest, furthest = SIDE / 2 - CENTRE.start + radius + 2, half - radius
    depth = nearest + (furthest - nearest) * torch.rand(shape, generator=generator)
    shift = furthest * uniform(-1, 1, shape, generator)
    side = torch.rand((count, 4), generator=generator).argsort(dim=1)[:, :MAX_LESIONS]
    depth = torch.where(side < 2, depth, -depth)
    y = torch.where(side % 2 == 0, depth, shift)
    x = torch.where(side % 2 == 0, shift, depth)
    inner = uniform(-15, 15, (2, count), generator)  # the lesion's centre is in the square
    y[:, 0] = torch.where(tumour, inner[0], y[:, 0])
    x[:, 0] = torch.where(tumour, inner[1], x[:, 0])
    image = torch.arange(count).unsqueeze(1).expand(shape)
    present = torch.arange(MAX_LESIONS) < total
    return _Islands(*(values[present] for values in (image, y + half, x + half, radius)))


def _cytoplasm(places: _Islands, count: int, generator: torch.Generator) -> Tensor:
    """Return lesions' ground (count, 96, 96) in [0, 1], exactly 0 outside; softly edged."""
    y, x = torch.meshgrid(*[torch.arange(SIDE)] * 2, indexing="ij")
    dy = y - places.y.view(-1, 1, 1)
    dx = x - places.x.view(-1, 1, 1)
    distance = (dy**2 + dx**2).sqrt().clamp_min(1e-3)
    angle = torch.atan2(dy, dx)
    phase = uniform(0, 2 * pi, (2, len(places.y), 1, 1), generator)
    lobes = 0.6 * (2 * angle + phase[0]).sin() + 0.4 * (3 * angle + phase[1]).sin()
    outline = places.radius.view(-1, 1, 1) * (0.85 + 0.15 * lobes)  # at most the radius
    ground = ((outline - distance) / 2).clamp(0, 1)
    drawn = torch.zeros(count, SIDE, SIDE)
    index = places.image.view(-1, 1, 1).expand_as(ground)
    return drawn.scatter_reduce_(0, index, ground, reduce="amax")


def _crowd(
    places: _Islands,
    nuclei: int,
    radius: tuple[float, float],
    elongation: tuple[float, float],
    dent: tuple[float, float],
    darkness: tuple[float, float],
    generator: torch.Generator,
) -> Nuclei:
    """Crowd nuclei into round places, on a jittered sunflower spiral; none reaches outside."""
    shape = (len(places.y), nuclei)
    size = uniform(*radius, shape, generator)
    lengthened, dented = (uniform(*r, shape, generator) for r in (elongation, dent))
    reach = size * (1 + lengthened + dented) + 0.5
    spiral = ((torch.arange(nuclei) + 0.5) / nuclei).sqrt()
    jittered = (spiral + uniform(-0.2, 0.15, shape, generator)).clamp(0, 1)
    away = (places.radius.unsqueeze(1) - reach) * jittered
    angle = torch.arange(nuclei) * GOLDEN_ANGLE + uniform(-0.3, 0.3, shape, generator)
    angle = angle + uniform(0, 2 * pi, (len(places.y), 1), generator)
    return Nuclei(
        image=places.image.unsqueeze(1).expand(shape).flatten(),
        y=(places.y.unsqueeze(1) + away * angle.sin()).flatten(),
        x=(places.x.unsqueeze(1) + away * angle.cos()).flatten(),
        radius=size.flatten(),
        elongation=lengthened.flatten(),
        dent=dented.flatten(),
        darkness=uniform(*darkness, shape, generator).flatten(),
    )


def _tissue_nuclei(count: int, generator: torch.Generator) -> Nuclei:
    """Scatter the sparse, small, regular nuclei of normal tissue."""
    shape = (count, TISSUE_GRID, TISSUE_GRID)
    cell = SIDE / TISSUE_GRID
    present = torch.rand(shape, generator=generator) < 0.7
    corner = torch.arange(TISSUE_GRID) * cell
    y = corner.view(1, -1, 1) + uniform(1, cell - 1, shape, generator)
    x = corner.view(1, 1, -1) + uniform(1, cell - 1, shape, generator)
    image = torch.arange(count).view(-1, 1, 1).expand(shape)
    number = (int(present.sum()),)
    return Nuclei(
        image=image[present],
        y=y[present],
        x=x[present],
        radius=uniform(2.0, 3.0, number, generator),
        elongation=uniform(0.05, 0.3, number, generator),
        dent=torch.zeros(number),
        darkness=uniform(0.7, 1.1, number, generator),
    )


def _aggregates(count: int, generator: torch.Generator) -> Nuclei:
    """Crowd small dark round nuclei together, in half of all images, wherever it may be."""
    image = (torch.rand(count, generator=generator) < 0.5).nonzero().flatten()
    number = (len(image),)
    y, x = uniform(12, SIDE - 12, (2, *number), generator)
    places = _Islands(image, y, x, uniform(10, 13, number, generator))
    return _crowd(
        places, AGGREGATE_NUCLEI, (1.9, 2.5), (0.0, 0.06), (0.0, 0.02), (1.2, 1.6), generator
    )


class Nuclei(NamedTuple):
    """Cell nuclei of many images: every tensor is float (M,) but ``image``, int64 (M,)."""

    image: Tensor  # the one that each is in
    y: Tensor  # row of the centre, in pixels
    x: Tensor  # column of the centre, in pixels
    radius: Tensor  # mean radius, in pixels
    elongation: Tensor  # half the relative difference of the long and the short axis; 0 is round
    dent: Tensor  # relative depth of a three-lobed irregularity of the outline
    darkness: Tensor  # haematoxylin concentration inside


def uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return float32 values drawn uniformly from [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def noise(count: int, cells: int, generator: torch.Generator) -> Tensor:
    """Return smooth noise (count, 96, 96) of unit variance, ``cells`` bumps along a side."""
    coarse = torch.randn((count, 1, cells + 1, cells + 1), generator=generator)
    fine = F.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=True)[:, 0]
    return fine / fine.std(dim=(1, 2), keepdim=True)


def fibres(count: int, generator: torch.Generator) -> Tensor:
    """Return wavy, roughly parallel fibre bundles (count, 96, 96), values in [-1, 1].

    Each image has its own direction; the fibres are noise that is stretched along it, on
    coordinates that a slow wave bends.
    """
    angle = uniform(0, pi, (count, 1, 1), generator)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, SIDE)] * 2, indexing="ij")
    along = x * angle.cos() + y * angle.sin() + 0.15 * noise(count, 3, generator)
    across = y * angle.cos() - x * angle.sin() + 0.12 * noise(count, 3, generator)
    total = torch.zeros(count, SIDE, SIDE)
    for cells, weight in ((12, 0.6), (26, 0.4)):
        texture = torch.randn((count, 1, 6, cells * 2), generator=generator)
        grid = torch.stack([across / 1.8, along / 1.8], dim=-1)
        sampled = F.grid_sample(texture, grid, padding_mode="reflection", align_corners=True)
        total += weight * sampled[:, 0]
    return total.tanh()


def draw_nuclei(nuclei: Nuclei, count: int, generator: torch.Generator) -> Tensor:
    """Return the haematoxylin of nuclei, (count, 96, 96); exactly 0 outside all of them.

    Where nuclei overlap, the darker one shows. Each has a soft edge one pixel wide and a rim of
    denser chromatin.
    """
    span = torch.arange(-REACH, REACH + 1)
    image, y, x, radius, elongation, dent, darkness = (each.view(-1, 1, 1) for each in nuclei)
    rows = y.round().long() + span.view(1, -1, 1)
    columns = x.round().long() + span.view(1, 1, -1)
    dy, dx = rows - y, columns - x
    angle = uniform(0, 2 * pi, (len(nuclei.y), 1, 1), generator)
    u = dx * angle.cos() + dy * angle.sin()
    v = dy * angle.cos() - dx * angle.sin()
    distance = (u**2 + v**2).sqrt().clamp_min(1e-3)
    cosine = u / distance  # of the direction as seen from the nucleus: cos(2t), cos(3t) follow
    outline = 1 + elongation * (2 * cosine**2 - 1) + dent * (4 * cosine**3 - 3 * cosine)
    outline = radius * outline
    inside = (outline - distance + 0.5).clamp(0, 1)
    rim = 0.6 + 0.4 * (distance / outline).clamp(0, 1) ** 2
    value = darkness * inside * rim
    visible = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
    target = (image * SIDE + rows) * SIDE + columns
    drawn = torch.zeros(count * SIDE * SIDE)
    drawn.scatter_reduce_(0, target[visible], value[visible], reduce="amax")
    return drawn.view(count, SIDE, SIDE)


def stain(haematoxylin: Tensor, eosin: Tensor) -> Tensor:
    """Return the uint8 RGB image (N, 3, H, W) of two stain concentrations (N, H, W)."""
    density = torch.einsum("snhw,sc->nchw", torch.stack([haematoxylin, eosin]), STAINS)
    return (245 * (-density).exp()).round().clamp(0, 255).to(torch.uint8)
