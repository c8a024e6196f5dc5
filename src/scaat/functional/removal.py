"""Predictions while ranked regions are removed: their order, and the loop behind all curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, prod

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError, unknown
from scaat.functional.baselines import Baseline, find_baseline
from scaat.functional.checks import check_at_least, check_fraction, check_images, image_id_list
from scaat.functional.logits import class_logits
from scaat.functional.maps import check_maps
from scaat.functional.precision import widened
from scaat.functional.regions import check_region_size, region_average, spread
from scaat.functional.saliency import Predict, Score, class_scores

ORDERS = ("lerf", "morf")
"""Least and most relevant first."""


def check_orders(orders: Sequence[str]) -> None:
    """Raise `InputError` unless ``orders`` names one or both, each once."""
    for order in orders:
        if order not in ORDERS:
            raise unknown("order", order, ORDERS)
    if not orders or len(set(orders)) < len(orders):
        raise InputError(f"orders must name 'lerf', 'morf' or both once, found {tuple(orders)}")


def count_regions(images: Tensor, region_size: int) -> int:
    """Return the number of regions of an image (N, C, ...); border regions may be smaller."""
    return prod(_grid(images.shape[2:], region_size))


def _grid(sides: Sequence[int], region_size: int) -> list[int]:
    """Return the number of regions along each side."""
    return [ceil(side / region_size) for side in sides]


def replaced_regions(steps: int, fraction: float, regions: int) -> list[int]:
    """Return the number of replaced regions at each of the steps 1 ... steps, some at the last."""
    counts = [floor(k * fraction * regions / steps + 0.5) for k in range(1, steps + 1)]
    if counts[-1] == 0:
        raise InputError(
            f"a fraction of {fraction:g} of {regions} regions replaces none of them; "
            "a larger fraction or a smaller region size is needed"
        )
    return counts


@dataclass(frozen=True)
class Removal:
    """Sequences of regions to remove from every image, one for each of the orders."""

    baseline: str
    """Name of what replaces them."""
    orders: tuple[str, ...]
    counts: tuple[int, ...]
    """Removed regions at each step."""


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
    image_ids: Tensor | None,
    batch_size: int,
) -> tuple[Tensor, list[Tensor]]:
    """Return the probability of the predicted class, clean and as regions are removed.

    The arguments are those of `scaat.functional.perturbation_curve`; images, maps and region size
    have passed `check_removable`. All removals share one clean pass, and the orders of a removal
    share the backgrounds. Between the first and the last perturbed batch of a group of images, the
    host does not wait for the device, except for ``"noisy-linear"``, which imputes on the CPU.

    Returns:
        The clean probability, float32 (N,), and for each removal the probabilities of the
        perturbed images, float32 (N, orders, repeats, steps); one repeat if the baseline is not
        random.
    """
    check_at_least(1, batch_size=batch_size)
    check_at_least(0, seed=seed, first_repeat=first_repeat)
    names = image_id_list(image_ids, len(images))
    regions = count_regions(images, region_size)
    baselines = [find_baseline(removal.baseline) for removal in removals]
    for removal, baseline in zip(removals, baselines, strict=True):
        if baseline.needs_rest and max(removal.counts) == regions:
            raise InputError(
                f"the baseline {removal.baseline!r} goes by the pixels left, but the last step "
                f"removes all {regions} regions; expected a smaller fraction or another baseline"
            )
    counts = [torch.tensor(removal.counts, device=images.device) for removal in removals]
    passes = max(repeats if baseline.draw else 1 for baseline in baselines)

    clean = []
    after: list[list[Tensor]] = [[] for _ in removals]
    group = max(1, batch_size // passes)  # its backgrounds need the memory of one batch
    for start in range(0, len(images), group):
        part = slice(start, start + group)
        before, target = predicted_class(predict, images[part], batch_size)
        clean.append(before)
        for collected, removal, baseline, count in zip(
            after, removals, baselines, counts, strict=True
        ):
            ties, backgrounds = _draw(
                baseline, images[part], regions, seed, names[part], first_repeat, repeats
            )
            ranks = pixel_ranks(maps[part], ties, removal.orders, region_size)
            collected.append(
                _perturbed(
                    predict, images[part], target, ranks, count, baseline, backgrounds, batch_size
                )
            )
    return torch.cat(clean), [torch.cat(parts) for parts in after]


@torch.no_grad()
def replaced_images(
    images: Tensor,
    maps: Tensor,
    fraction: float,
    *,
    order: str = "lerf",
    region_size: int = 1,
    baseline: str = "random",
    seed: int = 0,
    image_ids: Tensor | None = None,
) -> Tensor:
    """Return images whose least or most relevant regions are replaced.

    They are the images whose probability the first repeat of `perturbation_curve` reports, at the
    step that replaces the same number of regions.

    Args:
        images: (N, C, H, W), (N, C, L) or (N, C, D, H, W), floating point in [0, 1].
        maps: Saliency maps of that shape without channels, non-negative, on the device of
            ``images``.
        fraction: Fraction of the regions to replace, in [0, 1]; the number is rounded.
        order: ``"lerf"`` replaces the least relevant regions, ``"morf"`` the most relevant.
        region_size: See `perturbation_curve`.
        baseline: See `perturbation_curve`.
        seed: See `perturbation_curve`.
        image_ids: See `perturbation_curve`.

    Returns:
        Shape, dtype and device of ``images``.

    Raises:
        InputError: An argument has an invalid value or shape, or the baseline needs a remaining
            pixel.
    """
    check_orders([order])
    check_fraction(fraction, "fraction")
    check_removable(images, maps, region_size)
    regions = count_regions(images, region_size)
    count = floor(fraction * regions + 0.5)
    chosen = find_baseline(baseline)
    if chosen.needs_rest and count == regions:
        raise InputError(
            f"the baseline {baseline!r} goes by the pixels left, but all are to be replaced"
        )
    ids = image_id_list(image_ids, len(images))
    ties, backgrounds = _draw(chosen, images, regions, seed, ids, 0, 1)
    ranks = pixel_ranks(maps, ties, [order], region_size).squeeze(1)
    return chosen.put(images, ranks < count, backgrounds.squeeze(1))


def check_removable(images: Tensor, maps: Tensor, region_size: int) -> None:
    """Raise `InputError` unless images, saliency maps and region size fit together."""
    check_images(images)
    check_maps(maps)
    if images.dim() not in (3, 4, 5) or len(images) == 0:
        raise InputError(
            "images must have shape (N, C, H, W), (N, C, L) or (N, C, D, H, W) with at least one "
            f"image, found {tuple(images.shape)}"
        )
    expected = (len(images), *images.shape[2:])
    if maps.shape != expected:
        raise InputError(
            f"the saliency maps of images of shape {tuple(images.shape)} must have the shape "
            f"{expected}, found {tuple(maps.shape)}"
        )
    check_region_size(region_size, images.shape[2:])


def predicted_class(predict: Predict, images: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return the probability (n,) and the number (n,) of the predicted class."""
    # A copy, because the model may work in place on the caller's images.
    parts = [_softmax(predict(part.clone())) for part in torch.split(images, batch_size)]
    probability, target = torch.cat(parts).max(1)
    return probability, target


