from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from removal_reference import imputed
from scaat.functional.baselines import linear_imputation

SHAPES = [(3, 32, 32), (1, 17, 30), (2, 5, 3), (1, 1, 9), (1, 2, 2)]


def removed(kind: str, height: int, width: int, share: float) -> Tensor:
    """Remove a share of the pixels: scattered, a blob, all but a corner, or stripes."""
    generator = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rank = {
        "scattered": torch.rand(height, width, generator=generator),
        "blob": (y - height / 2) ** 2 + (x - width / 3) ** 2,
        "corner": (-y - x).double(),
        "stripes": y % 6 + 1e-3 * torch.rand(height, width, generator=generator),
    }[kind]
    count = min(round(share * height * width), height * width - 1)
    return rank.flatten().argsort(stable=True).argsort().view(height, width) < count


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["scattered", "blob", "corner", "stripes"])
def test_equals_a_sparse_direct_solver(
    kind: str, shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    shares = (0.1, 0.5, 0.9, 1.0)  # the last leaves one pixel
    images = torch.rand(len(shares), *shape, generator=generator, dtype=dtype)
    masks = torch.stack([removed(kind, *shape[1:], share) for share in shares])
    found = linear_imputation(images, masks)
    assert found.dtype == dtype
    for image, mask, result in zip(images, masks, found, strict=True):
        expected = torch.from_numpy(imputed(image.double().numpy(), mask.numpy()))
        torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-6)
        assert torch.equal(result[:, ~mask], image[:, ~mask])


def test_a_wide_gap_in_a_large_image_is_bridged() -> None:
    # Columns between a dark and a bright edge: the imputation is linear in between, by symmetry.
    image = torch.zeros(1, 1, 224, 224)
    image[..., -1] = 1
    mask = torch.ones(1, 224, 224, dtype=torch.bool)
    mask[..., [0, -1]] = False
    expected = torch.linspace(0, 1, 224).expand(224, 224)
    found = linear_imputation(image, mask)[0, 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_an_image_is_imputed_alike_in_any_batch() -> None:
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    masks = torch.stack([removed("scattered", 16, 16, share) for share in np.linspace(0, 0.95, 5)])
    whole = linear_imputation(images, masks)
    for i in range(5):
        alone = linear_imputation(images[i : i + 1], masks[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], rtol=0, atol=1e-6)
    assert torch.equal(whole[0], images[0])  # nothing removed
