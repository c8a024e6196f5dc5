"""The few images that are kept with their maps, for pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scaat.attribution import Attribution
from scaat.data.image_set import ImageSet, to_float

Arrays = dict[str, NDArray[Any]]


def example_images(image_set: ImageSet, index: Tensor) -> Arrays:
    """Return ``images`` uint8, ``labels`` and, where the data has masks or boxes, ``masks``."""
    chosen = image_set.subset(index)
    examples = {"images": chosen.pixels(), "labels": chosen.labels}
    masks = chosen.object_masks()
    if masks is not None:
        examples["masks"] = masks
    return {name: values.numpy() for name, values in examples.items()}


def example_maps(
    model: nn.Module,
    attribute: Attribution,
    image_set: ImageSet,
    index: Tensor,
    logits: Tensor,
    device: torch.device,
) -> Arrays:
    """Return ``maps``, ``predicted`` and ``probability`` of the images at ``index`` (k,).

    ``logits`` (k, classes) are the model's for these images.
    """
    chosen = image_set.subset(index)
    masks = chosen.object_masks()
    probability, predicted = logits.softmax(1).max(1)
    maps = attribute(
        model,
        to_float(chosen.pixels().to(device)),
        predicted.to(device),
        masks=None if masks is None else masks.to(device),
        numbers=index.to(device),
    )
    return {
        "maps": np.asarray(maps.cpu(), dtype=np.float32),
        "predicted": predicted.numpy(),
        "probability": probability.numpy(),
    }


def ordered_samples(
    model: nn.Module,
    attribute: Attribution,
    train_set: ImageSet,
    proportion: Tensor,
    *,
    count: int = 8,
    device: torch.device | str = "cpu",
) -> Arrays:
    """Return training samples from the lowest to the highest final proportion (figure 3b).

    Args:
        model: the trained model, on ``device``.
        attribute: the saliency method; it explains the true class, as training does.
        train_set: the training images.
        proportion: the final proportion q of each, (len(train_set),).
        count: how many samples, at even quantiles of the proportion; all where there are fewer.
        device: of the model.

    Returns:
        ``ordered_index`` int64 (k,), positions in the training set; ``ordered_images`` uint8
        (k, C, H, W), ``ordered_labels`` int64, ``ordered_proportion`` float32, ascending, and
        ``ordered_maps`` float32 (k, H, W).
    """
    places = torch.linspace(0, len(train_set) - 1, min(count, len(train_set))).round().long()
    index = proportion.argsort(stable=True)[places]
    chosen = train_set.subset(index)
    masks = chosen.object_masks()
    images = chosen.pixels()
    maps = attribute(
        model,
        to_float(images.to(device)),
        chosen.labels.to(device),
        masks=None if masks is None else masks.to(device),
        numbers=index.to(device),
    )
    return {
        "ordered_index": index.numpy(),
        "ordered_images": images.numpy(),
        "ordered_labels": chosen.labels.numpy(),
        "ordered_proportion": proportion[index].float().numpy(),
        "ordered_maps": np.asarray(maps.cpu(), dtype=np.float32),
    }
