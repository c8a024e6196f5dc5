"""Checks of input tensors; each fails with one sentence."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError

Bounds = tuple[float, float]
"""Lowest and highest value that an input may take."""


def check_images(images: Tensor, bounds: Bounds | None = (0.0, 1.0)) -> None:
    """Raise `InputError` unless ``images`` is a floating-point batch inside ``bounds``.

    Args:
        images: Inputs, shape (N, ...).
        bounds: Allowed range, ends included; None allows any finite value.

    Raises:
        InputError: The dtype is not floating point, or a value is not finite or outside.
    """
    if not images.is_floating_point():
        raise InputError(
            f"images have dtype {images.dtype}, expected floating point values"
            + (f" in [{bounds[0]:g}, {bounds[1]:g}]" if bounds else "")
        )
    if images.numel() == 0:
        return
    low, high = (value.item() for value in torch.aminmax(images.detach()))
    if not (torch.isfinite(torch.tensor([low, high])).all()):
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


def check_index(index: Tensor, num_samples: int) -> None:
    """Raise `InputError` unless every index is an int64 position below ``num_samples``."""
    if index.dtype != torch.int64:
        raise InputError(f"index has dtype {index.dtype}, expected torch.int64")
    _check_within(index, num_samples, "index", "training samples (num_samples)")


def check_share(value: float, name: str) -> None:
    """Raise `InputError` unless ``value`` is in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{name} is {value!r}, expected a number in [0, 1]")


def check_positive(value: float, name: str, *, zero: bool = False) -> None:
    """Raise `InputError` unless ``value`` is finite and above 0 (or 0, where ``zero``)."""
    if not (0.0 < value < float("inf") or (zero and value == 0.0)):
        raise InputError(
            f"{name} is {value!r}, expected a {'non-negative' if zero else 'positive'} number"
        )


def image_numbers(numbers: Tensor | None, count: int) -> list[int]:
    """Return the numbers of ``count`` images: those given, or else 0 ... count - 1.

    Raises:
        InputError: ``numbers`` are not ``count`` non-negative integers.
    """
    if numbers is None:
        return list(range(count))
    if numbers.shape != (count,) or numbers.is_floating_point() or (numbers < 0).any():
        raise InputError(
            f"the numbers of {count} images must be {count} non-negative integers, "
            f"found {numbers.dtype} of shape {tuple(numbers.shape)}"
        )
    names: list[int] = numbers.tolist()
    return names


def _check_within(values: Tensor, count: int, what: str, of: str) -> None:
    if values.numel() == 0:
        return
    low, high = (int(value) for value in torch.aminmax(values))
    if low < 0 or high >= count:
        outside = low if low < 0 else high
        raise InputError(
            f"{what} {outside} is out of range, expected 0 to {count - 1} for {count} {of}"
        )
