from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from removal_reference import removed
from scaat.errors import InputError
from scaat.functional import perturbation_curve, replaced_images
from scaat.functional.baselines import BASELINES


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    maps = torch.rand(3, 7, 8, generator=generator)
    maps[:, :2, :2] = 0  # ties
    return torch.rand(3, 3, 7, 8, generator=generator), maps


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(("order", "size"), [("lerf", 1), ("morf", 3)])
def test_equals_a_loop_over_regions(baseline: str, order: str, size: int) -> None:
    images, maps = data()
    numbers = torch.tensor([4, 0, 9])
    regions = -(-7 // size) * -(-8 // size)
    options: dict[str, Any] = {"order": order, "baseline": baseline, "seed": 3}
    found = replaced_images(images, maps, 0.4, region_size=size, image_ids=numbers, **options)
    for image, map_, number, one in zip(images, maps, numbers.tolist(), found, strict=True):
        count = int(0.4 * regions + 0.5)
        expected = removed(image, map_, number, counts=[count], size=size, **options)[0][0]
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("baseline", sorted(set(BASELINES) - {"noisy-linear"}))
@pytest.mark.parametrize("sides", [(9,), (3, 6, 5)])
def test_series_and_volumes_equal_a_loop_over_regions(
    sides: tuple[int, ...], baseline: str
) -> None:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(2, 3, *sides, generator=generator)
    maps = torch.rand(2, *sides, generator=generator).round(decimals=1)  # ties
    regions = prod(-(-side // 2) for side in sides)
    found = replaced_images(images, maps, 0.4, region_size=2, baseline=baseline)
    for number, (image, map_) in enumerate(zip(images, maps, strict=True)):
        counts = [int(0.4 * regions + 0.5)]
        [[one]] = removed(
            image, map_, number, order="lerf", counts=counts, baseline=baseline, size=2
        )
        torch.testing.assert_close(found[number], one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", ["lerf", "morf"])
def test_are_the_images_of_a_perturbation_curve(order: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(168, 4)).eval()
    images, maps = data()
    with torch.no_grad():
        clean = model(images).softmax(1)
        target = clean.argmax(1, keepdim=True)
        curve = perturbation_curve(
            model, images, maps, orders=(order,), steps=5, fraction=1.0, repeats=1
        )[order]
        for step in range(1, 6):
            after = model(replaced_images(images, maps, step / 5, order=order)).softmax(1)
            decay = (clean - after).gather(1, target).squeeze(1)
            torch.testing.assert_close(decay, curve[:, step - 1])


def test_nothing_and_everything() -> None:
    images, maps = data()
    assert torch.equal(replaced_images(images, maps, 0), images)
    assert (replaced_images(images, maps, 1.0, baseline="zero") == 0).all()


@pytest.mark.parametrize(
    ("fraction", "options", "message"),
    [
        (1.5, {}, "fraction is 1.5"),
        (0.5, {"order": "best"}, "unknown order 'best'"),
        (0.5, {"baseline": "blurr"}, "did you mean 'blur'"),
        (0.5, {"region_size": 8}, "region_size must be at most"),
        (1.0, {"baseline": "noisy-linear"}, "all are to be replaced"),
    ],
)
def test_one_sentence_for_wrong_input(
    fraction: float, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        replaced_images(*data(), fraction, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region_size": 5}, r"shortest side 4 of inputs of size \(4, 6, 8\), found 5"),
        (
            {"baseline": "noisy-linear"},
            r"images of shape \(N, C, H, W\), found \(2, 1, 4",
        ),
    ],
)
def test_one_sentence_for_volumes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replaced_images(torch.rand(2, 1, 4, 6, 8), torch.rand(2, 4, 6, 8), 0.4, **options)
