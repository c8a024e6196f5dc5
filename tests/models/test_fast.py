"""The network of the fast recipe."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.models import Classifier, Whitening, build_model

STATISTICS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}


def fast(size: tuple[int, int] = (16, 16)) -> Classifier:
    torch.manual_seed(0)
    return build_model("fast-cnn", num_classes=3, image_size=size, **STATISTICS)


def smooth_images(count: int) -> torch.Tensor:
    coarse = torch.rand(count, 3, 4, 4)
    return 0.1 * torch.rand(count, 3, 16, 16) + 0.9 * F.interpolate(coarse, (16, 16))


def whitening_of(model: Classifier) -> Whitening:
    return next(layer for layer in model.modules() if isinstance(layer, Whitening))


def test_patches_become_uncorrelated_and_each_comes_with_either_sign() -> None:
    model = fast()
    images = smooth_images(40)
    layer = whitening_of(model)
    normalised = model.get_submodule("normalize")(images)
    torch.testing.assert_close(model.network_input(images), normalised)

    def second_moments() -> torch.Tensor:
        outputs = layer(normalised).transpose(0, 1).flatten(1).double()
        torch.testing.assert_close(outputs[12:], -outputs[:12])
        return (outputs[:12] @ outputs[:12].T / outputs.shape[1]).detach()

    before = second_moments()
    assert (before - before.diag().diag()).abs().max() > 0.1
    layer.fit(model.network_input(images))
    after = second_moments()
    torch.testing.assert_close(
        after - after.diag().diag(), torch.zeros(12, 12).double(), atol=1e-5, rtol=0
    )
    assert 0.9 < after.diag().min() <= after.diag().max() <= 1.00001


def test_whitening_does_not_train_and_keeps_modes_and_random_numbers() -> None:
    model = fast().train()
    images = smooth_images(4)
    layer = whitening_of(model)
    state = torch.get_rng_state()
    layer.fit(model.network_input(images))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert [name for name, _ in layer.named_parameters()] == ["bias"]
    again = fast()
    again.load_state_dict(model.state_dict())
    assert torch.equal(whitening_of(again).weight, layer.weight)


def test_biases_learn_64_times_as_fast() -> None:
    model = fast()
    bias = model.get_submodule("network.4.1")
    features = torch.randn(2, 64, 3, 3)
    slow = torch.zeros(64, requires_grad=True)
    (features + slow.view(-1, 1, 1)).square().sum().backward()
    loss = bias(features).square().sum()
    loss.backward()
    with torch.no_grad():
        torch.optim.SGD(bias.parameters(), lr=0.01).step()
    moved = bias(torch.zeros(1, 64, 1, 1)).flatten()
    assert slow.grad is not None
    torch.testing.assert_close(moved, -0.01 * 64 * slow.grad)


def test_convolutions_begin_by_passing_their_input_on() -> None:
    layer = fast().get_submodule("network.5")
    features = torch.rand(1, 64, 5, 5)
    torch.testing.assert_close(layer(features), features)


def test_images_from_9_pixels() -> None:
    assert fast((9, 11))(torch.rand(2, 3, 9, 11)).shape == (2, 3)
    with pytest.raises(InputError, match="'fast-cnn' cannot be built for images of 8x8"):
        fast((8, 8))
