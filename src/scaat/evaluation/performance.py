"""Logits and AUC over a whole test set."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from scaat.data.image_set import ImageSet, to_float
from scaat.errors import InputError
from scaat.statistics import auc_interval


@torch.no_grad()
def all_logits(
    model: nn.Module, image_set: ImageSet, batch_size: int, device: torch.device
) -> Tensor:
    """Return the logits (N, classes) of all images, float32 on the CPU.

    Raises:
        InputError: they don't fit the classes, or are not finite.
    """
    parts = torch.split(torch.arange(len(image_set)), batch_size)
    logits = torch.cat(
        [model(to_float(image_set.pixels(part).to(device))).float() for part in parts]
    ).cpu()
    if logits.shape != (len(image_set), len(image_set.classes)):
        raise InputError(
            f"the model's logits of {len(image_set)} images have shape {tuple(logits.shape)}, "
            f"expected one for each of {len(image_set.classes)} classes"
        )
    bad = (~logits.isfinite()).any(1)
    if bad.any():
        raise InputError(
            f"the model's logits are not finite for {int(bad.sum())} of {len(bad)} test images, "
            f"the first at position {int(bad.nonzero()[0])}"
        )
    return logits


def auc(logits: Tensor, labels: Tensor, *, seed: int, resamples: int) -> dict[str, Any] | None:
    """Return the area under the ROC curve of two classes with its interval.

    The second class is the positive one. None for more classes, and where the test set holds one
    class only.
    """
    if logits.shape[1] != 2:
        return None
    # The difference of logits orders as the probability does, without its saturation.
    scores = (logits[:, 1] - logits[:, 0]).double().numpy()
    found = auc_interval(scores, (labels == 1).numpy(), seed, resamples)
    return None if found["value"] is None else found
