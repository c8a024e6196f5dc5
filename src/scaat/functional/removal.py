"""Predictions while ranked regions are removed: the loop behind all perturbation curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.checks import check_images, image_numbers
from scaat.functional.fills import Fill, find_fill
from scaat.functional.maps import check_maps
from scaat.functional.ranking import count_regions, pixel_ranks
from scaat.functional.saliency import Predict


@dataclass(frozen=True)
class Removal:
    """Sequences of regions to remove from every image.

    Attributes:
        fill: name of the fill that replaces them.
        orders: orders of removal, ``"lerf"`` or ``"morf"``, one sequence each.
        counts: number of removed regions at each step.
    """

    fill: str
    orders: tuple[str, ...]
    counts: tuple[int, ...]


@torch.no_grad()
def probabilities(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    removals: Sequence[Removal],
    *,
    region_size: int,
    repeats: int,
    first_repeat: int,
    seed: int,
    numbers: Tensor | None,
    batch_size: int,
) -> tuple[Tensor, list[Tensor]]:
    """Return the probability of the predicted class, clean and as regions are removed.

    The arguments are those of `scaat.functional.perturbation_curve`; images, maps and region size
    have passed `check_removable`. All removals share one clean pass, and the orders of a removal
    share the backgrounds. Between the first and the last perturbed batch of a group of images, the
    host does not wait for the device, except for ``"noisy-linear"``, which imputes on the CPU.

    Returns:
        The clean probability, float32 (N,), and for each removal the probabilities of the
        perturbed images, float32 (N, orders, repeats, steps); one repeat if the fill is not random.

    Raises:
        InputError: an argument has an invalid value or shape, or a fill that needs remaining
            pixels would replace all of them.
    """
    if batch_size < 1 or seed < 0:
        raise InputError(
            "batch_size must be 1 or more and seed 0 or more, "
            f"found batch_size {batch_size} and seed {seed}"
        )
    if first_repeat < 0:
        raise InputError(f"first_repeat must be 0 or more, found {first_repeat}")
    names = image_numbers(numbers, len(images))
    regions = count_regions(images, region_size)
    fills = [find_fill(removal.fill) for removal in removals]
    for removal, fill in zip(removals, fills, strict=True):
        if fill.needs_rest and max(removal.counts) == regions:
            raise InputError(
                f"the fill {removal.fill!r} goes by the pixels left, but the last step removes "
                f"all {regions} regions; expected a smaller fraction or another fill"
            )
    counts = [torch.tensor(removal.counts, device=images.device) for removal in removals]
    passes = max(repeats if fill.draw else 1 for fill in fills)

    clean = []
    after: list[list[Tensor]] = [[] for _ in removals]
    group = max(1, batch_size // passes)  # its backgrounds need the memory of one batch
    for start in range(0, len(images), group):
        part = slice(start, start + group)
        before, target = _clean(predict, images[part], batch_size)
        clean.append(before)
        for collected, removal, fill, count in zip(after, removals, fills, counts, strict=True):
            ties, backgrounds = _draw(
                fill, images[part], regions, seed, names[part], first_repeat, repeats
            )
            ranks = pixel_ranks(maps[part], ties, removal.orders, region_size)
            collected.append(
                _perturbed(
                    predict, images[part], target, ranks, count, fill, backgrounds, batch_size
                )
            )
    return torch.cat(clean), [torch.cat(parts) for parts in after]


def check_removable(images: Tensor, maps: Tensor, region_size: int) -> None:
    """Raise `InputError` unless images, saliency maps and region size fit together."""
    check_images(images)
    check_maps(maps)
    if images.dim() != 4 or len(images) == 0:
        raise InputError(
            f"images must have shape (N, C, H, W) with at least one image, "
            f"found {tuple(images.shape)}"
        )
    n, _, height, width = images.shape
    if maps.shape != (n, height, width):
        raise InputError(
            f"the saliency maps of images of shape {tuple(images.shape)} must have the shape "
            f"{(n, height, width)}, found {tuple(maps.shape)}"
        )
    if region_size > min(height, width):
        raise InputError(
            f"region_size must be at most the image's shorter side {min(height, width)}, "
            f"found {region_size}"
        )


def _clean(predict: Predict, images: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return the probability (n,) and the number (n,) of the predicted class."""
    # A copy, because the model may work in place on the caller's images.
    parts = [_softmax(predict(part.clone())) for part in torch.split(images, batch_size)]
    probability, target = torch.cat(parts).max(1)
    return probability, target


def _perturbed(
    predict: Predict,
    images: Tensor,
    target: Tensor,
    ranks: Tensor,
    counts: Tensor,
    fill: Fill,
    backgrounds: Tensor,
    batch_size: int,
) -> Tensor:
    """Return the probability (n, orders, repeats, steps) in one group of images.

    ``ranks`` is (n, orders, H, W), ``counts`` (steps,), ``backgrounds`` (n, repeats, C, H, W).
    """
    n, orders = ranks.shape[:2]
    repeats, steps = backgrounds.shape[1], len(counts)
    ranks, backgrounds = ranks.flatten(0, 1), backgrounds.flatten(0, 1)
    after = []
    jobs = torch.arange(n * orders * repeats * steps, device=images.device)
    # All (image, order, repeat, step) combinations, split into full batches. Indices stay on the
    # device, and perturbed images only exist while their batch is computed.
    for job in torch.split(jobs, batch_size):
        row, step = job // steps, job % steps
        row, repeat = row // repeats, row % repeats
        image = row // orders
        perturbed = fill.put(
            images.index_select(0, image),
            ranks.index_select(0, row) < counts[step].view(-1, 1, 1),
            backgrounds.index_select(0, image * repeats + repeat),
        )
        probability = _softmax(predict(perturbed))
        after.append(probability.gather(1, target[image].unsqueeze(1)).squeeze(1))
    return torch.cat(after).view(n, orders, repeats, steps)


def _softmax(logits: Tensor) -> Tensor:
    if logits.dim() != 2 or logits.shape[1] < 2:
        raise InputError(
            "the prediction must be logits of shape (N, classes) with two classes or more, "
            f"found shape {tuple(logits.shape)}"
        )
    return logits.float().softmax(1)


def _draw(
    fill: Fill,
    images: Tensor,
    regions: int,
    seed: int,
    names: Sequence[int],
    first_repeat: int,
    repeats: int,
) -> tuple[Tensor, Tensor]:
    """Return each image's order of ties (n, regions) and backgrounds (n, repeats, C, H, W).

    Both are on the device of the images.
    """
    generators = [np.random.default_rng([seed, name]) for name in names]
    ties = torch.from_numpy(np.stack([g.permutation(regions) for g in generators]))
    ties = ties.to(images.device, non_blocking=True)
    if fill.draw is None:
        return ties, fill.paint(images).unsqueeze(1)
    drawn = np.empty((len(names), repeats, *images.shape[1:]), dtype=np.float32)
    earlier = np.empty(images.shape[1:], dtype=np.float32)
    for generator, repeat in zip(generators, drawn, strict=True):
        for _ in range(first_repeat):
            fill.draw(generator, earlier)
        fill.draw(generator, repeat)
    return ties, torch.from_numpy(drawn).to(images, non_blocking=True)
