"""AOPC: how much of the prediction is lost as random pixels replace ranked regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError, unknown
from scaat.functional.checks import check_images
from scaat.functional.maps import check_maps
from scaat.functional.regions import region_average

ORDERS = ("lerf", "morf")


@torch.no_grad()
def perturbation_curve(
    predict: Callable[[Tensor], Tensor],
    images: Tensor,
    maps: Tensor,
    *,
    orders: Sequence[str] = ORDERS,
    steps: int = 20,
    fraction: float = 0.2,
    region_size: int = 1,
    repeats: int = 5,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 512,
) -> dict[str, Tensor]:
    """Return how far the predicted class's probability falls as regions are replaced.

    At step k the first ``round(k / steps * fraction * R)`` of an image's R regions, least
    relevant first (``"lerf"``) or most relevant first (``"morf"``), are replaced by uniform
    random pixels, independent in all channels (Samek et al. 2017; Tomsett et al. 2020; the
    paper, section 4.2, gives 20 steps, 20 % and 5 repeats). The value is f(x) - f(x^(k)), f
    being the softmax probability of the class predicted for the clean image, averaged over the
    repeats. A repeat draws one random image, which the steps reveal bit by bit.

    Both orders see the same random pixels, and regions of equal saliency come in a random
    order, the same for both: a map that says nothing has two equal curves.

    Random numbers are NumPy's ``default_rng([seed, number])`` for each image: a permutation of
    the regions for the ties, then the pixels (repeats, C, H, W). They depend on nothing else,
    so neither the batch size nor the device nor the other images change them.

    Args:
        predict: maps images (B, C, H, W) to logits (B, classes), at least two classes; a model
            belongs in eval mode here.
        images: (N, C, H, W), floating point in [0, 1].
        maps: saliency maps (N, H, W), non-negative, on the device of ``images``.
        orders: which curves, ``"lerf"`` and ``"morf"``.
        steps: points of a curve.
        fraction: share of the regions replaced at the last step, in (0, 1].
        region_size: side of the square regions in pixels; 1 replaces single pixels. Those on
            the right and lower border are smaller where it does not divide the image. A region's
            saliency is the mean over its pixels.
        repeats: random images for each image.
        seed: of the random pixels, non-negative.
        numbers: (N,) non-negative integers that name the images for the random pixels; the
            default is their position 0 ... N - 1.
        batch_size: perturbed images in a forward pass. Memory grows with it, the result does
            not change.

    Returns:
        For each order the curves, float32 (N, steps), each value in [-1, 1].

    Raises:
        InputError: an argument is out of range or of another shape.
    """
    check_images(images)
    check_maps(maps)
    if images.dim() != 4 or len(images) == 0:
        raise InputError(
            f"images must have shape (N, C, H, W) with at least one image, "
            f"found {tuple(images.shape)}"
        )
    n, channels, height, width = images.shape
    if maps.shape != (n, height, width):
        raise InputError(
            f"the saliency maps of images of shape {tuple(images.shape)} must have the shape "
            f"{(n, height, width)}, found {tuple(maps.shape)}"
        )
    check_protocol(steps, fraction, region_size, repeats)
    _check_orders(orders)
    if region_size > min(height, width):
        raise InputError(
            f"region_size must be at most the image's shorter side {min(height, width)}, "
            f"found {region_size}"
        )
    if batch_size < 1 or seed < 0:
        raise InputError(
            "batch_size must be 1 or more and seed 0 or more, "
            f"found batch_size {batch_size} and seed {seed}"
        )
    regions = ceil(height / region_size) * ceil(width / region_size)
    replaced = torch.tensor(_replaced(steps, fraction, regions), device=images.device)
    names = _names(numbers, n)

    curves = []
    group = max(1, batch_size // repeats)  # its random images take the memory of one batch
    for start in range(0, n, group):
        part = slice(start, start + group)
        ties, noise = _draw(seed, names[part], regions, (repeats, channels, height, width))
        scores = _region_scores(maps[part], region_size)
        ranks = torch.stack(
            [
                _on_pixels(
                    _ranks(scores, ties.to(images.device), descending=order == "morf"),
                    region_size,
                    height,
                    width,
                )
                for order in orders
            ],
            dim=1,
        )
        curves.append(_decay(predict, images[part], ranks, noise.to(images), replaced, batch_size))
    return dict(zip(orders, torch.cat(curves).unbind(1), strict=True))


def aopc(curve: Tensor) -> Tensor:
    """Return the area over the perturbation curve of each image: the mean over its steps.

    Args:
        curve: (..., steps), as `perturbation_curve` returns it.

    Returns:
        (...), in [-1, 1].
    """
    return curve.mean(-1)


def _decay(
    predict: Callable[[Tensor], Tensor],
    images: Tensor,
    ranks: Tensor,
    noise: Tensor,
    replaced: Tensor,
    batch_size: int,
) -> Tensor:
    """Return the mean decay (n, orders, steps) of one group of images.

    ``ranks`` is (n, orders, H, W), ``noise`` (n, repeats, C, H, W), ``replaced`` (steps,).
    """
    n, orders = ranks.shape[:2]
    repeats, steps = noise.shape[1], len(replaced)
    # A copy: the prediction may work in place, and these images are not ours.
    clean = torch.cat([_softmax(predict(part.clone())) for part in torch.split(images, batch_size)])
    before, target = clean.max(1)

    ranks, noise = ranks.flatten(0, 1), noise.flatten(0, 1)
    after = []
    jobs = torch.arange(n * orders * repeats * steps, device=images.device)
    # All (image, order, repeat, step) in one line, cut into full batches; indices stay on the
    # device, and a perturbed image exists only while its batch is computed.
    for job in torch.split(jobs, batch_size):
        row, step = job // steps, job % steps
        row, repeat = row // repeats, row % repeats
        image = row // orders
        mask = ranks.index_select(0, row) < replaced[step].view(-1, 1, 1)
        perturbed = torch.where(
            mask.unsqueeze(1),
            noise.index_select(0, image * repeats + repeat),
            images.index_select(0, image),
        )
        probabilities = _softmax(predict(perturbed))
        after.append(probabilities.gather(1, target[image].unsqueeze(1)).squeeze(1))
    return (before.view(n, 1, 1, 1) - torch.cat(after).view(n, orders, repeats, steps)).mean(2)


def _softmax(logits: Tensor) -> Tensor:
    if logits.dim() != 2 or logits.shape[1] < 2:
        raise InputError(
            "the prediction must be logits of shape (N, classes) with two classes or more, "
            f"found shape {tuple(logits.shape)}"
        )
    return logits.float().softmax(1)


def _draw(
    seed: int, numbers: Sequence[int], regions: int, shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Return for each numbered image an order for ties (n, regions) and its noise (n, *shape)."""
    ties = np.empty((len(numbers), regions), dtype=np.int64)
    noise = np.empty((len(numbers), *shape), dtype=np.float32)
    for i, number in enumerate(numbers):
        generator = np.random.default_rng([seed, number])
        ties[i] = generator.permutation(regions)
        generator.random(out=noise[i], dtype=np.float32)
    return torch.from_numpy(ties), torch.from_numpy(noise)


