"""The numbers that name images for their random numbers."""

from __future__ import annotations

from torch import Tensor

from scaat.errors import InputError


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
