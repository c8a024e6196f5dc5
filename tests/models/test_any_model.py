"""Networks of the libraries train with every objective, at their own size or the data's."""

from __future__ import annotations

import copy

import pytest
import torch

from scaat.errors import InputError
from scaat.models import build_model, find_model
from scaat.models.classifier import Resize
from scaat.objectives import build_objective, objectives

NETWORKS = (
    "small-vgg",
    "fast-cnn",
    "timm:vit_tiny_patch16_224",
    "timm:convnext_atto",
    "torchvision:resnet18",
    "torchvision:vgg16",
    "torchvision:efficientnet_b0",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_two_steps_of_every_objective_at_64_pixels(name: str) -> None:
    if name.startswith("timm"):
        pytest.importorskip("timm")
    recipe = find_model(name)
    torch.manual_seed(0)
    start = build_model(
        name, num_classes=3, image_size=(64, 64), mean=recipe.mean, std=recipe.std
    ).train()
    images, labels, index = torch.rand(2, 3, 64, 64), torch.tensor([0, 2]), torch.tensor([4, 1])
    for method in objectives:
        model = copy.deepcopy(start)  # a method may leave it with a loss of a million
        objective = build_objective(
            method,
            5,
            {"steps": 1, "weight": 5.0, "search_interval": 1} if method == "scaat" else {},
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for _ in range(1 if "vgg" in name else 2):  # 134 million weights
            output = objective(model, images, labels, index)
            optimizer.zero_grad()
            output.loss.backward()
            optimizer.step()
            assert output.loss.isfinite()
            assert output.logits.shape == (2, 3)
        reached = [bool(w.grad.any()) for w in model.parameters()]
        assert sum(reached) > 0.9 * len(reached), method


@pytest.mark.parametrize(
    ("name", "mean", "size"),
    [
        ("torchvision:resnet18", (0.485, 0.456, 0.406), (224, 224)),
        ("torchvision:inception_v3", (0.485, 0.456, 0.406), (299, 299)),
        ("timm:vit_tiny_patch16_224", (0.5, 0.5, 0.5), (224, 224)),
        ("timm:convnext_atto", (0.485, 0.456, 0.406), (224, 224)),
        ("small-resnet", None, None),
        ("small-vgg", None, None),
        ("nets:tiny", None, None),
    ],
)
def test_what_the_libraries_state(name: str, mean: object, size: object) -> None:
    if name.startswith("timm"):
        pytest.importorskip("timm")
    recipe = find_model(name)
    assert (recipe.mean, recipe.size) == (mean, size)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("torchvision:inception_v3", (64, 64), "cannot be built for images of 64x64"),
        ("torchvision:vit_b_32", (40, 40), "cannot be built for images of 40x40"),
        ("torchvision:densenet121", (8, 8), "cannot be built for images of 8x8"),
        ("nets:vit", (9, 8), "cannot be built for images of 9x8"),
    ],
)
def test_impossible_sizes_are_refused_in_a_sentence(
    name: str, size: tuple[int, int], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_model(name, num_classes=2, image_size=size, mean=None, std=None)
    assert "\n" not in str(caught.value)


def test_network_of_another_size_resizes_inside() -> None:
    """Bilinear at twice the size: constants stay, and the gradient has the images' resolution."""
    model = build_model(
        "nets:vit", num_classes=3, image_size=(4, 4), mean=None, std=None, input_size=(8, 8)
    ).eval()
    images = torch.rand(2, 3, 1, 1).expand(2, 3, 4, 4).clone().requires_grad_()
    torch.testing.assert_close(
        model(images), model.get_submodule("network")(images[:, :, :1, :1].expand(2, 3, 8, 8))
    )
    (gradient,) = torch.autograd.grad(model(images).sum(), images)
    assert gradient.shape == (2, 3, 4, 4)
    shrunk = Resize((2, 2))(torch.arange(16.0).view(1, 1, 4, 4))
    torch.testing.assert_close(shrunk.mean(), torch.tensor(7.5))
    assert shrunk.shape == (1, 1, 2, 2)


@pytest.mark.parametrize("statistics", [(None, None), ((0.3,), (0.2,)), ((0.1, 0.2, 0.3),) * 2])
def test_grey_images_are_repeated_for_colour_networks(statistics: tuple[object, object]) -> None:
    mean, std = statistics
    known = {"num_classes": 3, "image_size": (8, 8), "mean": mean, "std": std}
    model = build_model("nets:tiny", **known, channels=1).eval()
    grey = torch.rand(2, 1, 8, 8)
    assert torch.equal(model(grey), model(grey.repeat(1, 3, 1, 1)))


def test_factories_that_ask_for_the_channels_get_them() -> None:
    model = build_model(
        "nets:any_channels", num_classes=3, image_size=(8, 8), mean=[0.5], std=[0.2], channels=1
    )
    assert model.get_submodule("network.0").weight.shape[1] == 1
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def test_building_leaves_the_random_generator_and_buffers_alone() -> None:
    torch.manual_seed(7)
    import nets

    network = nets.tiny(3)
    expected = torch.rand(3)
    torch.manual_seed(7)
    model = build_model("nets:tiny", num_classes=3, image_size=(8, 8), mean=None, std=None)
    assert torch.equal(torch.rand(3), expected)
    for one, two in zip(
        model.get_submodule("network").state_dict().values(),
        network.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(one, two)
