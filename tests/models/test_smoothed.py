"""The smoothing block against torchvision's filter, and where it is put."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from scaat.errors import InputError
from scaat.models import build_model
from scaat.models.smoothed import FeatureSmoothing, blur
from scaat.objectives import build_objective, objectives

NONE = {"mean": None, "std": None}


@pytest.mark.parametrize("sides", [(1, 1), (2, 5), (8, 8), (32, 17)])
def test_blur_is_torchvisions_behind_a_replicated_border(sides: tuple[int, int]) -> None:
    features = torch.rand(2, 3, *sides, dtype=torch.float64)
    # OpenCV's width for a filter of n values, with the side of the feature map as n.
    vertical, horizontal = (0.3 * ((side - 1) * 0.5 - 1) + 0.8 for side in sides)
    padded = nn.ReplicationPad2d(1)(features)
    expected = gaussian_blur(padded, [3, 3], [horizontal, vertical])[..., 1:-1, 1:-1]
    torch.testing.assert_close(blur(features), expected)


def test_constant_features_are_not_changed_by_the_filter() -> None:
    features = torch.full((1, 2, 4, 4), 0.7)
    torch.testing.assert_close(blur(features), features)


def test_the_block_adds_a_mixture_of_blurred_features() -> None:
    block, features = FeatureSmoothing(3), torch.rand(2, 3, 6, 6)
    with torch.no_grad():
        block.mix.weight.zero_()
        block.mix.weight[:, 1] = 2.0
        block.mix.bias.fill_(0.5)
        found = block(features)
    torch.testing.assert_close(found, features + 2 * blur(features)[:, 1:2] + 0.5)


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("small-resnet", "2", (32, 32)),
        ("small-resnet", "2.body.0", (9, 7)),
        ("resnet18", "layer1", (32, 32)),
        ("torchvision:squeezenet1_1", "features.3", (64, 64)),
        ("nets:tiny", "0", (8, 8)),
    ],
)
def test_features_are_smoothed_behind_the_layer(
    name: str, layer: str, size: tuple[int, int]
) -> None:
    model = build_model(f"smoothed:{layer}:{name}", num_classes=4, image_size=size, **NONE).eval()
    plain = build_model(name, num_classes=4, image_size=size, **NONE).eval()
    inner, block = model.network.get_submodule(layer)  # type: ignore[union-attr,misc]
    own = {n.replace(f"{layer}.0.", f"{layer}."): w for n, w in model.network.state_dict().items()}  # type: ignore[union-attr]
    with torch.no_grad():
        block.mix.weight.normal_(std=0.1)
    mix = {f"{layer}.1.mix.weight", f"{layer}.1.mix.bias"}
    plain.network.load_state_dict({n: w for n, w in own.items() if n not in mix})  # type: ignore[union-attr]
    reached: list[Tensor] = []
    handle = inner.register_forward_hook(lambda _m, _i, out: reached.append(out))
    images = torch.rand(2, 3, *size)
    with torch.no_grad():
        found = model(images)
        handle.remove()
        # The plain network with the block put in by a hook is the same function.
        plain.network.get_submodule(layer).register_forward_hook(lambda _m, _i, out: block(out))  # type: ignore[union-attr]
        torch.testing.assert_close(found, plain(images))
    assert reached[0].shape[1] == block.mix.in_channels


def test_a_network_of_ones_own_gets_its_channels() -> None:
    model = build_model(
        "smoothed:0:nets:any_channels", num_classes=3, image_size=(8, 8), channels=1, **NONE
    )
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize("method", list(objectives))
def test_every_objective_trains_through_it(method: str) -> None:
    torch.manual_seed(0)
    model = build_model("smoothed:0:nets:tiny", num_classes=3, image_size=(8, 8), **NONE).train()
    objective = build_objective(
        method, 4, {"weight": 5.0, "search_interval": 1} if method == "scaat" else {}
    )
    objective(model, torch.rand(4, 3, 8, 8), torch.arange(4) % 3, torch.arange(4)).loss.backward()
    gradients = [p.grad for name, p in model.named_parameters() if ".mix." in name]
    assert len(gradients) == 2
    assert all(g is not None and g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smoothed:small-resnet", "has another form than smoothed:LAYER:MODEL"),
        ("smoothed::small-resnet", "has another form"),
        ("smoothed:layer7:resnet18", "no layer 'layer7' (did you mean 'layer"),
        ("smoothed:10:small-resnet", "layer '10' gives shape (1, 4), expected feature maps"),
        ("smoothed:2:small-resnett", "unknown model 'small-resnett'"),
        ("smoothe:2:small-resnet", "did you mean 'smoothed'?"),
    ],
)
def test_errors_are_one_sentence(name: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        build_model(name, num_classes=4, image_size=(32, 32), **NONE)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
