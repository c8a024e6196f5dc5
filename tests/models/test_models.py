from __future__ import annotations

import pytest
import torch
from torch import nn

from scaat.errors import InputError
from scaat.models import Normalize, build_model, models

STATISTICS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}


@pytest.mark.parametrize("name", [*models, "torchvision:squeezenet1_1", "nets:tiny"])
@pytest.mark.parametrize("size", [(32, 32), (64, 72)])
def test_images_to_logits_behind_a_normalisation(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = build_model(name, num_classes=7, image_size=size, **STATISTICS).eval()
    images = torch.rand(2, 3, *size)
    with torch.no_grad():
        logits = model(images)
    assert logits.shape == (2, 7)
    assert isinstance(model[0], Normalize)
    assert not torch.allclose(logits[0], logits[1])
    # Another normalisation is another function: the first layer takes part.
    torch.manual_seed(0)
    other = build_model(name, num_classes=7, image_size=size, mean=[0.0] * 3, std=[1.0] * 3)
    with torch.no_grad():
        assert not torch.allclose(other.eval()(images), logits)


def test_normalize_is_the_closed_form() -> None:
    images = torch.rand(2, 3, 4, 5)
    found = Normalize(**STATISTICS)(images)
    for channel, (mean, std) in enumerate(zip(*STATISTICS.values(), strict=True)):
        torch.testing.assert_close(found[:, channel], (images[:, channel] - mean) / std)


def test_resnet18_keeps_the_resolution_of_small_images() -> None:
    def first_map(size: int) -> int:
        model = build_model("resnet18", num_classes=2, image_size=(size, size), **STATISTICS)
        shapes: list[int] = []
        network = model.network
        assert isinstance(network, nn.Module)
        network.layer1.register_forward_pre_hook(lambda _, x: shapes.append(x[0].shape[-1]))
        with torch.no_grad():
            model(torch.rand(2, 3, size, size))
        return shapes[0]

    assert first_map(32) == 32
    assert first_map(64) == 16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", r"unknown model 'resnet81' \(did you mean 'resnet18'\?\)"),
        ("torchvision:resnet5O", r"no classifier 'resnet5O' \(did you mean 'resnet50'\?\)"),
        ("no_such_module:f", "module 'no_such_module' cannot be imported"),
        ("nets:missing", "module 'nets' has no 'missing'"),
        ("nets:not_a_module", r"returned int, expected a torch.nn.Module"),
    ],
)
def test_unknown_models_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(name, num_classes=2, image_size=(32, 32), **STATISTICS)
