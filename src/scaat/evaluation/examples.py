"""The few images that are kept with their maps, for pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from scaat.attribution import Attribution
from scaat.data.image_set import ImageSet
from scaat.evaluation.context import Arrays, EvaluationContext, Samples


def example_images(samples: Samples) -> Arrays:
    """Return ``images`` uint8, ``labels`` and, where the data has masks or boxes, ``masks``."""
    examples = {"images": samples.pixels, "labels": samples.labels}
    if samples.masks is not None:
        examples["masks"] = samples.masks
    return {name: values.cpu().numpy() for name, values in examples.items()}


def example_maps(context: EvaluationContext, samples: Samples, logits: Tensor) -> Arrays:
    """Return ``maps``, ``predicted`` and ``probability`` of samples with logits (k, classes)."""
    probability, predicted = logits.softmax(1).max(1)
    maps = samples.explain(context.method, context.model, predicted)
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
        model: The trained model, on ``device``.
        attribute: The saliency method; it explains the true class, as training does.
        train_set: The training images.
        proportion: The final proportion q of each, (len(train_set),).
        count: How many samples, at even quantiles of the proportion; all where there are fewer.
        device: Of the model.

    Returns:
        ``ordered_index`` int64 (k,), positions in the training set; ``ordered_images`` uint8
        (k, C, H, W), ``ordered_labels`` int64, ``ordered_proportion`` float32, ascending, and
        ``ordered_maps`` float32 (k, H, W).
    """
    places = torch.linspace(0, len(train_set) - 1, min(count, len(train_set))).round().long()
    index = proportion.argsort(stable=True)[places]
    samples = Samples.load(train_set, index, torch.device(device))
    maps = samples.explain(attribute, model, samples.labels)
    return {
        "ordered_index": index.numpy(),
        "ordered_images": samples.pixels.numpy(),
        "ordered_labels": samples.labels.cpu().numpy(),
        "ordered_proportion": proportion[index].float().numpy(),
        "ordered_maps": np.asarray(maps.cpu(), dtype=np.float32),
    }
