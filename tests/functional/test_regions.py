from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
import torch

from scaat.functional import region_average


def naive(maps: torch.Tensor, size: int, offset: Sequence[int]) -> torch.Tensor:
    out = torch.empty_like(maps)
    starts = [range(-o, side, size) for o, side in zip(offset, maps.shape[1:], strict=True)]
    for corner in product(*starts):
        block = tuple(slice(max(start, 0), start + size) for start in corner)
        for n in range(maps.shape[0]):
            out[n][block] = maps[n][block].mean()
    return out


SHAPES = [(2, 8, 8), (3, 7, 10), (1, 5, 3), (2, 1, 1), (2, 10), (2, 4, 9, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_equals_a_loop_over_regions(shape: tuple[int, ...], size: int) -> None:
    maps = torch.rand(shape, dtype=torch.float64)
    whole = [0] * (len(shape) - 1)
    torch.testing.assert_close(region_average(maps, size), naive(maps, size, whole))
    for offset in (whole, [size - 1] * len(whole), list(range(size))[-len(whole) :]):
        if len(offset) == len(whole):
            found = region_average(maps, size, offset)
            torch.testing.assert_close(found, naive(maps, size, offset))


@pytest.mark.parametrize("shape", [(100,), (30, 31), (9, 16, 15)])
@pytest.mark.parametrize("offset", [0, 5])
def test_values_of_a_region_are_exactly_equal(shape: tuple[int, ...], offset: int) -> None:
    maps = region_average(torch.rand(1, *shape), 7, [offset] * len(shape))
    for corner in product(*(range(-offset, side, 7) for side in shape)):
        block = tuple(slice(max(start, 0), start + 7) for start in corner)
        assert maps[0][block].unique().numel() == 1


@pytest.mark.parametrize(
    ("shape", "size", "offset"),
    [((2, 8, 8), 0, None), ((8,), 2, None), ((2, 8, 8), 2, [0, 2]), ((2, 8, 8), 2, [1])],
)
def test_refuses(shape: tuple[int, ...], size: int, offset: list[int] | None) -> None:
    with pytest.raises(ValueError, match=r"region_size|shape|offset is"):
        region_average(torch.rand(shape), size, offset)
