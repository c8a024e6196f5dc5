from __future__ import annotations

from itertools import product

import pytest
import torch

from scaat.functional import region_average


def naive(maps: torch.Tensor, size: int) -> torch.Tensor:
    out = torch.empty_like(maps)
    for corner in product(*(range(0, side, size) for side in maps.shape[1:])):
        block = tuple(slice(start, start + size) for start in corner)
        for n in range(maps.shape[0]):
            out[n][block] = maps[n][block].mean()
    return out


SHAPES = [(2, 8, 8), (3, 7, 10), (1, 5, 3), (2, 1, 1), (2, 10), (2, 4, 9, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_equals_a_loop_over_regions(shape: tuple[int, ...], size: int) -> None:
    maps = torch.rand(shape, dtype=torch.float64)
    torch.testing.assert_close(region_average(maps, size), naive(maps, size))


@pytest.mark.parametrize("shape", [(100,), (30, 31), (9, 16, 15)])
def test_values_of_a_region_are_exactly_equal(shape: tuple[int, ...]) -> None:
    maps = region_average(torch.rand(1, *shape), 7)
    for corner in product(*(range(0, side, 7) for side in shape)):
        block = tuple(slice(start, start + 7) for start in corner)
        assert maps[0][block].unique().numel() == 1


@pytest.mark.parametrize(("shape", "size"), [((2, 8, 8), 0), ((8,), 2)])
def test_refuses(shape: tuple[int, ...], size: int) -> None:
    with pytest.raises(ValueError, match=r"region_size|shape"):
        region_average(torch.rand(shape), size)
