from __future__ import annotations

import pytest
import torch
from torch import Tensor

from removal_reference import removed
from scaat.errors import InputError
from scaat.functional.road import road, road_curves


def predict(x: Tensor) -> Tensor:
    """Tell the class from the brightness of a patch, however the rest looks."""
    score = 12 * (x[:, 0, 3:7, 4:8].mean((1, 2)) - 0.5)
    return torch.stack([score, torch.zeros_like(score)], 1)


def data(n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    images = 0.3 * torch.rand(n, 1, 12, 12, generator=generator)
    images[:, :, 3:7, 4:8] += 0.6
    return images, torch.rand(n, 12, 12, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1, 5])
def test_equals_a_loop_over_single_images(size: int, dtype: torch.dtype) -> None:
    images, maps = (x.to(dtype) for x in data(2))
    curves = road_curves(predict, images, maps, region_size=size, repeats=2, seed=1, batch_size=7)
    regions = (-(-12 // size)) ** 2
    counts = [int(0.1 * k * regions + 0.5) for k in range(1, 10)]
    for i in range(2):
        clean = predict(images[i : i + 1]).softmax(1)[0]
        parts = {}
        for order in ("lerf", "morf"):
            runs = removed(
                images[i],
                maps[i],
                i,
                order=order,
                counts=counts,
                baseline="noisy-linear",
                size=size,
                repeats=2,
                seed=1,
            )
            after = torch.stack([predict(torch.stack(run)).softmax(1) for run in runs]).mean(0)
            parts[order] = (clean.max() - after[:, int(clean.argmax())]).float()
            torch.testing.assert_close(curves[order][i], parts[order], rtol=0, atol=1e-5)
        expected = sum(parts["morf"] - parts["lerf"]) / 9 / 2
        torch.testing.assert_close(road(curves)[i], expected, rtol=0, atol=1e-5)


def test_oracle_maps_beat_random_ones_and_uniform_maps_have_none() -> None:
    images, chance = data()
    oracle = torch.zeros_like(chance)
    oracle[:, 3:7, 4:8] = 1
    best = road(road_curves(predict, images, oracle))
    assert (best > road(road_curves(predict, images, chance)) + 0.1).all()
    uniform = road(road_curves(predict, images, torch.ones_like(chance)))
    torch.testing.assert_close(uniform, torch.zeros_like(uniform), rtol=0, atol=1e-6)


def test_refuses_images_of_which_nothing_would_be_left() -> None:
    images, maps = data(1)
    with pytest.raises(InputError, match="removes all 4 regions"):
        road_curves(predict, images, maps, region_size=6)
