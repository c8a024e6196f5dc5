from __future__ import annotations

import numpy as np
import pytest
import torch

from scaat.errors import InputError
from scaat.functional.sparsity import gini


def mean_absolute_difference(values: np.ndarray) -> float:
    """Half the relative mean absolute difference over all n * n ordered pairs."""
    x = values.astype(np.float64).ravel()
    return float(np.abs(x[:, None] - x[None, :]).sum() / (2 * x.size**2 * x.mean()))


@pytest.mark.parametrize("power", [0.5, 1.0, 8.0])
def test_equals_the_naive_mean_absolute_difference(power: float) -> None:
    maps = torch.rand(5, 6, 11, generator=torch.Generator().manual_seed(0)) ** power
    expected = torch.tensor([mean_absolute_difference(m.numpy()) for m in maps])
    torch.testing.assert_close(gini(maps), expected, rtol=1e-6, atol=1e-7)


def test_known_values() -> None:
    single = torch.zeros(1, 5, 4)
    single[0, 2, 3] = 7.0
    assert gini(single).item() == pytest.approx(1 - 1 / 20)
    assert gini(torch.full((1, 3, 3), 0.1)).item() == pytest.approx(0, abs=1e-7)
    assert gini(torch.zeros(2, 3, 3)).tolist() == [0, 0]
    # 1, 2, 3: 1 - 2 (1/6 * 5/6 + 2/6 * 3/6 + 3/6 * 1/6) = 2/9
    assert gini(torch.tensor([[[3.0, 1.0, 2.0]]])).item() == pytest.approx(2 / 9)


def test_scale_drops_out_and_values_stay_in_range() -> None:
    maps = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(1)) ** 3
    torch.testing.assert_close(gini(maps * 1e-20), gini(maps), rtol=1e-5, atol=1e-6)
    constant = gini(torch.rand(50, 1, 1).expand(50, 13, 7))
    assert ((constant >= 0) & (constant < 1e-6)).all()


def test_refuses_negative_values() -> None:
    with pytest.raises(InputError, match="non-negative, found values from -1 to 1"):
        gini(torch.tensor([[[-1.0, 1.0]]]))
