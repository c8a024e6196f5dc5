"""All measures of one model and saliency method, over the test images in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scaat.attribution import Attribution
from scaat.data.image_set import ImageSet, to_float
from scaat.evaluation.measures import Arrays, Batch, Measure, Subject
from scaat.functional.maps import check_maps
from scaat.functional.saliency import Predict


def gradient_batch(batch_size: int) -> int:
    """Return how many images to differentiate at once, where that many are predicted at once."""
    return max(1, batch_size // 4)  # a pass that is differentiated keeps its activations


def measure_saliency(
    subject: Subject,
    made: Sequence[Measure],
    image_set: ImageSet,
    measured: Tensor,
    targets: Tensor,
    device: torch.device,
) -> list[Arrays]:
    """Show every measure the maps of the measured images, and return what each one found.

    Args:
        subject: the model and the saliency method.
        made: the measures, of this subject.
        image_set: the test images.
        measured: int64 (n,), the positions of those to measure.
        targets: int64 (n,), their predicted classes.
        device: of the model.

    Returns:
        For each measure its values (n,) and curves (n, steps) by name, as arrays.

    Raises:
        InputError: a map is not finite, or of another shape than its image.
    """
    for batch in _batches(subject, image_set, measured, targets, device):
        for measure in made:
            measure.update(batch)
    return [
        {name: np.asarray(values.cpu()) for name, values in measure.values().items()}
        for measure in made
    ]


def _batches(
    subject: Subject, image_set: ImageSet, measured: Tensor, targets: Tensor, device: torch.device
) -> Iterator[Batch]:
    for part in torch.split(torch.arange(len(measured)), gradient_batch(subject.batch_size)):
        numbers = measured[part]
        chosen = image_set.subset(numbers)
        masks = chosen.object_masks()
        masks = None if masks is None else masks.to(device)
        images, classes = to_float(chosen.pixels().to(device)), targets[part].to(device)
        maps = subject.attribute(subject.model, images, classes, masks=masks, numbers=numbers)
        check_maps(maps)
        yield Batch(images, maps, classes, numbers, masks)


def counted(attribute: Attribution, tick: Callable[[int], None]) -> Attribution:
    """Return the saliency method; ``tick`` gets the number of images of every call."""

    def maps(
        model: nn.Module,
        images: Tensor,
        targets: Tensor,
        /,
        *,
        masks: Tensor | None = None,
        numbers: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        found = attribute(model, images, targets, masks=masks, numbers=numbers, **options)
        tick(len(images))
        return found

    return maps


def fast_predict(
    model: nn.Module, device: torch.device, precision: str, tick: Callable[[int], None]
) -> Predict:
    """Return the model's prediction as it is fastest; ``tick`` gets each batch's images."""
    half = precision == "bfloat16"
    # Channels-last inputs are faster for half precision everywhere, for float32 on CPUs only.
    memory = torch.channels_last if half or device.type == "cpu" else torch.contiguous_format

    def predict(inputs: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits: Tensor = model(inputs.contiguous(memory_format=memory))
        tick(len(inputs))
        return logits

    return predict
