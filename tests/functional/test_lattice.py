from __future__ import annotations

import pytest
import torch

from scaat.errors import InputError
from scaat.functional import lattice_fractions


@pytest.mark.parametrize("shape", [(2, 2), (6, 4), (5, 7)])
def test_is_the_share_of_the_means_pixel_by_pixel(shape: tuple[int, int]) -> None:
    maps = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    for fractions, one in zip(lattice_fractions(maps), maps.tolist(), strict=True):
        found: dict[tuple[int, int], list[float]] = {}
        for r, row in enumerate(one):
            for c, value in enumerate(row):
                found.setdefault((r % 2, c % 2), []).append(value)
        means = {lattice: sum(values) / len(values) for lattice, values in found.items()}
        expected = [means[lattice] / sum(means.values()) for lattice in sorted(means)]
        assert fractions.tolist() == pytest.approx(expected, abs=1e-6)


def test_known_values() -> None:
    rows = torch.zeros(1, 6, 6)
    rows[:, 1::2] = 3
    assert lattice_fractions(rows).tolist() == [[0, 0, 0.5, 0.5]]
    single = torch.zeros(1, 6, 6)
    single[:, 2, 3] = 1e-30
    assert lattice_fractions(single).tolist() == [[0, 1, 0, 0]]
    # Nothing at all is as even as a constant, which odd sizes don't change.
    for even in (torch.zeros(2, 4, 4), torch.full((2, 5, 3), 1e30)):
        torch.testing.assert_close(lattice_fractions(even), torch.full((2, 4), 0.25))


@pytest.mark.parametrize("shape", [(1, 1, 8), (1, 8, 1)])
def test_refuses_a_single_row_or_column(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="two rows and two columns or more"):
        lattice_fractions(torch.ones(shape))


def test_refuses_negative_maps() -> None:
    with pytest.raises(InputError, match="finite and non-negative"):
        lattice_fractions(torch.full((1, 2, 2), -1.0))