def scores_without(
    predict: Predict,
    image: Tensor,
    removed: Tensor,
    target: Tensor,
    baseline: Baseline,
    batch_size: int,
    score: Score = "logit",
) -> Tensor:
    """Return the score (M,) of one class without each of some sets of an image's pixels.

    The image is (C, ...), the sets ``removed`` bool (M, ...), the ``target`` an int64 scalar, and
    the baseline one without a draw.
    """
    background = baseline.paint(image.unsqueeze(0))
    return torch.cat(
        [
            class_scores(
                predict(baseline.put(image.expand(len(part), *image.shape), part, background)),
                target.expand(len(part)),
                score,
            )
            for part in removed.split(batch_size)
        ]
    )


def _perturbed(
    predict: Predict,
    images: Tensor,
    target: Tensor,
    ranks: Tensor,
    counts: Tensor,
    baseline: Baseline,
    backgrounds: Tensor,
    batch_size: int,
) -> Tensor:
    """Return the probability (n, orders, repeats, steps) in one group of images.

    ``ranks`` is (n, orders, ...), ``counts`` (steps,), ``backgrounds`` (n, repeats, C, ...).
    """
    n, orders, *sides = ranks.shape
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
        perturbed = baseline.put(
            images.index_select(0, image),
            ranks.index_select(0, row) < counts[step].view(-1, *(1 for _ in sides)),
            backgrounds.index_select(0, image * repeats + repeat),
        )
        probability = _softmax(predict(perturbed))
        after.append(probability.gather(1, target[image].unsqueeze(1)).squeeze(1))
    return torch.cat(after).view(n, orders, repeats, steps)


def _softmax(logits: Tensor) -> Tensor:
    logits = class_logits(logits)
    if logits.dim() != 2 or logits.shape[1] < 2:
        raise InputError(
            "the prediction must be logits of shape (N, classes), or (N, 1) for one logit, "
            f"found shape {tuple(logits.shape)}"
        )
    return logits.float().softmax(1)


def _draw(
    baseline: Baseline,
    images: Tensor,
    regions: int,
    seed: int,
    names: Sequence[int],
    first_repeat: int,
    repeats: int,
) -> tuple[Tensor, Tensor]:
    """Return each image's order of ties (n, regions) and backgrounds (n, repeats, C, ...)."""
    generators = [np.random.default_rng([seed, name]) for name in names]
    ties = torch.from_numpy(np.stack([g.permutation(regions) for g in generators]))
    ties = ties.to(images.device, non_blocking=True)
    if baseline.draw is None:
        return ties, baseline.paint(images).unsqueeze(1)
    drawn = np.empty((len(names), repeats, *images.shape[1:]), dtype=np.float32)
    earlier = np.empty(images.shape[1:], dtype=np.float32)
    for generator, repeat in zip(generators, drawn, strict=True):
        for _ in range(first_repeat):
            baseline.draw(generator, earlier)
        baseline.draw(generator, repeat)
    return ties, torch.from_numpy(drawn).to(images, non_blocking=True)


def pixel_ranks(maps: Tensor, ties: Tensor, orders: Sequence[str], region_size: int) -> Tensor:
    """Return the rank at which each pixel's region is removed, int64 (N, orders, ...).

    ``ties``, int64 (N, R), permutes the R regions, row by row, of maps (N, ...): it orders regions
    of equal saliency in all orders.
    """
    sides = maps.shape[1:]
    # In float64 the mean of any number of equal float32 values is that value, so a smaller border
    # region ties with the others.
    means = region_average(widened(maps), region_size)
    first = [slice(None, None, region_size)] * len(sides)  # pixel of each region
    scores = means[(slice(None), *first)].flatten(1)
    ranks = torch.stack([_ranks(scores, ties, descending=o == "morf") for o in orders], dim=1)
    return spread(ranks.unflatten(2, _grid(sides, region_size)), region_size, sides)


def _ranks(scores: Tensor, ties: Tensor, descending: bool) -> Tensor:
    """Return the position (n, R) at which each region is replaced; ``ties`` orders equal scores."""
    by_score = scores.gather(1, ties).argsort(dim=1, descending=descending, stable=True)
    order = ties.gather(1, by_score)
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions)
