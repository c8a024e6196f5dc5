"""Pretrained weights from a local file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nets
from scaat.errors import InputError
from scaat.models import Classifier, build_model, load_pretrained


def build(name: str = "nets:tiny", classes: int = 3, side: int = 8) -> Classifier:
    torch.manual_seed(1)
    return build_model(name, num_classes=classes, image_size=(side, side), mean=None, std=None)


@pytest.fixture
def source() -> nn.Module:
    torch.manual_seed(0)
    return nets.tiny(5)


def save(state: dict[str, Any], folder: Path, kind: str) -> Path:
    path = folder / f"weights{kind}"
    if kind == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("kind", [".safetensors", ".pt"])
def test_equal_classes_take_everything(kind: str, source: nn.Module, tmp_path: Path) -> None:
    path = save(source.state_dict(), tmp_path, kind)
    model = build(classes=5)
    said = load_pretrained(model, path, "nets:tiny", 5)
    assert said == f"nets:tiny starts from {str(path)!r}"
    for key, weight in model.get_submodule("network").state_dict().items():
        assert torch.equal(weight, source.state_dict()[key])


def test_head_of_other_classes_starts_at_random_and_it_is_said(
    source: nn.Module, tmp_path: Path
) -> None:
    path = save(source.state_dict(), tmp_path, ".safetensors")
    model, fresh = build(), build()
    said = load_pretrained(model, path, "nets:tiny", 3)
    assert said.endswith("its head (6) has 5 classes there, 3 here and starts at random")
    found, other = (m.get_submodule("network").state_dict() for m in (model, fresh))
    assert torch.equal(found["6.weight"], other["6.weight"])
    assert torch.equal(found["0.weight"], source.state_dict()["0.weight"])


def test_backbone_alone_is_enough(source: nn.Module, tmp_path: Path) -> None:
    state = {key: weight for key, weight in source.state_dict().items() if key[0] != "6"}
    path = save({"state_dict": state}, tmp_path, ".pt")
    assert "its head (6) is not in the file" in load_pretrained(build(), path, "nets:tiny", 3)


def test_model_of_an_earlier_training(tmp_path: Path) -> None:
    trained = build(classes=3)
    for weight in trained.parameters():
        nn.init.normal_(weight)
    state = {**trained.state_dict(), "normalize.mean": torch.zeros(3, 1, 1)}
    path = save({"state_dict": state}, tmp_path, ".pt")
    model = build(classes=3)
    load_pretrained(model, path, "nets:tiny", 3)
    for one, two in zip(model.parameters(), trained.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": torch.zeros(9, 3, 3, 3)}, "0.weight has shape .9, 3, 3, 3., expected"),
        ({"0.weight": None}, "lacks 0.weight"),
        ({"extra": torch.zeros(1)}, "has also extra"),
        ({"6.weight": torch.zeros(5, 31)}, "6.weight has shape"),
    ],
)
def test_other_differences_are_refused(
    change: dict[str, Any], message: str, source: nn.Module, tmp_path: Path
) -> None:
    state = {
        key: value for key, value in (source.state_dict() | change).items() if value is not None
    }
    with pytest.raises(InputError, match=message):
        load_pretrained(build(), save(state, tmp_path, ".pt"), "nets:tiny", 3)


def test_timm_interpolates_position_embeddings(tmp_path: Path) -> None:
    """ViT weights for 32 pixels start a ViT for 48; a constant embedding stays constant."""
    timm = pytest.importorskip("timm")
    name = "vit_tiny_patch16_224"
    network = timm.create_model(name, img_size=32, num_classes=4)
    nn.init.constant_(network.pos_embed, 0.25)
    path = save(network.state_dict(), tmp_path, ".safetensors")
    model = build(f"timm:{name}", 3, 48)
    assert "its head (head)" in load_pretrained(model, path, f"timm:{name}", 3)
    found = model.get_submodule("network").pos_embed
    assert found.shape == (1, 1 + 9, 192)
    torch.testing.assert_close(found, torch.full_like(found, 0.25))
    with pytest.raises(InputError, match="does not fit timm:convnext_atto"):
        load_pretrained(build("timm:convnext_atto", 3, 48), path, "timm:convnext_atto", 3)
