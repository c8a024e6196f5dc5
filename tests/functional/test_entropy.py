from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from scaat.errors import InputError
from scaat.functional.maps import quantise
from scaat.functional.sparsity import entropy


def reference(map_: np.ndarray) -> float:
    if map_.max() == 0:
        return 0.0
    levels = np.round(map_ / map_.max() * 255).astype(int)
    return float(scipy_entropy(np.bincount(levels.ravel(), minlength=256), base=2))


@pytest.mark.parametrize("shape", [(7, 9), (32, 32), (1, 1), (1, 50)])
def test_equals_scipy_image_by_image(shape: tuple[int, int]) -> None:
    maps = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0)) ** 4
    maps[2] = 0
    expected = [reference(m.numpy()) for m in maps]
    torch.testing.assert_close(entropy(maps), torch.tensor(expected), rtol=1e-6, atol=1e-6)


def test_known_values() -> None:
    halves = torch.zeros(1, 4, 4)
    halves[:, :2] = 3.0
    ramp = torch.arange(256.0).view(1, 16, 16)
    assert entropy(halves).item() == 1.0
    assert entropy(ramp).item() == 8.0
    assert entropy(torch.full((1, 3, 3), 0.3)).item() == 0.0
    assert entropy(torch.zeros(2, 3, 3)).tolist() == [0.0, 0.0]


def test_scale_drops_out_even_for_the_smallest_numbers() -> None:
    maps = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(entropy(maps * 2.0**-60), entropy(maps), rtol=0, atol=0)
    assert quantise(torch.tensor([[[0.0, 1e-45]]])).tolist() == [[[0, 255]]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_are_measured_as_their_float32_values(dtype: torch.dtype) -> None:
    maps = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    torch.testing.assert_close(entropy(maps), entropy(maps.float()), rtol=1e-6, atol=1e-6)


def test_no_images() -> None:
    assert entropy(torch.zeros(0, 4, 4)).shape == (0,)


@pytest.mark.parametrize(
    "maps",
    [
        torch.zeros(4),
        torch.zeros(1, 4, 4, dtype=torch.int64),
        -torch.ones(1, 2, 2),
        torch.full((1, 2, 2), float("nan")),
        torch.full((1, 2, 2), float("inf")),
    ],
)
def test_refuses_what_is_no_map(maps: torch.Tensor) -> None:
    with pytest.raises(InputError, match="saliency maps must be"):
        entropy(maps)
