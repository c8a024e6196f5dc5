"""Frozen parts keep their function; images still get gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from scaat.errors import InputError
from scaat.models import Classifier, build_model, freeze
from scaat.models.classifier import head_names
from scaat.objectives import build_objective, objectives

KNOWN = {"num_classes": 3, "image_size": (16, 16), "mean": [0.5] * 3, "std": [0.2] * 3}


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(0)
    return build_model("resnet18", **KNOWN)


@pytest.mark.parametrize("method", objectives)
def test_only_the_head_moves(method: str, model: Classifier) -> None:
    """Neither weights nor batch-norm statistics of the backbone change; the head learns."""
    freeze(model, "head", 3)
    before = copy.deepcopy(model.state_dict())
    objective = build_objective(
        method, 8, {"weight": 5.0, "search_interval": 1} if method == "scaat" else {}
    )
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    images, labels = torch.rand(8, 3, 16, 16), torch.arange(8) % 3
    losses = []
    for _ in range(3):
        model.train()
        output = objective(model, images, labels, torch.arange(8))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.terms["cross_entropy"].item())
    moved = {
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    }
    assert moved == {"network.fc.weight", "network.fc.bias"}
    assert losses[-1] < losses[0]
    if method == "scaat":
        assert output.terms["divergence"] > 0  # the search got gradients through frozen layers


def test_modes(model: Classifier) -> None:
    freeze(model, "layer4, fc", 3)
    network = model.get_submodule("network")
    assert not network.get_submodule("layer3.0.bn1").training
    assert network.get_submodule("layer4.0.bn1").training
    assert not model.eval().get_submodule("network.layer4").training
    assert model.train().get_submodule("network.layer4").training
    assert not copy.deepcopy(model).train().get_submodule("network.layer3").training


def test_all_trains_everything(model: Classifier) -> None:
    freeze(model, "all", 3)
    assert all(weight.requires_grad for weight in model.parameters())
    assert model.get_submodule("network.bn1").training


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torchvision:googlenet", ["fc"]),
        ("torchvision:squeezenet1_1", ["classifier.1"]),
        ("timm:convnext_atto", ["head.fc"]),
        ("timm:deit_tiny_distilled_patch16_224", ["head", "head_dist"]),
    ],
)
def test_heads(name: str, expected: list[str]) -> None:
    if name.startswith("timm"):
        pytest.importorskip("timm")
    model = build_model(name, num_classes=7, image_size=(64, 64), mean=None, std=None)
    assert head_names(model.get_submodule("network"), 7) == expected


@pytest.mark.parametrize(
    ("trainable", "message"),
    [
        ("layer5", r"trainable names 'layer5' \(did you mean 'layer\d'\?\), expected all, head or"),
        ("fc,relu", "trainable names 'relu'"),
        ("", "trainable names ''"),
    ],
)
def test_unknown_parts_are_refused(trainable: str, message: str, model: Classifier) -> None:
    with pytest.raises(InputError, match=message):
        freeze(model, trainable, 3)


def test_network_without_a_head_is_refused() -> None:
    with pytest.raises(InputError, match="no layer of Sequential has 5 outputs"):
        head_names(nn.Sequential(nn.Conv2d(3, 4, 1)), 5)
