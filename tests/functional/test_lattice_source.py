"""The layer that makes a lattice, in networks drawn so that it is known."""

from __future__ import annotations

import pytest
import torch
from tests import nets
from torch import Tensor, nn

from scaat.errors import InputError
from scaat.functional import lattice_source, lattice_variance


@pytest.mark.parametrize(("period", "expected"), [(1, 0.0), (2, 1.0), (4, 1.0), (8, 1.0)])
def test_every_second_row(period: int, expected: float) -> None:
    rows = torch.zeros(4, 9, 8)  # with a row beyond the last whole period
    rows[:, 1::2] = torch.tensor([1.0, 2.0, 1e-9, 0.5])[:, None, None]
    assert lattice_variance(rows, period) == pytest.approx(expected)


def test_one_pixel_in_four_and_chance() -> None:
    single = torch.zeros(3, 8, 8)
    single[:, ::2, 1::2] = 5
    assert lattice_variance(single, 2) == pytest.approx(3)
    assert lattice_variance(torch.zeros(2, 4, 4), 2) == 0
    noise = torch.rand(400, 8, 8, generator=torch.Generator().manual_seed(0))
    assert abs(lattice_variance(noise, 8)) < 4e-4  # where the means' own variance is 8e-4
    assert noise.mean(0).var() / noise.mean() ** 2 > 7e-4


def even(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution over 2 x 2 blocks that reads all their pixels alike."""
    layer = nn.Conv2d(inputs, outputs, 2, stride=2)
    layer.weight.data = layer.weight.data.mean((2, 3), keepdim=True).expand_as(layer.weight).clone()
    return layer


def network(*layers: nn.Module, channels: int = 8) -> nn.Module:
    torch.manual_seed(0)
    stem = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True))
    return nn.Sequential(
        *stem, *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)
    )


class EverySecond(nn.Module):
    """No layer of its own: rows and columns are left out."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2, ::2]


class Block(nn.Module):
    """Even, but for its shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.shortcut = even(8, 8), nn.Conv2d(8, 8, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Reused(nn.Module):
    """One max pooling with overlaps, called after a convolution that reads all pixels alike."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.pool = even(8, 8), nn.MaxPool2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pool(self.convolution(x)))


class OddRows(nn.Linear):
    """On 8 x 16 x 16 flattened activations; every second row has no weight."""

    def __init__(self) -> None:
        super().__init__(8 * 16 * 16, 2)
        self.weight.data.unflatten(1, (8, 16, 16))[:, :, ::2] = 0


def transformer() -> nn.Module:
    """It reads one pixel of each patch."""
    torch.manual_seed(0)
    model = nets.vit(2, (16, 16))
    weight = model.get_submodule("conv_proj").weight.data
    weight[:, :, torch.arange(16).reshape(4, 4) != 6] = 0
    return model


def inputs(size: int = 16) -> tuple[Tensor, Tensor]:
    images = torch.rand(12, 3, size, size, generator=torch.Generator().manual_seed(1))
    return images, torch.arange(12) % 2


@pytest.mark.parametrize(
    ("model", "period", "layer", "kind"),
    [
        (network(even(8, 8), nn.ReLU(), nn.Conv2d(8, 8, 1, stride=2)), 4, "4", "Conv2d"),
        (network(nn.Conv2d(8, 8, 1, stride=2), nn.ReLU(), even(8, 8)), 2, "2", "Conv2d"),
        (network(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2)), 2, "2", "MaxPool2d"),
        (network(EverySecond()), 2, "2", "EverySecond"),
        (network(nn.Sequential(Block(), nn.Conv2d(8, 8, 3))), 2, "2.0.shortcut", "Conv2d"),
        (network(Reused()), 4, "2.pool", "MaxPool2d"),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), OddRows()),
            *(2, "1", "Flatten"),
        ),
        (transformer(), 4, "conv_proj", "Conv2d"),
    ],
)
def test_the_guilty_layer_is_named(model: nn.Module, period: int, layer: str, kind: str) -> None:
    found = lattice_source(model.eval(), *inputs(), batch_size=5)
    assert found[0] == period
    assert found[2:] == (layer, kind)
    assert found.variation > 0.1


def test_a_lattice_of_the_models_own_making() -> None:
    """Exactly: of four pixels one is read, by the model's own forward."""

    class Model(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :2, 1::2, ::2].mean((2, 3))

    found = lattice_source(Model(), *inputs())
    assert found == (2, pytest.approx(3**0.5), "", "Model")


def test_an_even_model_has_no_lattice_and_keeps_no_trace() -> None:
    model = network(even(8, 8), nn.AvgPool2d(2)).eval()
    images, labels = inputs(32)
    before = model(images)
    found = lattice_source(model, images, labels)
    assert found.variation < 0.05
    assert found[2:] == (None, None)
    torch.testing.assert_close(model(images), before, rtol=0, atol=0)
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_valid_convolutions_keep_the_period() -> None:
    """Sizes 33, 16, 14 and 7: rounded ratios would give periods of 2, 2 and 5."""
    layers = (nn.Conv2d(8, 8, 2, stride=2), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 1, stride=2))
    torch.manual_seed(0)
    layers[0].weight.data = even(8, 8).weight.data
    found = lattice_source(network(*layers).eval(), *inputs(33))
    assert (found.period, found.layer) == (4, "4")


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (4, 3, 1, 8), (4, 8)])
def test_refuses_too_little(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="a lattice needs two images"):
        lattice_source(nn.Flatten(), torch.rand(shape), torch.zeros(shape[0], dtype=torch.int64))
