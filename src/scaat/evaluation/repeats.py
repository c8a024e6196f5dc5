"""When more random repeats are worth their passes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor

_Z = 1.96  # of a 95 % interval; the choice of when to stop need not be the bootstrap
_NOISE_SHARE = 0.05


class Stop(Enum):
    """Why no further round of repeats is made."""

    NARROW = "the intervals are narrow enough"
    IMAGES = "the images decide the intervals' width: only more of them would narrow it"
    LIMIT = "the limit of repeats is reached"


def stop(rounds: Sequence[dict[str, Tensor]], *, tolerance: float, affordable: bool) -> Stop | None:
    """Return why to stop after these rounds of repeats, or None to continue.

    The variance of a mean over images has a part from the images and a part from the random
    repeats, which alone falls with further rounds. Once that part is under 5 % of the whole, at
    best 2.5 % of the width is to be gained.

    Args:
        rounds: for each round the values (n,) of each metric, of the same images, n of 2 or more.
        tolerance: the half-width of a 95 % interval that is narrow enough, for every metric.
        affordable: whether a further round is within the limit.
    """
    by_metric = [torch.stack([values[name] for values in rounds]).double() for name in rounds[0]]
    count = by_metric[0].shape[1]
    whole = [values.mean(0).var() / count for values in by_metric]
    if all(_Z * float(variance) ** 0.5 <= tolerance for variance in whole):
        return Stop.NARROW
    if len(rounds) > 1:
        noise = [values.var(0).mean() / len(rounds) / count for values in by_metric]
        if all(part <= _NOISE_SHARE * all_ for part, all_ in zip(noise, whole, strict=True)):
            return Stop.IMAGES
    return None if affordable else Stop.LIMIT
