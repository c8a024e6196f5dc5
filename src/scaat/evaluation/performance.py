"""What a model answers to a whole test set, and the AUC of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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


def all_answers(logits: Tensor, labels: Tensor) -> dict[str, NDArray[Any]]:
    """Return ``correct`` bool (N,) and, for two classes, ``margin`` float32 (N,).

    The margin is by how much the second class's logit exceeds the first's. It orders as the
    probability does, without its saturation.
    """
    found: dict[str, NDArray[Any]] = {"correct": (logits.argmax(1) == labels).numpy()}
    if logits.shape[1] == 2:
        found["margin"] = (logits[:, 1] - logits[:, 0]).numpy()
    return found


def auc(
    answers: Mapping[str, NDArray[Any]], labels: Tensor, *, seed: int, resamples: int
) -> dict[str, Any] | None:
    """Return the area under the ROC curve of two classes with its interval.

    The second class is the positive one. None for more classes, and where the test set holds one
    class only.
    """
    if "margin" not in answers:
        return None
    scores = answers["margin"].astype(np.float64)
    found = auc_interval(scores, (labels == 1).numpy(), seed, resamples)
    return None if found["value"] is None else found
