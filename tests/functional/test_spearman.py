from __future__ import annotations

from math import isnan

import pytest
import torch
from scipy.stats import ConstantInputWarning, spearmanr
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.spearman import spearman


def rand(seed: int, levels: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(levels, (6, 9, 5), generator=generator) / levels


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("levels", [100_000, 10, 2])
def test_equals_scipy_with_and_without_ties(levels: int, dtype: torch.dtype) -> None:
    maps = rand(0, levels).to(dtype)
    other = (maps + rand(1, levels) * torch.linspace(0, 2, 6).view(6, 1, 1)).to(dtype)
    found = spearman(maps, other)
    for value, a, b in zip(found, maps.double(), other.double(), strict=True):
        expected = spearmanr(a.flatten(), b.flatten()).statistic
        assert value.item() == pytest.approx(expected, abs=1e-6)


def test_only_the_order_counts() -> None:
    maps = rand(0, 1000)
    assert spearman(maps, maps**3 + 1).tolist() == pytest.approx([1] * 6)
    assert spearman(maps, 1 / (maps + 1)).tolist() == pytest.approx([-1] * 6)


def test_equal_pixels_have_no_order_as_in_scipy() -> None:
    maps = rand(0, 1000)
    other = maps.clone()
    other[1], other[2] = 0.0, 0.7
    found = spearman(maps, other)
    assert found.isnan().tolist() == [False, True, True, False, False, False]
    torch.testing.assert_close(spearman(other, maps), found, equal_nan=True)
    with pytest.warns(ConstantInputWarning):
        assert isnan(spearmanr(maps[2].flatten(), other[2].flatten()).statistic)


def test_large_maps_lose_no_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, other = torch.rand(2, 1, 300, 300, generator=generator)
    expected = spearmanr(maps.flatten(), other.flatten()).statistic
    assert spearman(maps, other).item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (torch.rand(2, 3, 5), r"found shapes \(2, 3, 4\) on cpu and \(2, 3, 5\) on cpu"),
        (torch.rand(1, 3, 4), "one by one, found shapes"),
        (torch.rand(12), r"must be a floating-point tensor of shape \(N, H, W\)"),
        (-torch.rand(2, 3, 4), "non-negative"),
    ],
)
def test_wrong_maps_are_named(other: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        spearman(torch.rand(2, 3, 4), other)
