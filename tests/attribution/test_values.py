"""Known maps: closed forms, independent gradients, Captum's own composition."""

from __future__ import annotations

import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor, nn
from torch.nn import functional as F

from scaat.attribution import (
    class_competition,
    deeplift,
    forgrad,
    gradient,
    guided_backprop,
    integrated_gradients,
    pooled_gradient,
    smoothgrad,
)
from scaat.errors import InputError


class Linear(nn.Module):
    """Class scores w . x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 2, 5, 3, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("kchw,nchw->nk", self.w, x)


class Quadratic(Linear):
    """Class scores w . x^2, whose gradient is 2 w x."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x**2)


def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(6, 2, 5, 3, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 4


@pytest.mark.parametrize("method", [gradient, smoothgrad])
def test_linear_model_shows_its_absolute_weights(method) -> None:
    model, (images, targets) = Linear(), batch()
    expected = model.w.detach()[targets].abs().sum(1)
    torch.testing.assert_close(method(model, images, targets), expected)


def test_gradient_equals_autograd_image_by_image() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), nn.GELU(), nn.Flatten(), nn.Linear(18, 4))
    images, targets = batch()
    found = gradient(model, images, targets)
    for i in range(6):
        x = images[i].clone().requires_grad_()
        model(x[None])[0, targets[i]].backward()
        torch.testing.assert_close(found[i], x.grad.abs().sum(0))


def test_integrated_gradients_of_a_linear_model() -> None:
    model, (images, targets) = Linear(), batch()
    expected = (model.w.detach()[targets] * images).abs().sum(1)
    torch.testing.assert_close(integrated_gradients(model, images, targets), expected)


def test_integrated_gradients_of_a_quadratic_model() -> None:
    # The path integral of 2 w (a x) over a in [0, 1], times x, is w x^2.
    model, (images, targets) = Quadratic(), batch()
    expected = (model.w.detach()[targets] * images**2).abs().sum(1)
    torch.testing.assert_close(integrated_gradients(model, images, targets), expected)


def test_smoothgrad_averages_signed_gradients_over_the_documented_noise() -> None:
    model, (images, targets) = Quadratic(), batch()
    generator = torch.Generator().manual_seed(9)
    shifts = [0.3 * torch.randn(images.shape[1:], generator=generator) for _ in range(8)]
    mean = images + torch.stack(shifts).mean(0)
    expected = (2 * model.w.detach()[targets] * mean).abs().sum(1)
    found = smoothgrad(model, images, targets, samples=8, noise=0.3, seed=9)
    torch.testing.assert_close(found, expected)


def test_smoothgrad_equals_captums_noise_tunnel() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 4)).eval()
    images, targets = batch()
    for i in range(3):
        image, target = images[i : i + 1], targets[i : i + 1]
        torch.manual_seed(5)
        signed = NoiseTunnel(Saliency(model)).attribute(
            image, nt_samples=10, nt_samples_batch_size=1, stdevs=0.2, target=target, abs=False
        )
        found = smoothgrad(model, image, target, samples=10, noise=0.2, seed=5)
        torch.testing.assert_close(found, signed.abs().sum(1), rtol=1e-5, atol=1e-7)


def test_smoothgrad_refuses_no_samples() -> None:
    with pytest.raises(InputError, match="1 sample or more"):
        smoothgrad(Linear(), *batch(), samples=0)


