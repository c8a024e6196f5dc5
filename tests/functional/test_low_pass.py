from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.low_pass import low_pass


def wave(height: int, width: int, down: int, across: int) -> Tensor:
    """A cosine of so many cycles down and across the image."""
    rows = torch.arange(height, dtype=torch.float64).unsqueeze(1) / height
    columns = torch.arange(width, dtype=torch.float64) / width
    return torch.cos(2 * pi * (down * rows + across * columns))


@pytest.mark.parametrize(("height", "width"), [(12, 12), (9, 14), (7, 5)])
def test_a_frequency_passes_unchanged_or_not_at_all(height: int, width: int) -> None:
    for down in range((height + 1) // 2):
        for across in range((width + 1) // 2):
            image = wave(height, width, down, across)
            frequency = ((down / height) ** 2 + (across / width) ** 2) ** 0.5
            expected = image if frequency <= 0.3 + 1e-9 else torch.zeros_like(image)
            torch.testing.assert_close(low_pass(image, 0.3), expected)


def test_a_checkerboard_of_zeros_and_ones_becomes_its_mean() -> None:
    board = (torch.arange(8).unsqueeze(1) + torch.arange(8)) % 2.0
    torch.testing.assert_close(low_pass(board, 0.49), torch.full((8, 8), 0.5))
    torch.testing.assert_close(low_pass(board, 0.71), board)


@pytest.mark.parametrize("cycles", range(1, 9))
def test_equals_the_centred_disc_of_the_authors_code(cycles: int) -> None:
    """A cut-off in cycles per image, as Xplique has it, less its final absolute value."""
    size = 16
    images = torch.rand(3, size, size, dtype=torch.float64)
    rows, columns = np.ogrid[:size, :size]
    disc = np.hypot(rows - size // 2, columns - size // 2) <= cycles
    spectrum = np.fft.fftshift(np.fft.fft2(images.numpy()), axes=(1, 2)) * disc
    expected = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(1, 2))).real
    np.testing.assert_allclose(low_pass(images, cycles / size), expected, atol=1e-12)


@pytest.mark.parametrize("cutoff", [0.0, -1.0, float("nan")])
def test_refuses_a_cutoff_that_is_not_positive(cutoff: float) -> None:
    with pytest.raises(InputError, match="cutoff of the low-pass filter"):
        low_pass(torch.rand(4, 4), cutoff)
