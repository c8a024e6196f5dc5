from __future__ import annotations

import numpy as np
import pytest
import torch

from scaat.data import ImageSet, channels
from scaat.data.channels import channel_statistics


def images(count: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 5, 4), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.zeros(count, dtype=torch.int64), ("a",))


def test_numpy_agrees_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    given = images(23)
    mean, std = channel_statistics(given)
    flat = given.images.numpy().transpose(1, 0, 2, 3).reshape(3, -1) / 255
    np.testing.assert_allclose(mean, flat.mean(1), rtol=1e-12)
    np.testing.assert_allclose(std, flat.std(1, ddof=1), rtol=1e-12)
    monkeypatch.setattr(channels, "CHUNK", 200)  # three images
    assert channel_statistics(given) == (mean, std)


def test_evenly_spaced_images_of_a_large_set(monkeypatch: pytest.MonkeyPatch) -> None:
    given = images(23)
    monkeypatch.setattr(channels, "MOST", 5)
    expected = given.subset([0, 4, 9, 13, 18])
    assert channel_statistics(given) == channel_statistics(expected)
