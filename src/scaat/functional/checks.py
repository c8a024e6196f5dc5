"""Checks of input tensors; each fails with one sentence."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scaat.errors import InputError

Bounds = tuple[float, float]
"""Lowest and highest value that an input may take."""


def check_images(images: Tensor, bounds: Bounds | None = (0.0, 1.0)) -> None:
    """Raise `InputError` unless ``images`` (N, ...) are floating point and inside ``bounds``.

    The ends are included; None allows any finite value.
    """
    if not images.is_floating_point():
        raise InputError(
            f"images have dtype {images.dtype}, expected floating point values"
            + (f" in [{bounds[0]:g}, {bounds[1]:g}]" if bounds else "")
        )
    if images.numel() == 0:
        return
    low, high = (value.item() for value in torch.aminmax(images.detach()))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("images hold NaN or infinite values, expected finite ones")
    if bounds is not None and (low < bounds[0] or high > bounds[1]):
        raise InputError(
            f"images lie in [{low:g}, {high:g}], expected values in [{bounds[0]:g}, "
            f"{bounds[1]:g}]: normalisation belongs in the model's first layer"
        )


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raise `InputError` unless every label is an int64 class number below ``num_classes``."""
    if labels.dtype != torch.int64:
        raise InputError(f"labels have dtype {labels.dtype}, expected torch.int64")
    _check_within(labels, num_classes, "label", "classes")


def check_multilabel(labels: Tensor, logits: Tensor) -> None:
    """Raise `InputError` unless the labels are 0 or 1, one for each of the logits."""
    if labels.shape != logits.shape:
        raise InputError(
            f"labels of floating point have shape {tuple(labels.shape)}, expected that of the "
            f"logits {tuple(logits.shape)}: 0 or 1 for each label"
        )
    if not ((labels == 0) | (labels == 1)).all():
        raise InputError("labels of floating point hold other values, expected 0 or 1 each")


def check_targets(targets: Tensor, outputs: Tensor) -> None:
    """Raise `InputError` unless targets and outputs are one finite number for each sample."""
    if not targets.is_floating_point() or targets.dim() != 1:
        raise InputError(
            f"regression targets are {targets.dtype} of shape {tuple(targets.shape)}, expected "
            "floating point, one number for each sample"
        )
    if outputs.numel() != len(targets):
        raise InputError(
            f"the model returned shape {tuple(outputs.shape)}, expected ({len(targets)}, 1): one "
            "number for each target"
        )
    if not targets.isfinite().all():
        raise InputError("regression targets hold NaN or infinite values, expected finite ones")


def check_index(index: Tensor, num_samples: int) -> None:
    """Raise `InputError` unless every index is an int64 position below ``num_samples``."""
    if index.dtype != torch.int64:
        raise InputError(f"index has dtype {index.dtype}, expected torch.int64")
    _check_within(index, num_samples, "index", "training samples (num_samples)")


def check_fraction(value: float, name: str) -> None:
    """Raise `InputError` unless ``value`` is in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{name} is {value!r}, expected a number in [0, 1]")


def check_positive(value: float, name: str, *, zero: bool = False) -> None:
    """Raise `InputError` unless ``value`` is finite and above 0 (or 0, where ``zero``)."""
    if not (0.0 < value < float("inf") or (zero and value == 0.0)):
        raise InputError(
            f"{name} is {value!r}, expected a {'non-negative' if zero else 'positive'} number"
        )


def check_at_least(least: int, **values: int) -> None:
    """Raise `InputError` unless each of the named values is ``least`` or more."""
    for name, value in values.items():
        if value < least:
            raise InputError(f"{name} is {value}, expected {least} or more")


def image_id_list(image_ids: Tensor | None, count: int) -> list[int]:
    """Return the ids of ``count`` images, non-negative: those given, or else 0 ... count - 1."""
    if image_ids is None:
        return list(range(count))
    if image_ids.shape != (count,) or image_ids.is_floating_point() or (image_ids < 0).any():
        raise InputError(
            f"image_ids of {count} images must be {count} non-negative integers, "
            f"found {image_ids.dtype} of shape {tuple(image_ids.shape)}"
        )
    ids: list[int] = image_ids.tolist()
    return ids


def _check_within(values: Tensor, count: int, what: str, of: str) -> None:
    if values.numel() == 0:
        return
    low, high = (int(value) for value in torch.aminmax(values))
    if low < 0 or high >= count:
        outside = low if low < 0 else high
        raise InputError(
            f"{what} {outside} is out of range, expected 0 to {count - 1} for {count} {of}"
        )
