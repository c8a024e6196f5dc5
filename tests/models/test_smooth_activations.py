"""SiLUs in the place of ReLUs, and names that cannot be built."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from scaat.errors import InputError
from scaat.models import build_model

NONE = {"mean": None, "std": None}


@pytest.mark.parametrize("name", ["small-resnet", "resnet18", "torchvision:resnet18", "nets:tiny"])
def test_every_relu_becomes_a_silu_and_the_weights_stay(name: str) -> None:
    plain = build_model(name, num_classes=4, image_size=(32, 32), **NONE).eval()
    model = build_model(f"silu:{name}", num_classes=4, image_size=(32, 32), **NONE).eval()
    relus = [where for where, module in plain.named_modules() if type(module) is nn.ReLU]
    silus = [where for where, module in model.named_modules() if type(module) is nn.SiLU]
    assert silus == relus != []
    model.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 32, 32)
    for module in plain.modules():  # the plain network with its ReLUs overridden
        if type(module) is nn.ReLU:
            module.forward = F.silu  # type: ignore[method-assign,assignment]
    torch.testing.assert_close(model(images), plain(images))


def test_names_combine() -> None:
    model = build_model("silu:smoothed:0:nets:tiny", num_classes=3, image_size=(8, 8), **NONE)
    kinds = {type(module).__name__ for module in model.modules()}
    assert {"SiLU", "FeatureSmoothing"} <= kinds
    assert "ReLU" not in kinds


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("silu:nets:plain", "model 'silu:nets:plain': the network has no torch.nn.ReLU"),
        ("silu:small-resnett", "unknown model 'small-resnett'"),
        ("sil:small-resnet", "did you mean 'silu'?"),
    ],
)
def test_errors_are_one_sentence(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        build_model(name, num_classes=4, image_size=(32, 32), **NONE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
