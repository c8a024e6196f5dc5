"""Random: maps that know nothing, the lower bound of every measure of faithfulness."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scaat.attribution.method import Query, reference_map
from scaat.attribution.registry import attributions
from scaat.errors import InputError

_STREAM = 0x6D617073  # apart from the random pixels of AOPC, which have the same seed and numbers


@attributions.register("random")
@reference_map
def random_map(query: Query, *, seed: int = 0) -> Tensor:
    """Return independent uniform values in [0, 1) for every pixel, without looking at the model.

    They come from NumPy's ``default_rng`` of the seed and the image's number, and depend on
    nothing else.

    Args:
        query: the images and their numbers.
        seed: non-negative.
    """
    if seed < 0:
        raise InputError(f"the seed of random maps must be 0 or more, found {seed}")
    size = tuple(query.images.shape[2:])
    maps = [np.random.default_rng([seed, int(n), _STREAM]).random(size) for n in query.numbers]
    return torch.from_numpy(np.stack(maps)).to(query.images)