def weighted(weights: Tensor) -> nn.Module:
    """A model of two classes with this gradient (C, H, W) for the first, none for the second."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([weights.flatten(), torch.zeros(weights.numel())]))
    return model


def test_forgrad_passes_low_frequencies_and_removes_a_checkerboard() -> None:
    rows, columns = torch.arange(8.0).unsqueeze(1), torch.arange(8.0)
    low = torch.cos(2 * torch.pi * columns / 8).expand(8, 8)
    board = 1 - 2 * ((rows + columns) % 2)
    images, targets = torch.rand(2, 2, 8, 8), torch.zeros(2, dtype=torch.int64)
    model = weighted(torch.stack([low + 3 * board, board]))
    torch.testing.assert_close(forgrad(model, images, targets)[1], low.abs())
    everything = forgrad(model, images, targets, cutoff=1.0)
    torch.testing.assert_close(everything, gradient(model, images, targets))


def test_class_competition_keeps_what_the_target_wins_against_the_best_and_the_worst() -> None:
    torch.manual_seed(0)
    weights = torch.randn(5, 2, 4, 4) / 5
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 5))
    with torch.no_grad():
        model[1].weight.copy_(weights.flatten(1))
        model[1].bias.copy_(torch.tensor([0.0, 100.0, 50.0, -100.0, 20.0]))  # decides the order
    images, targets = torch.rand(3, 2, 4, 4), torch.tensor([0, 1, 3])
    rows = {0: (0, 1, 3), 1: (1, 2, 3), 3: (3, 1, 0)}  # target, best and worst of the others
    found = class_competition(model, images, targets, sharpness=4.0, threshold=0.05)
    for target, each in zip(targets.tolist(), found, strict=True):
        largest = max(weights[number].abs().max() for number in rows[target])
        powers = [(4 * weights[number].abs() / largest).exp() for number in rows[target]]
        fraction = powers[0] / (powers[0] + powers[1] + powers[2])
        kept = torch.where(fraction > 1 / 3 + 0.05, fraction * weights[target].abs(), 0)
        torch.testing.assert_close(each, kept.sum(0))
    assert (found == 0).any()
    every = class_competition(model, images, targets, competitors=9)
    assert every.shape == found.shape
    assert not torch.equal(every, found)
    with pytest.raises(InputError, match="1 competitor or more"):
        class_competition(model, images, targets, competitors=0)
    with pytest.raises(InputError, match="three classes or more, the model has two"):
        class_competition(weighted(weights[0]), images, targets % 2)


def test_pooled_gradient_averages_blocks_of_the_absolute_gradient() -> None:
    weights = torch.zeros(2, 4, 6)
    weights[:, ::2, ::2] = torch.tensor([4.0, -8.0]).view(2, 1, 1)  # on one lattice alone
    images, targets = torch.rand(1, 2, 4, 6), torch.zeros(1, dtype=torch.int64)
    found = pooled_gradient(weighted(weights), images, targets)
    torch.testing.assert_close(found, torch.full((1, 4, 6), 3.0))
    with pytest.raises(InputError, match="blocks of 1 pixel or more, found 0"):
        pooled_gradient(weighted(weights), images, targets, region_size=0)


class Twice(nn.Module):
    """Two convolutions, with an activation after each and a last layer."""

    def __init__(self, first, second) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(2, 4, 3, padding=1)
        self.more = nn.Conv2d(4, 4, 3, padding=1)
        self.first, self.second = first, second
        self.last = nn.Linear(60, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.more(self.first(self.body(x))))
        return self.last(x.flatten(1))


def test_deeplift_multiplies_slopes_of_the_activations() -> None:
    model, (images, targets) = Twice(nn.Tanh(), nn.ReLU()), batch()
    found = deeplift(model, images, targets)
    for i in range(6):
        points = torch.stack([images[i], torch.zeros_like(images[i])])
        hidden = model.body(points)
        later = model.more(hidden.tanh())
        slopes = [
            (value[0] - value[1]) / (entry[0] - entry[1])
            for entry, value in ((hidden, hidden.tanh()), (later, later.relu()))
        ]
        back = model.last.weight[targets[i]].view(4, 5, 3) * slopes[1]
        back = F.conv_transpose2d(back[None], model.more.weight, padding=1) * slopes[0]
        back = F.conv_transpose2d(back, model.body.weight, padding=1)[0]
        torch.testing.assert_close(found[i], (back * images[i]).abs().sum(0).detach())


def test_guided_backprop_clamps_the_gradient_at_every_relu() -> None:
    relu = nn.ReLU(inplace=True)  # one module called twice, as in torchvision's ResNets
    model, (images, targets) = Twice(relu, relu), batch()
    hidden = model.body(images)
    later = model.more(hidden.relu())
    back = model.last.weight[targets].view(6, 4, 5, 3)
    back = (back * (later > 0)).clamp(min=0)
    back = F.conv_transpose2d(back, model.more.weight, padding=1) * (hidden > 0)
    back = F.conv_transpose2d(back.clamp(min=0), model.body.weight, padding=1)
    expected = back.abs().sum(1).detach()
    torch.testing.assert_close(guided_backprop(model, images, targets), expected)


class Skip(nn.Module):
    """x + ReLU(x): Captum's hook would also change the gradient of the first term."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.relu(x)


RELU = nn.ReLU()


@pytest.mark.parametrize(
    ("method", "model", "said"),
    [
        (deeplift, Twice(RELU, RELU), "ReLU 'first' 2 times"),
        (deeplift, Twice(nn.ReLU(), F.relu), "no DeepLift rule"),
        (deeplift, Twice(nn.ReLU(), nn.MaxPool2d(1)), "rule for MaxPool2d"),
        (guided_backprop, Twice(nn.ReLU(), F.relu), "of its 2 ReLU calls 1 are nn.ReLU"),
        (guided_backprop, Twice(nn.ReLU(), Skip()), "1 do not share their input"),
        (guided_backprop, Twice(nn.Tanh(), nn.Tanh()), "found none"),
    ],
)
def test_models_that_captum_explains_wrongly_are_refused(method, model, said) -> None:
    with pytest.raises(InputError, match=said):
        method(model, *batch())
