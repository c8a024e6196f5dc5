from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from scaat.errors import InputError
from scaat.functional.sparsity import compressed_size


def maps() -> torch.Tensor:
    noise = torch.rand(2, 40, 24, generator=torch.Generator().manual_seed(0))
    return torch.cat([noise, torch.zeros(1, 40, 24)])


@pytest.mark.parametrize(
    ("codec", "quality", "options"),
    [
        ("png", None, {"format": "PNG"}),
        ("jpeg", None, {"format": "JPEG", "quality": 75}),
        ("jpeg", 20, {"format": "JPEG", "quality": 20}),
    ],
)
def test_is_the_size_of_the_file(codec: str, quality: int | None, options: dict) -> None:
    expected = []
    for map_ in maps().numpy():
        image = np.round(map_ / max(map_.max(), 1e-30) * 255).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(image).save(file, **options)
        expected.append(len(file.getvalue()) / 1000)
    assert compressed_size(maps(), codec, quality).tolist() == pytest.approx(expected, abs=1e-6)


def test_png_keeps_the_8_bit_image_and_noise_does_not_compress() -> None:
    sizes = compressed_size(maps())
    assert (sizes[:2] > 40 * 24 / 1000 * 0.9).all()
    assert sizes[2] < 0.1


def test_quality_counts() -> None:
    low, high = compressed_size(maps(), "jpeg", 10), compressed_size(maps(), "jpeg", 95)
    assert (low[:2] < high[:2]).all()


@pytest.mark.parametrize(
    ("codec", "quality", "sentence"),
    [
        ("jpg", None, "unknown codec 'jpg'"),
        ("png", 80, "takes no quality"),
        ("jpeg", 0, "from 1 to 95, found 0"),
        ("jpeg", 96, "from 1 to 95, found 96"),
    ],
)
def test_refuses(codec: str, quality: int | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        compressed_size(maps(), codec, quality)
