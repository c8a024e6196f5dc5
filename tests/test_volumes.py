"""Volumes (N, C, D, H, W) from training to curve: a drawn task, networks of two libraries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from scaat import SCAAT, Standard
from scaat.functional import aopc, entropy, gini, perturbation_curve, region_average, saliency_map
from scaat.metrics import AOPC, GiniIndex
from scaat.models import Normalize
from scaat.objectives import Objective, Search

SIDE = 8


def balls(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy volumes, labels (whether a bright ball is in) and where it could be."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randint(2, SIDE - 2, (count, 3), generator=generator)
    grid = torch.stack(torch.meshgrid(*[torch.arange(SIDE)] * 3, indexing="ij"))
    offsets = grid - centres.view(-1, 3, 1, 1, 1)
    inside = offsets.square().sum(1) <= 4
    labels = torch.arange(count) % 2
    noise = 0.5 * torch.rand(count, 1, SIDE, SIDE, SIDE, generator=generator)
    return noise + 0.5 * (inside & (labels == 1).view(-1, 1, 1, 1)).unsqueeze(1), labels, inside


def trained(objective: Objective, volumes: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        Normalize([0.3], [0.2]),
        nn.Conv3d(1, 8, 3, padding=1),
        nn.BatchNorm3d(8),
        nn.ReLU(),
        nn.Conv3d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool3d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(30):
        index = torch.randperm(len(volumes))[:24]
        output = objective(model, volumes[index], labels[index], index)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("method", ["standard", "scaat"])
def test_a_ball_is_found_and_measured(method: str) -> None:
    volumes, labels, inside = balls(64)
    objective = (
        Standard() if method == "standard" else SCAAT(64, weight=1.0, search=Search(region_size=2))
    )
    model = trained(objective, volumes, labels)
    assert (model(volumes).argmax(1) == labels).float().mean() > 0.9
    if method == "scaat":
        assert objective.get_buffer("proportion").unique().numel() > 1

    shown = labels == 1
    volumes, inside = volumes[shown], inside[shown]
    maps = saliency_map(model, volumes, labels[shown])
    assert maps.shape == (32, SIDE, SIDE, SIDE)
    assert maps[inside].mean() > 1.2 * maps[~inside].mean()
    curves = perturbation_curve(model, volumes, maps, region_size=2, baseline="zero")
    assert aopc(curves["morf"]).mean() > aopc(curves["lerf"]).mean() + 0.2
    # The same numbers by the metric; blocks of 2 x 2 x 2 are the pixels of averaged maps.
    metric = AOPC(region_size=2, baseline="zero")
    metric.update(model, volumes, region_average(maps, 2))
    torch.testing.assert_close(metric.curves()["morf"], curves["morf"])
    # Measures of a map alone do not depend on how the pixels are arranged.
    flat = maps.view(32, SIDE, SIDE * SIDE)
    assert torch.equal(entropy(maps), entropy(flat))
    sparsity = GiniIndex()
    sparsity.update(maps)
    assert torch.equal(sparsity.values(), gini(flat))


def video_network() -> nn.Module:
    from torchvision.models.video import r3d_18

    return nn.Sequential(Normalize([0.43, 0.39, 0.38], [0.23, 0.22, 0.22]), r3d_18(num_classes=2))


def scan_network() -> nn.Module:
    from monai.networks.nets.densenet import DenseNet

    return DenseNet(3, 1, 2, init_features=8, growth_rate=4, block_config=(2, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "shape"),
    [(video_network, (3, 8, 32, 32)), (scan_network, (1, 16, 16, 16))],
    ids=["torchvision", "monai"],
)
def test_a_network_of_a_library_trains_and_is_measured(
    network: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    volumes, labels = torch.rand(4, *shape), torch.tensor([0, 1, 0, 1])
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for objective in (Standard(), SCAAT(4, weight=1.0, search=Search(region_size=2))):
        output = objective(model, volumes, labels, torch.arange(4))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        assert output.loss.isfinite()
    model.eval()
    maps = saliency_map(model, volumes, labels)
    assert maps.shape == (4, *shape[1:])
    curves = perturbation_curve(model, volumes, maps, region_size=2, repeats=1, steps=4)
    assert curves["lerf"].shape == (4, 4)
    assert curves["lerf"].abs().max() > 0
