from __future__ import annotations

import pytest
import torch

from scaat.functional import region_average


def naive(maps: torch.Tensor, size: int) -> torch.Tensor:
    out = torch.empty_like(maps)
    for n in range(maps.shape[0]):
        for top in range(0, maps.shape[1], size):
            for left in range(0, maps.shape[2], size):
                block = slice(top, top + size), slice(left, left + size)
                out[n][block] = maps[n][block].mean()
    return out


@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 7, 10), (1, 5, 3), (2, 1, 1)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_equals_a_loop_over_regions(shape: tuple[int, int, int], size: int) -> None:
    maps = torch.rand(shape, dtype=torch.float64)
    torch.testing.assert_close(region_average(maps, size), naive(maps, size))


def test_values_of_a_region_are_exactly_equal() -> None:
    maps = region_average(torch.rand(1, 30, 31), 7)
    for top in range(0, 30, 7):
        for left in range(0, 31, 7):
            assert maps[0, top : top + 7, left : left + 7].unique().numel() == 1


@pytest.mark.parametrize(("shape", "size"), [((2, 8, 8), 0), ((2, 8), 2)])
def test_refuses(shape: tuple[int, ...], size: int) -> None:
    with pytest.raises(ValueError, match=r"region_size|shape"):
        region_average(torch.rand(shape), size)
