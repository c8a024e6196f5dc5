from __future__ import annotations

import sys

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scaat.attribution import attributions
from scaat.errors import InputError
from scaat.models import Normalize, build_model, find_model, models

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


SMALL = ("small-resnet", "small-vgg")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (2, 3), (30, 50)])
def test_small_networks_take_images_of_any_size(name: str, size: tuple[int, int]) -> None:
    model = build_model(name, num_classes=3, image_size=size, **STATISTICS).train()
    images = torch.rand(4, 3, *size, requires_grad=True)
    logits = model(images)
    assert logits.shape == (4, 3)
    (gradient,) = torch.autograd.grad(logits[:, 0].square().sum(), images)
    assert gradient.abs().amax(dim=(1, 2, 3)).min() > 0


@pytest.mark.parametrize(
    ("name", "weights", "millions"), [(SMALL[0], 787_434, 24.5), (SMALL[1], 664_698, 22.9)]
)
def test_small_networks_cost_what_they_say(name: str, weights: int, millions: float) -> None:
    model = build_model(name, num_classes=10, image_size=(32, 32), **STATISTICS).eval()
    assert sum(weight.numel() for weight in model.parameters()) == weights
    assert sum(isinstance(layer, nn.Conv2d) for layer in model.modules()) == 12
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.rand(1, 3, 32, 32))
    assert round(counter.get_total_flops() / 2e6, 1) == millions  # two operations each


# DeepLift refuses max pooling, where Captum fails its own completeness.
@pytest.mark.parametrize("method", [name for name in attributions if name != "deeplift"])
def test_saliency_methods_explain_the_plain_network(method: str) -> None:
    """At a size that pooling has to round: 15 pixels become 8, 4 and 2."""
    torch.manual_seed(0)
    model = build_model("small-vgg", num_classes=3, image_size=(15, 17), **STATISTICS).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = torch.rand(2, 3, 15, 17)
    masks = torch.zeros(2, 15, 17, dtype=torch.bool)
    masks[:, 4:9, 4:9] = True
    maps = attributions[method](
        model, images, torch.tensor([0, 2]), masks=masks, image_ids=torch.arange(2)
    )
    assert maps.shape == (2, 15, 17)
    assert maps.isfinite().all()
    assert maps.amax(dim=(1, 2)).min() > 0
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", r"unknown model 'resnet81'"),
        ("torchvision:resnet5O", r"no classifier 'resnet5O'"),
        ("no_such_module:f", "module 'no_such_module' cannot be imported"),
        ("nets:missing", "module 'nets' has no 'missing'"),
        ("torchvision:vit_b_32", r"'torchvision:vit_b_32' cannot be built for images of 30x30"),
        ("nets:not_a_module", r"returned int, expected a torch.nn.Module"),
    ],
)
def test_unknown_models_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(name, num_classes=2, image_size=(30, 30), **STATISTICS)


def test_transformers_are_made_for_the_images() -> None:
    with torch.device("meta"):  # shapes alone: 88 million weights are not needed
        vit = find_model("torchvision:vit_b_32").build(2, (64, 64), 3)
        maxvit = find_model("torchvision:maxvit_t").build(2, (448, 224), 3)
    assert vit.encoder.pos_embedding.shape[1] == 2 * 2 + 1
    assert maxvit.blocks[0].layers[0].layers.window_attention.grid_size == (112, 56)
    model = build_model("nets:vit", num_classes=3, image_size=(8, 8), **STATISTICS)
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 3)
    with pytest.raises(InputError, match=r"takes square images, found 32x64"):
        find_model("torchvision:vit_b_32").build(2, (32, 64), 3)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_timm_networks(name: str) -> None:
    pytest.importorskip("timm")
    model = build_model(f"timm:{name}", num_classes=3, image_size=(32, 48), **STATISTICS).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 32, 48)).shape == (1, 3)
    with pytest.raises(InputError, match=r"no model 'resnet81' \(did you mean"):
        find_model("timm:resnet81")


def test_timm_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"'timm:resnet18' needs the package timm"):
        find_model("timm:resnet18")