def _replaced(steps: int, fraction: float, regions: int) -> list[int]:
    """Return how many regions each of the steps 1 ... steps replaces."""
    counts = [floor(k * fraction * regions / steps + 0.5) for k in range(1, steps + 1)]
    if counts[-1] == 0:
        raise InputError(
            f"a fraction of {fraction:g} of {regions} regions replaces none of them; "
            "a larger fraction or a smaller region size is needed"
        )
    return counts


def _region_scores(maps: Tensor, region_size: int) -> Tensor:
    """Return the mean saliency of each region, float64 (n, R), row by row."""
    # In float64 the mean of equal float32 values is that value whatever their number, so a small
    # border region ties with the others.
    means = region_average(maps.double(), region_size)
    return means[:, ::region_size, ::region_size].flatten(1)


def _ranks(scores: Tensor, ties: Tensor, descending: bool) -> Tensor:
    """Return the position (n, R) at which each region is replaced; ``ties`` orders equal scores."""
    by_score = scores.gather(1, ties).argsort(dim=1, descending=descending, stable=True)
    order = ties.gather(1, by_score)
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions)


def _on_pixels(values: Tensor, region_size: int, height: int, width: int) -> Tensor:
    """Give every pixel (n, H, W) the value (n, R) of its region."""
    rows = torch.arange(height, device=values.device) // region_size
    columns = torch.arange(width, device=values.device) // region_size
    grid = rows.unsqueeze(1) * ceil(width / region_size) + columns
    return values[:, grid]


def _names(numbers: Tensor | None, n: int) -> list[int]:
    if numbers is None:
        return list(range(n))
    if numbers.shape != (n,) or numbers.is_floating_point() or (numbers < 0).any():
        raise InputError(
            f"the numbers of {n} images must be {n} non-negative integers, "
            f"found {numbers.dtype} of shape {tuple(numbers.shape)}"
        )
    names: list[int] = numbers.tolist()
    return names


def check_protocol(steps: int, fraction: float, region_size: int, repeats: int) -> None:
    """Raise `InputError` unless these settings of `perturbation_curve` fit some image."""
    for name, value in (("steps", steps), ("region_size", region_size), ("repeats", repeats)):
        if value < 1:
            raise InputError(f"{name} of the perturbation curve must be 1 or more, found {value}")
    if not 0 < fraction <= 1:
        raise InputError(
            f"fraction of the perturbation curve must be in (0, 1], found {fraction:g}"
        )


def _check_orders(orders: Sequence[str]) -> None:
    for order in orders:
        if order not in ORDERS:
            raise unknown("order", order, ORDERS)
    if not orders or len(set(orders)) < len(orders):
        raise InputError(f"orders must name 'lerf', 'morf' or both once, found {tuple(orders)}")
