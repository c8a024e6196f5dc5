from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur as torchvision_blur

from removal_reference import blurred
from scaat.functional.blur import gaussian_blur


def images(dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "shape",
    [(2, 3, 32, 20), (1, 1, 7, 11), (1, 2, 2, 3), (1, 3, 1, 4), (2, 3, 40), (1, 2, 9, 12, 31)],
)
def test_equals_scipy(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    found = gaussian_blur(images(dtype, shape))
    assert found.dtype == dtype
    for image, result in zip(images(dtype, shape), found, strict=True):
        expected = torch.from_numpy(blurred(image.double().numpy()))
        torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-6)


def test_equals_torchvision() -> None:
    batch = images(torch.float32, (2, 3, 40, 40))
    expected = torchvision_blur(batch, kernel_size=[33, 33], sigma=[4.0, 4.0])
    # Its kernel is computed in float32.
    torch.testing.assert_close(gaussian_blur(batch), expected, rtol=0, atol=1e-5)
