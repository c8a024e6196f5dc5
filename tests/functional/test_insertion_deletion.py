from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from torch import Tensor, nn

from removal_reference import removed
from scaat.errors import InputError
from scaat.functional.insertion_deletion import area_under_curve, insertion_deletion


def net() -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Conv2d(3, 6, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3)
    return nn.Sequential(*layers).eval()


def data(n: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    maps = torch.rand(n, 7, 8, generator=generator)
    maps[:, :2, :2] = 0  # ties
    return torch.rand(n, 3, 7, 8, generator=generator), maps


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("size", "steps", "insertion_baseline", "deletion_baseline"),
    [(1, 5, "blur", "zero"), (3, 4, "random", "mean"), (2, 12, "mean", "random")],
)
@torch.no_grad()
def test_equals_a_loop_over_single_images(
    size: int, steps: int, insertion_baseline: str, deletion_baseline: str, dtype: torch.dtype
) -> None:
    images, maps = (x.to(dtype) for x in data())
    model = net().to(dtype)
    draws = {"repeats": 2, "seed": 3}
    found = insertion_deletion(
        model,
        images,
        maps,
        steps=steps,
        region_size=size,
        insertion_baseline=insertion_baseline,
        deletion_baseline=deletion_baseline,
        batch_size=4,
        **draws,
    )
    regions = -(-7 // size) * -(-8 // size)
    shown = [int(k * regions / steps + 0.5) for k in range(steps + 1)]
    hidden = [regions - count for count in shown]
    for i, (image, map_) in enumerate(zip(images, maps, strict=True)):
        target = int(model(image[None]).argmax())
        for name, order, counts, baseline in (
            ("insertion", "lerf", hidden, insertion_baseline),
            ("deletion", "morf", shown, deletion_baseline),
        ):
            where = {"order": order, "counts": counts, "size": size}
            runs = removed(image, map_, i, baseline=baseline, **where, **draws)
            expected = torch.stack([model(torch.stack(r)).softmax(1)[:, target] for r in runs])
            torch.testing.assert_close(found[name][i], expected.mean(0).float(), rtol=0, atol=1e-6)


def test_area_is_that_of_the_trapezoids() -> None:
    curves = torch.rand(4, 11, generator=torch.Generator().manual_seed(0))
    expected = trapezoid(curves.numpy(), np.linspace(0, 1, 11))
    torch.testing.assert_close(area_under_curve(curves), torch.from_numpy(expected).float())
    assert area_under_curve(torch.tensor([0.25, 0.25, 0.25])).item() == 0.25


def test_one_clean_pass_serves_both_curves() -> None:
    passes = []

    def predict(x: Tensor) -> Tensor:
        passes.append(len(x))
        return x.flatten(1)[:, :2]

    curves = insertion_deletion(predict, *data(), steps=6)
    assert sum(passes) == 3 * (1 + 6 + 6)
    assert torch.equal(curves["insertion"][:, -1], curves["deletion"][:, 0])


def test_oracle_maps_beat_random_ones() -> None:
    # The class is told from the brightness of one patch, the rest of the image is noise.
    generator = torch.Generator().manual_seed(8)
    images = 0.3 * torch.rand(20, 1, 12, 12, generator=generator)
    images[:, :, 3:7, 4:8] += 0.6
    oracle = torch.zeros(20, 12, 12)
    oracle[:, 3:7, 4:8] = 1

    def predict(x: Tensor) -> Tensor:
        score = 12 * (x[:, 0, 3:7, 4:8].mean((1, 2)) - 0.5)
        return torch.stack([score, torch.zeros_like(score)], 1)

    best = insertion_deletion(predict, images, oracle)
    chance = insertion_deletion(predict, images, torch.rand(20, 12, 12, generator=generator))
    area = {name: (area_under_curve(best[name]), area_under_curve(chance[name])) for name in best}
    assert (area["insertion"][0] > area["insertion"][1]).all()
    assert (area["deletion"][0] < area["deletion"][1]).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, "steps of the perturbation curve must be 1 or more"),
        ({"region_size": 8}, r"shortest side 7 of inputs of size \(7, \d+\), found 8"),
        ({"repeats": 0}, "repeats of the"),
        ({"insertion_baseline": "mena"}, "unknown baseline 'mena'"),
        ({"deletion_baseline": "noisy-linear"}, "removes all 56 regions"),
        ({"maps": torch.zeros(3, 8, 7)}, "must have the shape"),
        ({"images": torch.full((3, 3, 7, 8), 1.5)}, "images"),
        ({"predict": lambda x: x.mean(1)}, "must be logits"),
    ],
)
def test_refuses(change: dict, sentence: str) -> None:
    images, maps = data()
    with pytest.raises(InputError, match=sentence):
        insertion_deletion(**{"predict": net(), "images": images, "maps": maps} | change)
