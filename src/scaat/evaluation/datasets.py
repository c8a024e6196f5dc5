"""Any map-style data set of (image, label) as the images that an evaluation measures on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from scaat.data.image_set import ImageSet, to_float
from scaat.errors import InputError
from scaat.functional.logits import class_logits
from scaat.passes import evaluation_mode

SLACK = 1e-6  # of rounding in float images


def read_dataset(dataset: Dataset[Any], model: nn.Module, device: torch.device) -> ImageSet:
    """Return a data set's images and labels, read into memory, with the model's classes.

    The set has a length, and an item begins with an image and a label. Images are uint8 (C, H, W),
    float (C, H, W) in [0, 1], rounded to 256 levels, or Pillow's, all of one size. Labels are class
    numbers, or all -1 for images without labels. The classes are called as the set's attribute
    ``classes`` says, if there is one, or else by their numbers.

    Raises:
        InputError: The data set is not as above.
    """
    try:
        count = len(dataset)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(
            f"the data set is a {type(dataset).__name__}, which has no length; expected a "
            "map-style data set"
        ) from None
    images: list[Tensor] = []
    labels: list[int] = []
    for position in range(count):
        item = dataset[position]
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise InputError(
                f"item {position} of the data set is a {type(item).__name__}; expected "
                "(image, label)"
            )
        image, label = _pixels(item[0], position), _label(item[1], position)
        if images and image.shape != images[0].shape:
            raise InputError(
                f"image {position} of the data set has shape {tuple(image.shape)} and image 0 "
                f"{tuple(images[0].shape)}; expected one size"
            )
        images.append(image)
        labels.append(label)
    if not images:
        raise InputError("the data set is empty; expected two images or more")
    with torch.no_grad(), evaluation_mode(model):
        outputs = class_logits(model(to_float(images[0].unsqueeze(0).to(device)))).shape[1]
    names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or len(names) != outputs:
        names = range(outputs)
    return ImageSet(torch.stack(images), torch.tensor(labels), tuple(map(str, names)))


def _label(label: Any, position: int) -> int:
    try:
        return int(label)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"the label of item {position} of the data set is {label!r:.80}; expected a class "
            "number, or -1 if it is not known"
        ) from None


def _pixels(image: Any, position: int) -> Tensor:
    """Return an image as uint8 (C, H, W)."""
    if not isinstance(image, Tensor):
        if getattr(image, "mode", None) == "P":  # whose values are places in a palette
            image = image.convert("RGB")
        pixels = np.array(image)
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
            raise InputError(
                f"image {position} of the data set is a {type(image).__name__}; expected a tensor "
                "(C, H, W) or an 8-bit Pillow image"
            )
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        return torch.from_numpy(np.ascontiguousarray(planes))
    if image.dtype == torch.uint8:
        return image
    low, high = (float(value) for value in image.aminmax())
    if not image.is_floating_point() or not (low >= -SLACK and high <= 1 + SLACK):
        raise InputError(
            f"image {position} of the data set is {image.dtype} with values from {low:g} to "
            f"{high:g}; expected uint8, or floats in [0, 1]: normalisation belongs in the model's "
            "first layer"
        )
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
