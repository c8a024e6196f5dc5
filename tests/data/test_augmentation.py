from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from scaat.data import Augmentation, augment
from scaat.errors import InputError


def candidates(image: torch.Tensor, augmentation: Augmentation) -> list[torch.Tensor]:
    """Every result that one image may have, by padding, cropping and flipping it alone."""
    padding = augmentation.crop_padding
    padded = F.pad(image.float().unsqueeze(0), [padding] * 4, mode="reflect")[0].to(image.dtype)
    _, height, width = image.shape
    results = []
    for dy, dx in product(range(2 * padding + 1), repeat=2):
        crop = padded[:, dy : dy + height, dx : dx + width]
        for vertical in (False, True)[: 1 + augmentation.vertical_flip]:
            for horizontal in (False, True)[: 1 + augmentation.horizontal_flip]:
                flips = [1] * vertical + [2] * horizontal
                results.append(crop.flip(flips) if flips else crop)
    return results


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(crop_padding=1),
        Augmentation(horizontal_flip=True),
        Augmentation(vertical_flip=True),
        Augmentation(crop_padding=2, horizontal_flip=True, vertical_flip=True),
        Augmentation(crop_padding=3),  # the most that four rows can reflect
    ],
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_each_image_is_one_of_its_crops_and_flips_equally_often(
    augmentation: Augmentation, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    image = torch.randperm(2 * 4 * 5).to(dtype).view(2, 4, 5)
    expected = torch.stack(candidates(image, augmentation))
    repeats = 200 * len(expected)
    results = augment(image.expand(repeats, 2, 4, 5), augmentation)
    assert results.dtype == dtype
    hits = (results.unsqueeze(1) == expected).flatten(2).all(dim=2)
    assert hits.any(dim=1).all()
    # Padding 3 of 4 rows can reflect to one crop in two ways, so compare with how many do.
    ways = (expected.unsqueeze(1) == expected).flatten(2).all(dim=2).sum(dim=1)
    counts = hits.sum(dim=0) / ways
    assert (counts - 200).abs().max() < 200 * 0.35  # five standard deviations


def test_images_draw_apart_and_keep_their_place() -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (64, 3, 6, 6), dtype=torch.uint8)
    augmentation = Augmentation(crop_padding=2, horizontal_flip=True)
    for image, result in zip(images, augment(images, augmentation), strict=True):
        assert any(torch.equal(result, option) for option in candidates(image, augmentation))


def test_seeded_and_out_of_place() -> None:
    images = torch.rand(16, 1, 8, 8)
    before = images.clone()
    augmentation = Augmentation(crop_padding=2, vertical_flip=True)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(images, augmentation))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(images, before)


def test_nothing_to_do_changes_nothing_and_draws_nothing() -> None:
    images = torch.rand(4, 3, 5, 5)
    state = torch.get_rng_state()
    assert torch.equal(augment(images, Augmentation()), images)
    assert torch.equal(torch.get_rng_state(), state)


def test_padding_out_of_range() -> None:
    with pytest.raises(InputError, match="crop_padding is -1"):
        Augmentation(crop_padding=-1)
    with pytest.raises(InputError, match=r"crop_padding is 4; .* sides \(4x5\)"):
        augment(torch.rand(1, 3, 4, 5), Augmentation(crop_padding=4))
