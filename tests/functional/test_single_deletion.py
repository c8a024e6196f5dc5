from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional.single_deletion import delete_cells, single_deletion


def batch(n: int = 5, size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(n, 2, size, size, generator=generator)
    maps = torch.rand(n, size, size, generator=generator)
    return images, maps, torch.arange(n) % 3


def net(size: int = 8) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * size * size, 9), nn.Tanh(), nn.Linear(9, 3))


@pytest.mark.parametrize("batch_size", [2, 64])
def test_equals_the_authors_loop_over_patches(batch_size: int) -> None:
    images, maps, targets = batch()
    model = net()
    found = single_deletion(model, images, maps, targets, baseline="zero", batch_size=batch_size)
    for i in range(5):
        sums, falls = [], []
        for row in range(0, 8, 2):
            for column in range(0, 8, 2):
                without = images[i : i + 1].clone()
                without[:, :, row : row + 2, column : column + 2] = 0
                sums.append(maps[i, row : row + 2, column : column + 2].sum().item())
                with torch.no_grad():
                    fall = (model(images[i : i + 1]) - model(without))[0, targets[i]]
                falls.append(fall.item())
        assert found[i].item() == pytest.approx(spearmanr(sums, falls).statistic, abs=1e-6)


def test_a_linear_model_and_its_contributions_agree() -> None:
    weights = torch.rand(8, 8, generator=torch.Generator().manual_seed(4))
    images, _, targets = batch()

    def predict(x: Tensor) -> Tensor:
        score = (weights * x.sum(1)).sum((1, 2))
        return torch.stack([score, score, score], 1)

    contributions = weights * images.sum(1)
    torch.testing.assert_close(
        single_deletion(predict, images, contributions, targets, baseline="zero"), torch.ones(5)
    )
    reverse = contributions.amax((1, 2), keepdim=True) - contributions
    torch.testing.assert_close(
        single_deletion(predict, images, reverse, targets, baseline="zero"), -torch.ones(5)
    )


def test_a_flat_map_and_a_model_that_does_not_look_have_no_value() -> None:
    images, maps, targets = batch()
    assert single_deletion(net(), images, torch.ones_like(maps), targets).isnan().all()
    blind = single_deletion(lambda x: torch.zeros(len(x), 3), images, maps, targets)
    assert blind.isnan().all()


def test_deletes_one_patch_or_none() -> None:
    images = batch(3, 9)[0]
    found = delete_cells(images, torch.tensor([0, -1, 15]), grid=4)
    mean = images.mean((2, 3), keepdim=True)
    changed = (found != images).any(1)
    assert changed[0].nonzero().amax(0).tolist() == [2, 2]  # 3 of 9 pixels along each side
    assert not changed[1].any()
    assert changed[2].nonzero().amin(0).tolist() == [7, 7]
    torch.testing.assert_close(found[0, :, :3, :3], mean[0].expand(2, 3, 3))
    np.testing.assert_array_equal(delete_cells(images, torch.tensor([16] * 3)), images)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"baseline": "random"},
            "baseline is 'random', which is random; expected one of 'mean', 'blur'",
        ),
        ({"grid": 9}, "9"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
    ],
)
def test_wrong_settings_are_named(settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        single_deletion(net(), *batch(), **settings)


@pytest.mark.parametrize("sides", [(16,), (8, 8, 8)])
def test_series_and_volumes_are_refused(sides: tuple[int, ...]) -> None:
    images = torch.rand(2, 1, *sides)
    with pytest.raises(InputError, match="from images"):
        single_deletion(net(), images, images.sum(1), torch.zeros(2, dtype=torch.int64))
