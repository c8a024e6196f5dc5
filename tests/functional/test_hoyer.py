from __future__ import annotations

import numpy as np
import pytest
import torch

from scaat.errors import InputError
from scaat.functional.sparsity import hoyer


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("power", [0.5, 1.0, 8.0])
def test_equals_the_norms_of_numpy(power: float, dtype: torch.dtype) -> None:
    maps = (torch.rand(5, 6, 11, generator=torch.Generator().manual_seed(0)) ** power).to(dtype)
    for value, one in zip(hoyer(maps), maps.double().numpy().reshape(5, -1), strict=True):
        ratio = np.linalg.norm(one, 1) / np.linalg.norm(one, 2)
        assert value.item() == pytest.approx((66**0.5 - ratio) / (66**0.5 - 1), abs=1e-6)


def test_known_values() -> None:
    single = torch.zeros(1, 5, 4)
    single[0, 2, 3] = 7.0
    assert hoyer(single).item() == 1
    assert hoyer(torch.full((1, 3, 3), 0.1)).item() == pytest.approx(0, abs=1e-7)
    assert hoyer(torch.zeros(2, 3, 3)).tolist() == [0, 0]
    assert hoyer(torch.ones(2, 1, 1)).tolist() == [0, 0]
    # 3, 4, 0, 0: (2 - 7/5) / (2 - 1)
    assert hoyer(torch.tensor([[[3.0, 0.0], [4.0, 0.0]]])).item() == pytest.approx(0.6)


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1e30])
def test_scale_drops_out(scale: float) -> None:
    maps = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(1)) ** 3
    torch.testing.assert_close(hoyer(maps * scale), hoyer(maps), rtol=1e-5, atol=1e-6)


def test_values_stay_in_range() -> None:
    values = hoyer(torch.rand(50, 1, 1).expand(50, 13, 7))
    assert ((values >= 0) & (values < 1e-6)).all()


def test_refuses_nan() -> None:
    with pytest.raises(InputError, match="finite and non-negative"):
        hoyer(torch.tensor([[[float("nan"), 1.0]]]))
