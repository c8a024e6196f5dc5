"""Removal of ranked regions, one image and one region at a time; scipy blurs and imputes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor


def removed(
    image: Tensor,
    map_: Tensor,
    number: int,
    *,
    order: str,
    counts: Sequence[int],
    baseline: str = "random",
    size: int = 1,
    repeats: int = 1,
    seed: int = 0,
) -> list[list[Tensor]]:
    """Return the perturbed images (C, ...) of each repeat and count."""
    sides = image.shape[1:]
    boxes = [
        tuple(slice(start, start + size) for start in corner)
        for corner in product(*(range(0, side, size) for side in sides))
    ]
    generator = np.random.default_rng([seed, number])
    ties = generator.permutation(len(boxes))
    sign = 1 if order == "lerf" else -1
    ranked = sorted(ties, key=lambda r: sign * float(map_[boxes[r]].double().mean()))
    found = []
    for _ in range(repeats):
        noise = np.zeros(image.shape, dtype=np.float32)
        if baseline == "random":
            noise = generator.random(noise.shape, dtype=np.float32)
        elif baseline == "noisy-linear":
            noise = 0.01 * generator.standard_normal(noise.shape, dtype=np.float32)
        found.append([])
        for count in counts:
            gone = np.zeros(sides, dtype=bool)
            for region in ranked[:count]:
                gone[boxes[region]] = True
            filled = BACKGROUNDS[baseline](image.double().numpy(), gone) + noise
            perturbed = torch.from_numpy(np.where(gone, filled, image.double().numpy()))
            found[-1].append(perturbed.to(image.dtype))
    return found


def blurred(image: np.ndarray, gone: np.ndarray | None = None) -> np.ndarray:
    """Return (C, ...) blurred with a standard deviation of a tenth of the shortest side."""
    sigma = 0.1 * min(image.shape[1:])
    return np.stack([gaussian_filter(plane, sigma, mode="mirror", truncate=4) for plane in image])


def imputed(image: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Return (C, H, W) with the pixels that are gone as weighted means of their neighbours."""
    height, width = gone.shape
    places = np.argwhere(gone)
    unknown = {(y, x): i for i, (y, x) in enumerate(places)}
    if not unknown:
        return image
    left = np.zeros((len(unknown), len(unknown)))
    right = np.zeros((len(unknown), len(image)))
    for (y, x), i in unknown.items():
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                there = (y + dy, x + dx)
                inside = 0 <= there[0] < height and 0 <= there[1] < width
                if (dy, dx) == (0, 0) or not inside:
                    continue
                weight = 1 / 6 if 0 in (dy, dx) else 1 / 12
                left[i, i] += weight
                if there in unknown:
                    left[i, unknown[there]] -= weight
                else:
                    right[i] += weight * image[:, there[0], there[1]]
    result = image.copy()
    solution = spsolve(csr_matrix(left), right).reshape(right.shape)
    result[:, places[:, 0], places[:, 1]] = solution.T
    return result


BACKGROUNDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "random": lambda image, _: np.zeros_like(image),
    "mean": lambda image, _: (
        np.zeros_like(image) + image.mean(tuple(range(1, image.ndim)), keepdims=True)
    ),
    "blur": blurred,
    "zero": lambda image, _: np.zeros_like(image),
    "noisy-linear": imputed,
}
