from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.sensitivity_n import sensitivity_n


def batch(n: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(n, 2, 6, 5, generator=generator)
    return images, torch.rand(n, 6, 5, generator=generator), torch.arange(n) % 3


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(60, 9), nn.Tanh(), nn.Linear(9, 3))


@pytest.mark.parametrize("batch_size", [3, 64])
def test_equals_a_loop_over_the_sets(batch_size: int) -> None:
    images, maps, targets = batch()
    model, ids = net(), torch.tensor([7, 2, 30, 4])
    found = sensitivity_n(
        model, images, maps, targets, fraction=0.2, subsets=9, baseline="mean", seed=5,
        image_ids=ids, batch_size=batch_size,
    )  # fmt: skip
    for i, name in enumerate(ids.tolist()):
        generator = np.random.default_rng([5, name])
        sums, falls = [], []
        for _ in range(9):
            chosen = generator.choice(30, 6, replace=False, shuffle=False)
            without = images[i].clone().flatten(1)
            without[:, chosen] = images[i].mean((1, 2)).unsqueeze(1)
            sums.append(maps[i].flatten()[chosen].sum().item())
            with torch.no_grad():
                pair = model(torch.stack([images[i], without.view(2, 6, 5)]))[:, targets[i]]
            falls.append((pair[0] - pair[1]).item())
        assert found[i].item() == pytest.approx(pearsonr(sums, falls).statistic, abs=1e-5)


def test_contributions_to_a_linear_model_correlate_perfectly() -> None:
    images, weights, targets = batch()

    def predict(x: Tensor) -> Tensor:
        score = (weights[0] * x.sum(1)).sum((1, 2))
        return torch.stack([-score, score, score / 2], 1)

    contributions = weights[0] * images.sum(1)
    found = sensitivity_n(predict, images, contributions, targets, baseline="zero", subsets=20)
    torch.testing.assert_close(found, torch.tensor([-1.0, 1.0, 1.0, -1.0]))


def test_a_flat_map_and_a_model_that_does_not_look_have_no_value() -> None:
    images, maps, targets = batch()
    assert sensitivity_n(net(), images, torch.full_like(maps, 0.1), targets).isnan().all()
    blind = sensitivity_n(lambda x: torch.zeros(len(x), 3), images, maps, targets)
    assert blind.isnan().all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fraction": 0.01}, "a fraction of 0.01 of 30 pixels is 0 of them"),
        ({"fraction": 1.0}, "is 30 of them; expected at least one, and not all"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"subsets": 1}, "subsets is 1, expected 2 or more"),
        ({"baseline": "noisy-linear"}, "baseline is 'noisy-linear', which is random"),
    ],
)
def test_wrong_settings_are_named(settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sensitivity_n(net(), *batch(), **settings)
