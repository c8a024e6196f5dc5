"""Stability: change of a saliency map under small changes of its image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from scaat.errors import InputError
from scaat.functional.checks import check_at_least, check_images, check_positive, image_id_list
from scaat.functional.logits import class_logits
from scaat.functional.maps import check_maps
from scaat.functional.precision import widened
from scaat.functional.saliency import Predict

Explain = Callable[[Tensor, Tensor], Tensor]
"""Maps images (B, C, H, W) to saliency maps (B, H, W).

The second argument, int64 (B,), is each image's position among the measured images. A perturbed
copy has the position of its original and is explained for the original's class. With labels (N,):
``lambda x, position: saliency_map(model, x, labels[position])``.
"""


def max_sensitivity(
    explain: Explain,
    images: Tensor,
    *,
    perturbations: int = 10,
    radius: float = 0.02,
    seed: int = 0,
    image_ids: Tensor | None = None,
    batch_size: int = 64,
) -> Tensor:
    """Return the largest change of each saliency map, relative to its norm (Yeh et al. 2019).

    This is the maximum of L2(phi(x') - phi(x)) / L2(phi(x)), with phi(x) the map of x, over random
    images x' whose pixels differ from those of x by at most ``radius``. Sampling estimates the
    maximum over the ball, so it grows with ``perturbations``: only compare values of equal numbers
    of perturbations.

    If phi(x) is zero, the norm of the difference itself is used, as in Captum's
    ``sensitivity_max``. Unlike there, perturbed images stay inside [0, 1]. Each image has its own
    random numbers, NumPy's ``default_rng([seed, number])``; more perturbations extend fewer ones.

    Args:
        explain: see `Explain`; maps of one model, in eval mode, and one method.
        images: (N, C, H, W), floating point in [0, 1].
        perturbations: random images per image; 10 is Captum's default.
        radius: of the ball in the maximum norm, in pixel units; 0.02 is Captum's default, 5 grey
            levels of 255.
        seed: of the perturbations, non-negative.
        image_ids: (N,) non-negative integers that name the images; 0 ... N - 1 by default.
        batch_size: images explained at once; affects memory, not the result.

    Returns:
        float32 (N,), 0 or more; lower is more stable.

    Raises:
        InputError: an argument has an invalid value or shape.
    """
    parts = []
    for clean, perturbed in _explained(
        explain, images, perturbations, radius, seed, image_ids, batch_size
    ):
        before, after = clean.maps.flatten(1), perturbed.maps.flatten(2)
        length = vector_norm(before, dim=1)
        moved = vector_norm(after - before.unsqueeze(1), dim=2).amax(1)
        parts.append(moved / torch.where(length > 0, length, 1))
    return torch.cat(parts).float()


def relative_input_stability(
    predict: Predict,
    explain: Explain,
    images: Tensor,
    *,
    perturbations: int = 10,
    radius: float = 0.02,
    seed: int = 0,
    image_ids: Tensor | None = None,
    eps: float = 1e-6,
    batch_size: int = 64,
) -> Tensor:
    """Return the largest change of each map, relative to the change of its image.

    This is the maximum of L2((phi(x) - phi(x')) / phi(x)) / max(L2((x - x') / x), eps), with
    quotients per pixel (Agarwal et al. 2022, "Rethinking Stability for Attribution-based
    Explanations"). It covers the random images x' of `max_sensitivity` with the predicted class of
    x.

    A zero in phi(x) or x becomes ``eps`` before the division, as in Quantus. Maps are first divided
    by the mean of phi(x), so that their scale has no effect. Images x' of another class are
    skipped; in Quantus they make the value NaN.

    Pixels where phi(x) is nearly zero dominate the value, which varies over orders of magnitude and
    favours maps without zeros. Compare sparse maps by `max_sensitivity`.

    Args:
        predict: images (B, C, H, W) to logits (B, classes), or (B, 1) for one logit, in eval mode.
        explain: see `Explain`.
        images: see `max_sensitivity`.
        perturbations: see `max_sensitivity`.
        radius: see `max_sensitivity`.
        seed: see `max_sensitivity`.
        image_ids: see `max_sensitivity`.
        eps: replacement of zero divisors, and lower bound of the image's change; 1e-6 is
            Quantus' default.
        batch_size: see `max_sensitivity`.

    Returns:
        float32 (N,), 0 or more; lower is more stable. NaN if every perturbation changed the
        class.

    Raises:
        InputError: an argument has an invalid value or shape.
    """
    check_positive(eps, "eps of the relative input stability")
    parts = []
    for clean, perturbed in _explained(
        explain, images, perturbations, radius, seed, image_ids, batch_size
    ):
        mean = clean.maps.mean((1, 2))
        scale = torch.where(mean > 0, mean, 1).view(-1, 1, 1, 1)
        map_change = _relative(clean.maps.unsqueeze(1) / scale, perturbed.maps / scale, eps)
        image_change = _relative(widened(clean.images.unsqueeze(1)), widened(perturbed.images), eps)
        ratio = map_change / image_change.clamp(min=eps)
        same = _classes(predict, clean.images, batch_size).unsqueeze(1) == _classes(
            predict, perturbed.images.flatten(0, 1), batch_size
        ).view_as(ratio)
        largest = torch.where(same, ratio, -1).amax(1)  # no ratio is negative
        parts.append(torch.where(same.any(1), largest, torch.nan))
    return torch.cat(parts).float()


class _Views(NamedTuple):
    """Images (n, ..., C, H, W) and their saliency maps (n, ..., H, W), in float64."""

    images: Tensor
    maps: Tensor


def _explained(
    explain: Explain,
    images: Tensor,
    perturbations: int,
    radius: float,
    seed: int,
    image_ids: Tensor | None,
    batch_size: int,
) -> Iterator[tuple[_Views, _Views]]:
    """Yield groups of images, clean and perturbed (n, perturbations, ...)."""
    check_images(images)
    if images.dim() != 4 or len(images) == 0:
        raise InputError(
            f"images must have shape (N, C, H, W) with at least one image, "
            f"found {tuple(images.shape)}"
        )
    check_positive(radius, "radius of the perturbations")
    check_at_least(1, perturbations=perturbations, batch_size=batch_size)
    check_at_least(0, seed=seed)
    named = image_id_list(image_ids, len(images))
    images = images.detach()
    group = max(1, batch_size // (1 + perturbations))  # an image and its copies share a batch
    for start in range(0, len(images), group):
        clean = images[start : start + group]
        n = len(clean)
        noise = uniform_noise(seed, named[start : start + n], (perturbations, *clean.shape[1:]))
        perturbed = (clean.unsqueeze(1) + radius * noise.to(clean)).clamp(0, 1)
        position = torch.arange(start, start + n, device=images.device)
        maps = _maps(
            explain,
            torch.cat([clean, perturbed.flatten(0, 1)]),
            torch.cat([position, position.repeat_interleave(perturbations)]),
            batch_size,
        )
        yield (
            _Views(clean, maps[:n]),
            _Views(perturbed, maps[n:].view(n, perturbations, *maps.shape[1:])),
        )


def uniform_noise(seed: int, image_ids: list[int], shape: tuple[int, ...]) -> Tensor:
    """Return for each numbered image uniform numbers in [-1, 1), float32 (n, *shape)."""
    noise = [np.random.default_rng([seed, each]).random(shape, np.float32) for each in image_ids]
    return torch.from_numpy(np.stack(noise) * 2 - 1)


def _maps(explain: Explain, images: Tensor, position: Tensor, batch_size: int) -> Tensor:
    collected = []
    for part, at in zip(images.split(batch_size), position.split(batch_size), strict=True):
        # A copy, because the explanation may work in place.
        maps = explain(part.clone(), at).detach()
        check_maps(maps, planar=True)
        if maps.shape != (len(part), *part.shape[2:]):
            raise InputError(
                f"the saliency maps of images of shape {tuple(part.shape)} must have the shape "
                f"{(len(part), *part.shape[2:])}, found {tuple(maps.shape)}"
            )
        collected.append(widened(maps))
    return torch.cat(collected)


def _relative(before: Tensor, after: Tensor, eps: float) -> Tensor:
    """Return the norm (n, k) of the relative change from (n, 1, ...) to (n, k, ...)."""
    change = (before - after) / torch.where(before == 0, eps, before)
    length: Tensor = vector_norm(change.flatten(2), dim=2)
    return length


@torch.no_grad()
def _classes(predict: Predict, images: Tensor, batch_size: int) -> Tensor:
    """Return the predicted class of each image, int64 (n,)."""
    classes = []
    for part in torch.split(images, batch_size):
        logits = class_logits(predict(part.clone()))
        if logits.dim() != 2 or len(logits) != len(part):
            raise InputError(
                f"the prediction for {len(part)} images must be logits of shape "
                f"({len(part)}, classes), found shape {tuple(logits.shape)}"
            )
        classes.append(logits.argmax(1))
    return torch.cat(classes)
