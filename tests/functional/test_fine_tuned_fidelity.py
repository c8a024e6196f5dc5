from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.aopc import perturbation_curve
from scaat.functional.fine_tuned_fidelity import fine_tuned_fidelity


def batch(n: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(n, 2, 6, 5, generator=generator)
    maps = torch.rand(n, 6, 5, generator=generator)
    maps[:, :2] = 0.5  # ties
    return images, maps


def net(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(60, 9), nn.Tanh(), nn.Linear(9, classes))


def test_without_a_cap_it_is_the_perturbation_curve_of_the_whole_image() -> None:
    model, (images, maps) = net(), batch()
    found = fine_tuned_fidelity(
        model, images, maps, fraction=1.0, cap=1.0, steps=5, draws=1, seed=7
    )
    expected = perturbation_curve(
        model, images, maps, fraction=1.0, steps=5, baseline="mean", repeats=1, seed=7
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("batch_size", [3, 64])
def test_equals_a_loop_over_the_draws(batch_size: int) -> None:
    model, (images, maps) = net(), batch()
    ids = torch.tensor([7, 2, 30, 4])
    found = fine_tuned_fidelity(
        model, images, maps, cap=0.2, steps=3, draws=4, seed=5, image_ids=ids,
        batch_size=batch_size,
    )  # fmt: skip
    for i, name in enumerate(ids.tolist()):
        generator = np.random.default_rng([5, name])
        ties = generator.permutation(30)
        numbers = generator.random((4, 30), dtype=np.float32)
        values = maps[i].flatten().tolist()
        place = {pixel: k for k, pixel in enumerate(ties.tolist())}
        with torch.no_grad():
            clean = model(images[i : i + 1]).softmax(1)[0]
        target = int(clean.argmax())
        for order, sign in (("lerf", 1), ("morf", -1)):
            ranked = sorted(range(30), key=lambda p, s=sign: (s * values[p], place[p]))
            for step, size in enumerate((10, 20, 30)):
                rate, falls = min(0.5, 0.2 * 30 / size), []
                for draw in numbers:
                    gone = [p for p in ranked[:size] if draw[p] < rate]
                    without = images[i].clone().flatten(1)
                    without[:, gone] = images[i].mean((1, 2)).unsqueeze(1)
                    with torch.no_grad():
                        left = model(without.view(1, 2, 6, 5)).softmax(1)[0, target]
                    falls.append((clean[target] - left).item())
                assert found[order][i, step].item() == pytest.approx(np.mean(falls), abs=1e-6)


def test_a_flat_map_has_equal_curves_and_any_map_equal_ends() -> None:
    images, maps = batch()
    found = fine_tuned_fidelity(net(), images, torch.full_like(maps, 0.3), steps=4)
    torch.testing.assert_close(found["lerf"], found["morf"])
    ranked = fine_tuned_fidelity(net(), images, maps, steps=4)
    torch.testing.assert_close(ranked["lerf"][:, -1], ranked["morf"][:, -1])
    assert (ranked["lerf"][:, 0] != ranked["morf"][:, 0]).any()


def test_one_logit_is_a_softmax_of_two() -> None:
    images, maps = batch()
    model = net(1)

    def two(x: Tensor) -> Tensor:
        return torch.cat([torch.zeros(len(x), 1), model(x)], dim=1)

    found = fine_tuned_fidelity(model, images, maps)
    torch.testing.assert_close(found, fine_tuned_fidelity(two, images, maps))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fraction": 0.0}, "fraction is 0.0, expected a positive number"),
        ({"cap": 1.5}, "cap is 1.5"),
        ({"draws": 0}, "draws"),
        ({"steps": 100}, "the first explains none"),
        ({"baseline": "random"}, "baseline is 'random', which is random"),
    ],
)
def test_wrong_settings_are_named(settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fine_tuned_fidelity(net(), *batch(), **settings)
