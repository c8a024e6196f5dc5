"""Stability: how far a saliency map moves as its image moves within a small ball."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from scaat.errors import InputError
from scaat.functional.checks import check_images, check_positive, image_numbers
from scaat.functional.maps import check_maps
from scaat.functional.saliency import Predict

Explain = Callable[[Tensor, Tensor], Tensor]
"""Maps images (B, C, H, W) to saliency maps (B, H, W).

Its second argument, int64 (B,), is each image's position among those being measured: a perturbed
copy has the position of its original, whose class it is explained for. So for labels (N,):
``lambda x, position: saliency_map(model, x, labels[position])``.
"""


def max_sensitivity(
    explain: Explain,
    images: Tensor,
    *,
    perturbations: int = 10,
    radius: float = 0.02,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 64,
) -> Tensor:
    """Return how far each saliency map moves at most, relative to its length (Yeh et al. 2019).

    The maximum of L2(phi(x') - phi(x)) / L2(phi(x)), with phi(x) the map of x and L2 the length,
    over random images x' whose pixels differ from those of x by at most ``radius``. The maximum
    over the whole ball is sought by sampling, so it grows with ``perturbations``; only values of
    one number of them compare.

    Where a map phi(x) is zero the length of the difference itself is taken, as Captum's
    ``sensitivity_max`` does. Unlike there, the perturbed images stay inside [0, 1], and every
    image has random numbers of its own: NumPy's ``default_rng([seed, number])``, one perturbation
    after the other. They depend on nothing else, so neither the batch size nor the device nor the
    other images change them, and more perturbations go on where fewer stopped.

    Args:
        explain: see `Explain`; its maps belong to one model and method, in eval mode.
        images: (N, C, H, W), floating point in [0, 1].
        perturbations: random images for each image; 10 is Captum's default.
        radius: of the ball in the maximum norm, in pixel units; 0.02 is Captum's default, 5 grey
            levels of 255.
        seed: of the perturbations, non-negative.
        numbers: (N,) non-negative integers that name the images for the perturbations; the
            default is their position 0 ... N - 1.
        batch_size: images that are explained at once. Memory grows with it, the result does not
            change.

    Returns:
        float32 (N,), 0 or more; lower is more stable.

    Raises:
        InputError: an argument is out of range or of another shape.
    """
    parts = []
    for clean, perturbed in _explained(
        explain, images, perturbations, radius, seed, numbers, batch_size
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
    numbers: Tensor | None = None,
    eps: float = 1e-6,
    batch_size: int = 64,
) -> Tensor:
    """Return how far each map moves at most, relative to how far its image moves.

    The maximum of L2((phi(x) - phi(x')) / phi(x)) / max(L2((x - x') / x), eps) (Agarwal et al.
    2022, "Rethinking Stability for Attribution-based Explanations"), the quotients pixel by pixel,
    over the random images x' of `max_sensitivity` for which the model predicts the same class as
    for x.

    A zero in phi(x) or x becomes ``eps`` before it divides, as Quantus does; the maps are first
    divided by the mean of phi(x), so that a map's scale drops out there too. Unlike in Quantus,
    an x' of another class is left out, rather than making the image's value NaN.

    The quotients are the measure's own weakness: pixels where phi(x) is zero or nearly so decide
    the value, which varies over orders of magnitude between images. It favours maps without
    zeros; compare sparse ones by `max_sensitivity`.

    Args:
        predict: images (B, C, H, W) to logits (B, classes), in eval mode.
        explain: see `Explain`.
        images: (N, C, H, W), floating point in [0, 1].
        perturbations: random images for each image.
        radius: of the ball in the maximum norm, in pixel units.
        seed: of the perturbations, non-negative.
        numbers: (N,) non-negative integers that name the images for the perturbations; the
            default is their position 0 ... N - 1.
        eps: what a zero divisor becomes, and the least length of the image's change; 1e-6 is
            Quantus' default.
        batch_size: images that are explained at once. Memory grows with it, the result does not
            change.

    Returns:
        float32 (N,), 0 or more; lower is more stable. NaN for an image whose class no
        perturbation kept.

    Raises:
        InputError: an argument is out of range or of another shape.
    """
    check_positive(eps, "eps of the relative input stability")
    parts = []
    for clean, perturbed in _explained(
        explain, images, perturbations, radius, seed, numbers, batch_size
    ):
        mean = clean.maps.mean((1, 2))
        scale = torch.where(mean > 0, mean, 1).view(-1, 1, 1, 1)
        map_change = _relative(clean.maps.unsqueeze(1) / scale, perturbed.maps / scale, eps)
        image_change = _relative(clean.images.unsqueeze(1).double(), perturbed.images.double(), eps)
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
    numbers: Tensor | None,
    batch_size: int,
) -> Iterator[tuple[_Views, _Views]]:
    """Yield groups of the images, as they are and perturbed (n, perturbations, ...)."""
    check_images(images)
    if images.dim() != 4 or len(images) == 0:
        raise InputError(
            f"images must have shape (N, C, H, W) with at least one image, "
            f"found {tuple(images.shape)}"
        )
    check_positive(radius, "radius of the perturbations")
    if perturbations < 1 or batch_size < 1 or seed < 0:
        raise InputError(
            "perturbations and batch_size must be 1 or more and seed 0 or more, found "
            f"perturbations {perturbations}, batch_size {batch_size} and seed {seed}"
        )
    named = image_numbers(numbers, len(images))
    images = images.detach()
    group = max(1, batch_size // (1 + perturbations))  # an image and its copies share a batch
    for start in range(0, len(images), group):
        clean = images[start : start + group]
        n = len(clean)
        noise = _noise(seed, named[start : start + n], (perturbations, *clean.shape[1:]))
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


def _noise(seed: int, numbers: list[int], shape: tuple[int, ...]) -> Tensor:
    """Return for each numbered image uniform numbers in [-1, 1), float32 (n, *shape)."""
    noise = np.empty((len(numbers), *shape), dtype=np.float32)
    for i, number in enumerate(numbers):
        np.random.default_rng([seed, number]).random(out=noise[i], dtype=np.float32)
    return torch.from_numpy(noise * 2 - 1)


def _maps(explain: Explain, images: Tensor, position: Tensor, batch_size: int) -> Tensor:
    found = []
    for part, at in zip(
        torch.split(images, batch_size), torch.split(position, batch_size), strict=True
    ):
        # A copy: the explanation may work in place, and these images are needed again.
        maps = explain(part.clone(), at).detach()
        check_maps(maps)
        if maps.shape != (len(part), *part.shape[2:]):
            raise InputError(
                f"the saliency maps of images of shape {tuple(part.shape)} must have the shape "
                f"{(len(part), *part.shape[2:])}, found {tuple(maps.shape)}"
            )
        found.append(maps.double())
    return torch.cat(found)


def _relative(before: Tensor, after: Tensor, eps: float) -> Tensor:
    """Return the length (n, k) of the change from (n, 1, ...) to (n, k, ...), in parts of it."""
    change = (before - after) / torch.where(before == 0, eps, before)
    length: Tensor = vector_norm(change.flatten(2), dim=2)
    return length


@torch.no_grad()
def _classes(predict: Predict, images: Tensor, batch_size: int) -> Tensor:
    """Return the predicted class of each image, int64 (n,)."""
    classes = []
    for part in torch.split(images, batch_size):
        logits = predict(part.clone())
        if logits.dim() != 2 or len(logits) != len(part):
            raise InputError(
                f"the prediction for {len(part)} images must be logits of shape "
                f"({len(part)}, classes), found shape {tuple(logits.shape)}"
            )
        classes.append(logits.argmax(1))
    return torch.cat(classes)
